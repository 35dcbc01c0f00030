"""Tables that a load made aside and that never came to their place.

Here: finding and dropping them. Not here: making tables (see `events`).

A load makes its table, fills it and puts it in place in one transaction: one that is killed leaves none, and that of
one at work is seen by nobody else. What is seen, and is part of no day, is of an older program or was detached by hand.
"""

from dataflow_assets.core.cleanup import Freed
from dataflow_assets.postgres.connection import Connection, transaction
from dataflow_assets.postgres.locks import with_lock_retries
from dataflow_assets.postgres.schema import DAYS
from dataflow_assets.postgres.sql import execute, identifier


def drop_orphan_tables(connection: Connection, *, dry_run: bool = False) -> Freed:
    """Drop the tables beside the days' that are part of no day.

    Raises:
        LockTimeoutError: somebody held one for too long.
    """
    found = execute(
        connection,
        "SELECT relname::text, pg_total_relation_size(pg_class.oid) FROM pg_class "
        "WHERE relnamespace = to_regnamespace($1) AND relkind IN ('r', 'p') AND NOT relispartition",
        identifier(DAYS),
    )
    for name, _ in [] if dry_run else found:
        table = identifier(DAYS, name)
        with transaction(connection):
            with_lock_retries(connection, table, [f"DROP TABLE IF EXISTS {table}"])
    return Freed("orphan tables", len(found), sum(size for _, size in found))
