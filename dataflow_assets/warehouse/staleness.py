"""Which days of the warehouse's tables are behind the lake.

Here: comparing what the record of deliveries says with what the tables were made from. Not here: making them.
"""

from datetime import date

from dataflow_assets.postgres.connection import Connection
from dataflow_assets.postgres.sql import execute
from dataflow_assets.sources.base import Events, Source

# A version of an object changes the days that it touches, and those that the version before it did.
_EVENT_DAYS = """
    WITH versions AS (
        SELECT event_days, lake_version, lead(lake_version) OVER (PARTITION BY delivery ORDER BY lake_version) AS next
        FROM ledger.deliveries WHERE source = $1),
    touched AS (
        SELECT day, max(greatest(lake_version, next)) AS lake_version
        FROM versions, unnest(event_days) AS day GROUP BY day)
    SELECT day FROM touched LEFT JOIN ledger.event_days AS made ON source = $1 AND event_day = day
    WHERE made.lake_version IS NULL OR made.lake_version < touched.lake_version OR declaration <> $2"""
_SNAPSHOT_DAYS = """
    SELECT DISTINCT day FROM ledger.deliveries LEFT JOIN ledger.snapshots AS made USING (source)
    WHERE source = $1
      AND (made.lake_version IS NULL OR made.lake_version < deliveries.lake_version OR declaration <> $2)"""


def days_behind(connection: Connection, source: Source) -> set[date]:
    """The days of a source's table that were never made, or from an older lake or another declaration.

    Of a snapshot they are delivery days.
    """
    statement = _EVENT_DAYS if isinstance(source, Events) else _SNAPSHOT_DAYS
    return {day for (day,) in execute(connection, statement, source.name, source.fingerprint)}
