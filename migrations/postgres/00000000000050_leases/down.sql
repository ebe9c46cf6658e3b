DROP TABLE odonata_task_change;
DROP TABLE odonata_lease;
