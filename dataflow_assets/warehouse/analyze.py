"""What the planner knows of an event table: as a whole, and of the days and months of which nobody told it.

Here: gathering it. Not here: the statistics of a day that is loaded, which its load gathers (see `events`), and those
of tables without days, which PostgreSQL looks after by itself.
"""

from dataflow_assets.postgres.connection import Connection, transaction
from dataflow_assets.postgres.locks import with_lock_retries
from dataflow_assets.postgres.schema import WAREHOUSE
from dataflow_assets.postgres.sql import execute, identifier
from dataflow_assets.sources.base import Events

_ONLY_SINCE = 18  # PostgreSQL
# A day has statistics from its load, a month from its merge. After `pg_restore` they have none, and autovacuum leaves
# days alone. Only catalogs are read: what opens a day's table would wait for a swap, without end.
_UNKNOWN = """
    SELECT format('%I.%I', leaf.relnamespace::regnamespace::text, leaf.relname) FROM pg_inherits AS parts
    LEFT JOIN pg_inherits AS leaves ON leaves.inhparent = parts.inhrelid
    JOIN pg_class AS leaf ON leaf.oid = coalesce(leaves.inhrelid, parts.inhrelid)
    WHERE parts.inhparent = to_regclass($1) AND leaf.relkind = 'r'
    AND (leaf.relpages > 0 OR leaf.reltuples < 0) AND NOT EXISTS (
        SELECT FROM pg_stats
        WHERE schemaname = leaf.relnamespace::regnamespace::text AND tablename = leaf.relname)
    ORDER BY leaf.oid"""


def analyze_events(connection: Connection, source: Events) -> None:
    """Gather the statistics of all days together, from a sample, and of each day and month that has none.

    Loads of a day wait for it, readers do not. Before PostgreSQL 18 it looks at each table by itself as well.

    Raises:
        LockTimeoutError: the table or one of its days or months was held for too long.
    """
    table = identifier(WAREHOUSE, source.name)
    with transaction(connection):
        unknown = [leaf for (leaf,) in execute(connection, _UNKNOWN, table)]
        [(version,)] = execute(connection, "SELECT current_setting('server_version_num')::int / 10000")
    for leaf in unknown:
        _analyze(connection, source, leaf)
    # Of a partitioned table, ONLY leaves out to analyze each partition by itself, not to look at their rows.
    _analyze(connection, source, f"{'ONLY ' if version >= _ONLY_SINCE else ''}{table}")


def _analyze(connection: Connection, source: Events, what: str) -> None:
    with transaction(connection):
        # A load may have put another table in a day's place since it was looked for.
        analyze = f"BEGIN ANALYZE {what}; EXCEPTION WHEN undefined_table THEN NULL; END"
        with_lock_retries(connection, source.name, [analyze])
