"""What the slices of tables were made from, where an asset says so: a table of its own, made when the first one does.

Here: reading and writing that record. Not here: comparing it (see `partitions`), and the platform's own records (see
`ledger`).
"""

import json

from dataflow_assets.postgres.connection import Connection, transaction
from dataflow_assets.postgres.locks import advisory_lock
from dataflow_assets.postgres.partitions import TableSlice, Versions
from dataflow_assets.postgres.sql import ensure_schema, execute, has_table

SCHEMA = "io_manager"
_TABLE = f"{SCHEMA}.made_from"


def ensure_record(connection: Connection) -> None:
    """Make the table of the record where there is none."""
    with transaction(connection):
        if has_table(connection, _TABLE):
            return
        advisory_lock(connection, _TABLE)
        ensure_schema(connection, SCHEMA)
        execute(
            connection,
            f"CREATE TABLE IF NOT EXISTS {_TABLE} (schema_name text, table_name text, slice text, "
            "versions jsonb NOT NULL, PRIMARY KEY (schema_name, table_name, slice))",
        )


def recorded_versions(connection: Connection, of: TableSlice) -> Versions:
    """What a slice was made from; nothing where nobody said so."""
    statement = f"SELECT versions::text FROM {_TABLE} WHERE (schema_name, table_name, slice) = ($1, $2, $3)"  # noqa: S608
    found = execute(connection, statement, of.schema, of.table, of.name)
    return json.loads(found[0][0]) if found else {}


def record_versions(connection: Connection, of: TableSlice, made_from: Versions) -> None:
    """Record what a slice was made from, in the transaction that replaces it."""
    statement = (
        f"INSERT INTO {_TABLE} VALUES ($1, $2, $3, $4::jsonb) "  # noqa: S608
        "ON CONFLICT (schema_name, table_name, slice) DO UPDATE SET versions = EXCLUDED.versions"
    )
    execute(connection, statement, of.schema, of.table, of.name, json.dumps(made_from))
