"""As whom statements of users run: as `dataflow_reader` where the platform's own role may take it.

A role that cannot takes `pg_read_all_data` instead, where it may, which reads logins too but no files of the server.

Here: which one it is. Not here: what the reader may do (see `grants`).
"""

from dataflow_assets.postgres.embedded.cluster import READER

# The name of the role, as a scalar query; null where the user of the session may take neither. A reader that has no
# grants yet is none.
READING_ROLE = f"""
    SELECT rolname::text FROM pg_roles
    WHERE pg_has_role(oid, CASE WHEN current_setting('server_version_num')::int < 160000 THEN 'MEMBER' ELSE 'SET' END)
        AND (rolname = 'pg_read_all_data' OR rolname = '{READER}' AND EXISTS (
            SELECT FROM pg_namespace AS schema
            WHERE nspname = 'warehouse' AND has_schema_privilege(pg_roles.oid, schema.oid, 'USAGE')))
    ORDER BY rolname = '{READER}' DESC LIMIT 1"""  # noqa: S608
