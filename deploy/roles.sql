-- The platform's role and its database. The image of PostgreSQL runs this once, as its superuser, by psql.
--
-- The role is no superuser: it owns its database and nothing else, and reads no file of the server.
\set ON_ERROR_STOP on
\getenv password DATAFLOW_PASSWORD

CREATE ROLE dataflow LOGIN PASSWORD :'password';
CREATE DATABASE dataflow OWNER dataflow;
-- For people and programs that only read; the migrations say what. It cannot log in before somebody gives it a password,
-- `\password dataflow_reader` in psql.
CREATE ROLE dataflow_reader LOGIN;
-- Statements of `dataflow query` and of the API run as that role, and what they write to the server's disk is bounded.
GRANT dataflow_reader TO dataflow WITH INHERIT FALSE;
GRANT SET ON PARAMETER temp_file_limit TO dataflow;
