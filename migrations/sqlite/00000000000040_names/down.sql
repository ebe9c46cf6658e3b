CREATE UNIQUE INDEX IF NOT EXISTS "core_users_Name" ON core_users ("Name");
