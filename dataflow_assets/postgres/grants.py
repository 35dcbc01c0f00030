"""What the role `dataflow_reader` may do: read everything that people query, and the ledger; change nothing.

The users of the HTTP API, with what their logins are checked by, it may not read.

The role itself is made with the server: of the embedded one, and by `deploy/roles.sql`. Where there is none, nothing is
granted.

Here: granting. Not here: the role's password, and who connects as it, or takes it (see `reading_role`).
"""

import sqlalchemy as sa

from dataflow_assets.postgres.embedded.cluster import READER
from dataflow_assets.postgres.schema import ANALYTICS, DAYS, LEDGER, WAREHOUSE
from dataflow_assets.postgres.sql import column_list, identifier

_READABLE = (WAREHOUSE, DAYS, ANALYTICS, LEDGER)
_LACKS_GRANTS = sa.text(
    f"SELECT NOT has_schema_privilege(oid, '{WAREHOUSE}', 'USAGE') FROM pg_roles WHERE rolname = '{READER}'"  # noqa: S608
)


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
