DROP TABLE odonata_fact;
