"""Which table holds a day of events: one of its own, or that of its month once the month's days are merged.

Here: names, and asking the catalog, which alone knows. Not here: making these tables (see `events`, `months`).
"""

from collections.abc import Collection, Iterable
from datetime import date, datetime

from dataflow_assets.core.time_windows import Window
from dataflow_assets.postgres.connection import Connection
from dataflow_assets.postgres.locks import advisory_locks
from dataflow_assets.postgres.partitions import ListPartition
from dataflow_assets.postgres.schema import DAYS, WAREHOUSE
from dataflow_assets.postgres.sql import execute, identifier, value_literal
from dataflow_assets.sources.base import Events

# A day's table is partitioned itself, that of a month is plain.
_OWN_TABLES = """
    SELECT substring(relname from '[0-9]+$') FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
    WHERE inhparent = to_regclass($1) AND relkind = 'p' AND relname ~ '_[0-9]{8}$' ORDER BY 1"""
_PARTITIONS = "SELECT name FROM unnest($1) AS name JOIN pg_inherits ON inhrelid = to_regclass(name)"


def root(source: Events) -> str:
    """The quoted name of the table of all days."""
    return identifier(WAREHOUSE, source.name)


def day_name(source: Events, day: date) -> str:
    """The name of a day's own table."""
    return f"{source.name}_{day:%Y%m%d}"


def month_name(source: Events, day: date) -> str:
    """The name of the table of a day's month."""
    return f"{source.name}_{day:%Y%m}"


def month_table(source: Events, day: date) -> str:
    """The same, quoted."""
    return identifier(DAYS, month_name(source, day))


def day_partition(source: Events, day: date, timezone: str) -> ListPartition:
    """The partition of a day that has a table of its own."""
    return ListPartition(
        root=root(source),
        schema=DAYS,
        table=day_name(source, day),
        column="event_day",
        value=day.isoformat(),
        holds=within(source, Window.of_day(day, timezone)),
    )


def within(source: Events, window: Window) -> str:
    """SQL that is true of the events of a window."""
    happened = identifier(source.event_time)
    return f"{happened} >= {value_literal(window.start)} AND {happened} < {value_literal(window.end)}"


def month_lock(source: Events, day: date) -> tuple[str, str]:
    """The name of the lock of a day's month."""
    return source.name, f"{day:%Y-%m}"


def keep_months(connection: Connection, source: Events, days: Iterable[date]) -> None:
    """Keep others from merging the months of some days until the transaction ends.

    Before it locks anything else: a merge has its month's lock, and then wants that of the table.
    """
    advisory_locks(connection, {month_lock(source, day) for day in days}, shared=True)


def is_merged(connection: Connection, source: Events, day: date) -> bool:
    """Whether the day's rows belong into the table of its month."""
    return bool(find_merged(connection, source, [day]))


def find_own_tables(connection: Connection, source: Events) -> list[date]:
    """The days that have a table of their own, in order."""
    found = execute(connection, _OWN_TABLES, root(source))
    return [datetime.strptime(day, "%Y%m%d").date() for (day,) in found]  # noqa: DTZ007


def find_merged(connection: Connection, source: Events, days: Collection[date]) -> set[date]:
    """Those among some days whose rows belong into the table of their month."""
    tables = {day: month_table(source, day) for day in days}
    found = {table for (table,) in execute(connection, _PARTITIONS, sorted({*tables.values()}))}
    return {day for day, table in tables.items() if table in found}
