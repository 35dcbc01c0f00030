"""What monitoring asks of the records: counts and newest days, of all sources and answers at once.

Here: reading them. Not here: what a monitoring system is told (see `serving.platform_metrics`), and which days are
behind the lake (see `warehouse.staleness`).
"""

from dataclasses import dataclass
from datetime import date, datetime

import sqlalchemy as sa

from dataflow_assets.ledger.deliveries import IS_PRESENT
from dataflow_assets.ledger.delivery_reports import deliveries_with_dumps
from dataflow_assets.ledger.tables import answers, event_days, snapshots
from dataflow_assets.postgres.connection import Connection
from dataflow_assets.postgres.statements import run

_present = deliveries_with_dumps.where(IS_PRESENT).subquery("present")


def _sum(column: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
    return sa.cast(sa.func.coalesce(sa.func.sum(column), 0), sa.BigInteger())


_COUNT_DELIVERIES = (
    sa.select(
        _present.c.source,
        _present.c.state,
        sa.func.count(),
        _sum(_present.c.delivered),
        _sum(_present.c.accepted),
        _sum(_present.c.rejected),
        sa.func.max(_present.c.last_modified),
    )
    .group_by(_present.c.source, _present.c.state)
    .order_by(_present.c.source, _present.c.state)
)
_COUNT_EVENTS = (
    sa.select(event_days.c.source, _sum(event_days.c.rows), sa.func.max(event_days.c.event_day))
    .where(event_days.c.rows > 0)
    .group_by(event_days.c.source)
)
_READ_NEWEST_DUMPS = sa.select(snapshots.c.source, snapshots.c.newest_day).where(snapshots.c.newest_day.is_not(None))
_READ_NEWEST_PARTITIONS = sa.select(answers.c.answer, sa.func.max(answers.c.partition)).group_by(answers.c.answer)


@dataclass(frozen=True)
class DeliveryCounts:
    """The objects of a source that are in one state by their present version, their rows, and when one last landed."""

    source: str
    state: str
    objects: int
    delivered: int
    accepted: int
    rejected: int
    newest: datetime


def count_deliveries(connection: Connection) -> list[DeliveryCounts]:
    """What was delivered, by source and state."""
    return [DeliveryCounts(*row) for row in run(connection, _COUNT_DELIVERIES)]


def count_events(connection: Connection) -> dict[str, int]:
    """How many rows the table of each source of events has."""
    return {source: rows for source, rows, _ in run(connection, _COUNT_EVENTS)}


def read_newest_days(connection: Connection) -> dict[str, date]:
    """The newest day of each source's table: of events that has a row, of others that is complete."""
    of_events = {source: newest for source, _, newest in run(connection, _COUNT_EVENTS)}
    return of_events | dict(run(connection, _READ_NEWEST_DUMPS))


def read_newest_partitions(connection: Connection) -> dict[str, date]:
    """The newest partition of each answer that was ever made."""
    return dict(run(connection, _READ_NEWEST_PARTITIONS))
