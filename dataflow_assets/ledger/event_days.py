"""What each day of an event table was made from, and what that gave.

Here: reading and writing the record of a day. Not here: making the day (see `warehouse.events`).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date

import sqlalchemy as sa

from dataflow_assets.ledger.tables import event_days
from dataflow_assets.postgres.connection import Connection
from dataflow_assets.postgres.statements import run, upsert_rows, write_rows
from dataflow_assets.sources.base import Events

_OF_SOURCE = event_days.c.source == sa.bindparam("source")
_READ = sa.select(
    event_days.c.lake_version,
    event_days.c.declaration,
    event_days.c.accepted,
    event_days.c.rows,
    event_days.c.superseded,
).where(_OF_SOURCE, event_days.c.event_day == sa.bindparam("day"))
_BETWEEN = event_days.c.event_day.between(sa.bindparam("first"), sa.bindparam("last"))
_READ_VERSIONS = sa.select(event_days.c.event_day, event_days.c.lake_version).where(_OF_SOURCE, _BETWEEN)
_READ_LOADED = sa.select(event_days.c.event_day).where(_OF_SOURCE, event_days.c.rows > 0)
_READ_COUNTS = sa.select(event_days.c.event_day, event_days.c.rows).where(_OF_SOURCE, _BETWEEN, event_days.c.rows > 0)
_WRITE = upsert_rows(event_days)
_FORGET = sa.update(event_days).values(lake_version=-1, declaration="").where(_OF_SOURCE)


@dataclass(frozen=True, kw_only=True)
class EventDay:
    """The record of a day: the lake's version and the declaration that it was made from, and what that gave.

    `accepted` counts the day's rows in the lake, `rows` those in the table, `superseded` the rows whose key a later row
    has.
    """

    lake_version: int = -1
    declaration: str = ""
    accepted: int = 0
    rows: int = 0
    superseded: int = 0


def read_event_day(connection: Connection, source: Events, day: date) -> EventDay:
    """The record of a day; of one that was never made, the version -1 and no rows."""
    for lake_version, declaration, accepted, rows, superseded in run(connection, _READ, source=source.name, day=day):
        return EventDay(
            lake_version=lake_version, declaration=declaration, accepted=accepted, rows=rows, superseded=superseded
        )
    return EventDay()


def write_event_days(connection: Connection, source: Events, made: Mapping[date, EventDay]) -> None:
    """Record what days were made from, in place of what was recorded before."""
    rows = [{"source": source.name, "event_day": day, **asdict(of_day)} for day, of_day in made.items()]
    write_rows(connection, _WRITE, rows)


def read_day_versions(
    connection: Connection, source: Events, first: date = date.min, last: date = date.max
) -> dict[date, int]:
    """The lake's version that each day from one to another was last made from."""
    return dict(run(connection, _READ_VERSIONS, source=source.name, first=first, last=last))


def read_day_counts(connection: Connection, source: Events, first: date, last: date) -> list[tuple[date, int]]:
    """The days from one to another that hold a row, in order, each with the number of its rows."""
    return sorted(run(connection, _READ_COUNTS, source=source.name, first=first, last=last))


def forget_event_days(connection: Connection, source: Events) -> None:
    """Let every recorded day be one that was made from no version, so that the next load makes it again."""
    run(connection, _FORGET, source=source.name)


def read_loaded_days(connection: Connection, source: Events) -> set[date]:
    """The days that have been loaded and hold at least one row."""
    return {day for (day,) in run(connection, _READ_LOADED, source=source.name)}
