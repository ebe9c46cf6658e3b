-- Names of users are unique in their tenant, no more over all tenants: a conflict told that another tenant has a name.
DROP INDEX IF EXISTS "core_users_Name";
