-- What one of the instances does for all of them, such as scheduling: who that is, and until when if it is not heard of again.
CREATE TABLE odonata_lease (
    name TEXT PRIMARY KEY NOT NULL,
    holder TEXT NOT NULL,
    -- In ticks of 100 ns since 0001-01-01.
    until INTEGER NOT NULL,
    -- Grows whenever the holder changes: what an earlier one writes is refused.
    fence INTEGER NOT NULL
) STRICT;
-- Tasks that have changed, for the scheduler to look at.
CREATE TABLE odonata_task_change (tenant BLOB NOT NULL, task INTEGER NOT NULL) STRICT;
