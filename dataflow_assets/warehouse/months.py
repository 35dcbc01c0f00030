"""Old days of an event table, merged into tables of whole months.

A query that names no day plans and opens each table: of ten years' days 3,650, of their months 120. What is loaded into
an old day later replaces its rows in the month's table, as `events` does it.

Here: which months, and merging one. Not here: the statements (see `postgres.merged_partitions`).
"""

from collections.abc import Iterable
from datetime import date, timedelta
from itertools import groupby

from dataflow_assets.core.cleanup import Freed
from dataflow_assets.core.time_windows import Window
from dataflow_assets.postgres.connection import Connection, transaction
from dataflow_assets.postgres.locks import advisory_lock
from dataflow_assets.postgres.merged_partitions import MergedPartition, merge_partitions
from dataflow_assets.postgres.row_ids import ID
from dataflow_assets.postgres.schema import DAYS, index_methods
from dataflow_assets.postgres.sql import execute, identifier
from dataflow_assets.sources.base import Events
from dataflow_assets.warehouse.day_tables import day_name, find_own_tables, month_lock, month_name, root, within

# A larger one would take its disk twice, and loads of its days would wait for it for minutes; nor does the time to open
# its tables count, beside that to read them.
_MOST_BYTES = 16 << 30
_SIZE = """
    SELECT coalesce(sum(pg_total_relation_size(relid)), 0)::bigint
    FROM unnest($1) AS day_table, pg_partition_tree(to_regclass(day_table))"""


def merge_old_days(
    connection: Connection, source: Events, before: date, timezone: str, *, dry_run: bool = False
) -> Freed:
    """Merge the days of each month that ends before a day; how many they were, and the bytes that their tables took.

    Each month is a transaction of its own. Loads of its days wait for it, and it for them. Very large
    ones stay days.

    Raises:
        LockTimeoutError: a reader held the table for too long. Months that were merged before stay so.
    """
    with transaction(connection):
        days = find_own_tables(connection, source)
    count = size = 0
    for first, of_month in groupby(days, key=lambda day: day.replace(day=1)):
        if _days_of(first)[-1] >= before:
            continue
        tables = _tables(source, of_month)
        with transaction(connection):  # which ends before the merge, for it locks the tables
            size_of_month = int(execute(connection, _SIZE, tables)[0][0])
        if size_of_month > _MOST_BYTES:
            continue
        if not dry_run:
            with transaction(connection):
                _merge(connection, source, first, timezone)
        count, size = count + len(tables), size + size_of_month
    return Freed(f"days merged into months, {source.name}", count, size)


def _days_of(first: date) -> list[date]:
    """The days of a month."""
    days = (first + timedelta(days=number) for number in range(31))
    return [day for day in days if day.month == first.month]


def _tables(source: Events, days: Iterable[date]) -> list[str]:
    """The quoted names of the own tables of some days."""
    return [identifier(DAYS, day_name(source, day)) for day in days]


def _merge(connection: Connection, source: Events, first: date, timezone: str) -> None:
    of_month = _days_of(first)
    advisory_lock(connection, *month_lock(source, first))
    parts = _tables(source, (day for day in find_own_tables(connection, source) if day in of_month))
    if not parts:
        return  # somebody else has merged them meanwhile
    month = MergedPartition(
        root=root(source),
        schema=DAYS,
        table=month_name(source, first),
        column="event_day",
        values=[day.isoformat() for day in of_month],
        holds=within(source, Window.of_month(first, timezone)),
    )
    # The day first, for what reads or replaces one. An index by id alone would make loading a day again take thrice as
    # long; from PostgreSQL 18 on, who names an id and no day has it looked up in each day of this key.
    key = ["event_day", ID]
    merge_partitions(connection, month, parts, key, index_methods(source), f"{source.name} of {first:%Y-%m}")
