-- The platform's role and its database. The image of PostgreSQL runs this once, as its superuser, by psql.
--
-- The role is no superuser: it owns its database and nothing else, and reads no file of the server.
\set ON_ERROR_STOP on
\getenv password DATAFLOW_PASSWORD

CREATE ROLE dataflow LOGIN PASSWORD :'password';
CREATE DATABASE dataflow OWNER dataflow;
-- `dataflow query` runs as a role that only reads, and bounds what a statement writes to the server's disk.
GRANT pg_read_all_data TO dataflow WITH INHERIT FALSE;
GRANT SET ON PARAMETER temp_file_limit TO dataflow;
-- For people and programs that only read; the migrations say what. It cannot log in before somebody gives it a password,
-- `\password dataflow_reader` in psql.
CREATE ROLE dataflow_reader LOGIN;
