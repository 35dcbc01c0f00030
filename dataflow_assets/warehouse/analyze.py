"""What the planner knows of an event table as a whole.

Here: gathering it. Not here: the statistics of one day, which its load gathers (see `events`), and those
of tables without days, which PostgreSQL looks after by itself.
"""

from dataflow_assets.postgres.connection import Connection, transaction
from dataflow_assets.postgres.locks import with_lock_retries
from dataflow_assets.postgres.schema import WAREHOUSE
from dataflow_assets.postgres.sql import identifier
from dataflow_assets.sources.base import Events


def analyze_events(connection: Connection, source: Events) -> None:
    """Gather the statistics of all days together, from a sample; those of each day are left as they are.

    Loads of a day wait for it, readers do not.

    Raises:
        LockTimeoutError: the table or one of its days was held for too long.
    """
    # Of a partitioned table, ONLY leaves out to analyze each partition by itself, not to look at their rows.
    analyze = f"ANALYZE ONLY {identifier(WAREHOUSE, source.name)}"
    with transaction(connection):
        with_lock_retries(connection, source.name, [analyze])
