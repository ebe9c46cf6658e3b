-- What one of the instances does for all of them, such as scheduling: who that is, and until when if it is not heard of again.
CREATE TABLE odonata_lease (
    name TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    -- By the clock of the database, in ticks of 100 ns since 0001-01-01.
    until BIGINT NOT NULL,
    -- Grows whenever the holder changes: what an earlier one writes is refused.
    fence BIGINT NOT NULL
);
-- Tasks that have changed, for the scheduler to look at: a row for each change, so that those who change tasks do not wait for each other.
CREATE TABLE odonata_task_change (tenant UUID NOT NULL, task BIGINT NOT NULL);
