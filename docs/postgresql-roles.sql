-- Two roles for the portal's database: portal_owner owns the tables and migrates, portal_app is what the web process,
-- the worker and the scheduler log in as. portal_app can read and write rows. It cannot empty a table at once, nor
-- switch off the triggers that keep the history append-only, nor change a table, nor make a temporary one.
--
-- Run it once as a superuser, in the portal's database, before the first migration:
--     psql --set ON_ERROR_STOP=1 --dbname portal --file docs/postgresql-roles.sql
-- then set a password for each (\password portal_owner, \password portal_app) and use
--     DATABASE_URL=postgresql://portal_owner:…  STATEMENT_TIMEOUT=0  python manage.py migrate
--     DATABASE_URL=postgresql://portal_app:…    for everything else.
-- After the first migration: docs/postgresql-record.sql, without which portal_app can delete events.
-- A database that one role made so far: first, as a superuser, REASSIGN OWNED BY old_role TO portal_owner.
CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE ROLE portal_owner LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE;
CREATE ROLE portal_app LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
DO $$ BEGIN EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database()); END $$;
GRANT USAGE, CREATE ON SCHEMA public TO portal_owner;
GRANT USAGE ON SCHEMA public TO portal_app;
-- What stands there already, and what later migrations make.
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO portal_app;
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO portal_app;
ALTER DEFAULT PRIVILEGES FOR ROLE portal_owner IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO portal_app;
ALTER DEFAULT PRIVILEGES FOR ROLE portal_owner IN SCHEMA public
    GRANT USAGE, SELECT ON SEQUENCES TO portal_app;
