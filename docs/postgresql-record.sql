-- What portal_app may do to the audit record (docs/audit.md), beside docs/postgresql-roles.sql: add rows and read them.
-- Only the retention rule's erasure is a right of its own, and the triggers let nothing else pass.
--
-- Run it as a superuser, in the portal's database, after the first migration and after each restore;
-- several times do no harm:
--     psql --set ON_ERROR_STOP=1 --dbname portal --file docs/postgresql-record.sql
REVOKE UPDATE, DELETE, TRUNCATE, TRIGGER ON connections_event, connections_eventseal FROM portal_app;
-- As in postgresql-roles.sql; a database that is made anew for a backup has its own rights.
DO $$ BEGIN EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database()); END $$;
DO $$ BEGIN
    IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'portal_eraser') THEN
        CREATE ROLE portal_eraser NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE;
    END IF;
END $$;
GRANT UPDATE (by_id, address, typed_name, reason, about_id, about_name, detail) ON connections_event TO portal_eraser;
GRANT UPDATE (salt) ON connections_eventseal TO portal_eraser;
-- Without this line nothing is ever erased, whatever the policy says: the hourly job fails, and the log says why.
GRANT portal_eraser TO portal_app;
