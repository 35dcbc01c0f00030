"""What the role `dataflow_reader` may do: read everything that people query, and the ledger; change nothing.

The users of the HTTP API, with what their logins are checked by, it may not read.

The role itself is made with the server: of the embedded one, and by `deploy/roles.sql`. Where there is none, nothing is
granted.

Statements of users run as this role where the platform's own may take it. A role that cannot takes
`pg_read_all_data` instead, where it may, which reads logins too but no files of the server.

Here: granting, and which role a session that only reads takes. Not here: the role's password, and who connects as it.
"""

import sqlalchemy as sa

from dataflow_assets.postgres.embedded.cluster import READER
from dataflow_assets.postgres.schema import ANALYTICS, DAYS, LEDGER, WAREHOUSE
from dataflow_assets.postgres.sql import column_list, identifier

_READABLE = (WAREHOUSE, DAYS, ANALYTICS, LEDGER)
_LACKS_GRANTS = sa.text(
    f"SELECT NOT has_schema_privilege(oid, '{WAREHOUSE}', 'USAGE') FROM pg_roles WHERE rolname = '{READER}'"  # noqa: S608
)
# The name of the role, as a scalar query; null where the user of the session may take neither. A reader that has no
# grants yet is none.
READING_ROLE = f"""
    SELECT rolname::text FROM pg_roles
    WHERE pg_has_role(oid, CASE WHEN current_setting('server_version_num')::int < 160000 THEN 'MEMBER' ELSE 'SET' END)
        AND (rolname = 'pg_read_all_data' OR rolname = '{READER}' AND EXISTS (
            SELECT FROM pg_namespace AS schema
            WHERE nspname = '{WAREHOUSE}' AND has_schema_privilege(pg_roles.oid, schema.oid, 'USAGE')))
    ORDER BY rolname = '{READER}' DESC LIMIT 1"""  # noqa: S608


def grant_reading(connection: sa.Connection) -> None:
    """Let the reader, if there is one that may not yet, read every table and view, those that will be made too."""
    if not connection.execute(_LACKS_GRANTS).scalar():
        return
    schemas, reader = column_list(_READABLE), identifier(READER)
    for statement in (
        f"GRANT USAGE ON SCHEMA {schemas} TO {reader}",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA {schemas} TO {reader}",
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schemas} GRANT SELECT ON TABLES TO {reader}",
    ):
        connection.exec_driver_sql(statement)
