"""Which days of the warehouse's tables are older than the lake, or have lost rows.

Here: comparing what the record of deliveries says with what the tables were made from, and with what they hold. Not
here: making them.
"""

from collections.abc import Collection
from datetime import date

import sqlalchemy as sa

from dataflow_assets.ledger.event_days import read_day_counts
from dataflow_assets.ledger.tables import deliveries, event_days, snapshots
from dataflow_assets.postgres.connection import Connection
from dataflow_assets.postgres.schema import WAREHOUSE
from dataflow_assets.postgres.sql import identifier
from dataflow_assets.postgres.statements import run
from dataflow_assets.sources.base import Events, Source
from dataflow_assets.warehouse.scan import count_by_day

_SOURCE, _DECLARATION = sa.bindparam("source", type_=sa.Text()), sa.bindparam("declaration", type_=sa.Text())

# A version of an object changes the days that it touches, and those that the version before it did.
_versions = (
    sa.select(
        deliveries.c.event_days,
        deliveries.c.lake_version,
        sa.func.lead(deliveries.c.lake_version)
        .over(partition_by=deliveries.c.delivery, order_by=deliveries.c.lake_version)
        .label("next_version"),
    )
    .where(deliveries.c.source == _SOURCE)
    .cte("versions")
)
_days = sa.func.unnest(_versions.c.event_days).table_valued(sa.column("day", sa.Date())).render_derived(name="days")
_newest_version = sa.func.max(sa.func.greatest(_versions.c.lake_version, _versions.c.next_version))
_touched = (
    sa.select(_days.c.day, _newest_version.label("lake_version"))
    .select_from(_versions)
    .join(_days, sa.true())
    .group_by(_days.c.day)
    .cte("touched")
)
_is_made = sa.and_(event_days.c.source == _SOURCE, event_days.c.event_day == _touched.c.day)
_FIND_EVENT_DAYS = (
    sa.select(_touched.c.day)
    .select_from(_touched)
    .outerjoin(event_days, _is_made)
    .where(
        sa.or_(
            event_days.c.lake_version.is_(None),
            event_days.c.lake_version < _touched.c.lake_version,
            event_days.c.declaration != _DECLARATION,
        )
    )
)
_FIND_SNAPSHOT_DAYS = (
    sa.select(deliveries.c.day)
    .distinct()
    .select_from(deliveries)
    .outerjoin(snapshots, snapshots.c.source == deliveries.c.source)
    .where(
        deliveries.c.source == _SOURCE,
        sa.or_(
            snapshots.c.lake_version.is_(None),
            snapshots.c.lake_version < deliveries.c.lake_version,
            snapshots.c.declaration != _DECLARATION,
        ),
    )
)
_FIND_EVENT_DAYS_DECLARED_OTHERWISE = (
    sa.select(_touched.c.day)
    .select_from(_touched)
    .join(event_days, _is_made)
    .where(event_days.c.declaration != _DECLARATION)
)
_FIND_SNAPSHOT_DAYS_DECLARED_OTHERWISE = (
    sa.select(deliveries.c.day)
    .distinct()
    .select_from(deliveries)
    .join(snapshots, snapshots.c.source == deliveries.c.source)
    .where(deliveries.c.source == _SOURCE, snapshots.c.declaration != _DECLARATION)
)


def find_stale_days(connection: Connection, source: Source) -> set[date]:
    """The days of a source's table that were never made, or from an older lake or another declaration.

    Of a snapshot they are delivery days.
    """
    statement = _FIND_EVENT_DAYS if isinstance(source, Events) else _FIND_SNAPSHOT_DAYS
    return {day for (day,) in run(connection, statement, source=source.name, declaration=source.fingerprint)}


def find_days_declared_otherwise(connection: Connection, source: Source) -> set[date]:
    """The days of a source's table that were made by another declaration, such as one with another key."""
    is_events = isinstance(source, Events)
    statement = _FIND_EVENT_DAYS_DECLARED_OTHERWISE if is_events else _FIND_SNAPSHOT_DAYS_DECLARED_OTHERWISE
    return {day for (day,) in run(connection, statement, source=source.name, declaration=source.fingerprint)}


def find_changed_by_hand(connection: Connection, source: Events, days: Collection[date]) -> set[date]:
    """Those among some days of an event table that have not as many rows as were loaded; each row is counted."""
    if not days:
        return set()
    loaded = dict(read_day_counts(connection, source, min(days), max(days)))
    now = count_by_day(connection, identifier(WAREHOUSE, source.name), "event_day", days)
    return {day for day in days if now.get(day, 0) != loaded.get(day, 0)}
