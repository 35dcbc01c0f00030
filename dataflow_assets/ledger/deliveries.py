"""The record of deliveries: a row for each version of a landed object, and what became of it.

It is a copy of what the lake's commits say, and can be made again from them.

Here: recording deliveries, and which versions are recorded. Not here: what else is asked of the record (see
`delivery_reports`), and deciding what is new (see `discovery`).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from dataflow_assets.core.iteration import batched
from dataflow_assets.lake.delta.intact import holds_rejects, holds_rows
from dataflow_assets.lake.delta.table import rejects_table, rows_table
from dataflow_assets.lake.ingest import Intake, recorded_intakes
from dataflow_assets.landing.deliveries import Delivery
from dataflow_assets.landing.storage import Storage
from dataflow_assets.ledger.rejects import replace_rejects
from dataflow_assets.ledger.tables import deliveries
from dataflow_assets.postgres.connection import Connection, Connections, connect
from dataflow_assets.postgres.locks import advisory_lock
from dataflow_assets.postgres.schema import LEDGER
from dataflow_assets.postgres.sql import execute, identifier
from dataflow_assets.postgres.statements import as_json, rows_from_json, run, upsert_rows, write_rows
from dataflow_assets.sources.base import Source

SUPERSEDED = "superseded"
IS_PRESENT = deliveries.c.state != SUPERSEDED
_BATCH = 1000  # rows that are written at once

_UPSERT = upsert_rows(deliveries)
_is_one_of = deliveries.c.delivery == sa.any_(sa.bindparam("deliveries", type_=ARRAY(sa.BigInteger())))
_READ_NEWEST_VERSIONS = (
    sa.select(deliveries.c.delivery, sa.func.max(deliveries.c.lake_version))
    .where(_is_one_of)
    .group_by(deliveries.c.delivery)
)
_DELETE = sa.delete(deliveries).where(deliveries.c.source == sa.bindparam("source"))
_newer = deliveries.alias("newer")
_SUPERSEDE = (
    sa.update(deliveries)
    .values(state=SUPERSEDED)
    .where(
        _is_one_of,
        IS_PRESENT,
        deliveries.c.lake_version
        < sa.select(sa.func.max(_newer.c.lake_version))
        .where(_newer.c.delivery == deliveries.c.delivery)
        .scalar_subquery(),
    )
)
_LOSE = sa.update(deliveries).values(state=SUPERSEDED).where(_is_one_of)
_READ_PRESENT = sa.select(
    deliveries.c.day,
    deliveries.c.object,
    deliveries.c.etag,
    deliveries.c.size,
    deliveries.c.last_modified,
    deliveries.c.accepted,
    deliveries.c.rejected,
).where(deliveries.c.source == sa.bindparam("source"), IS_PRESENT)
_READ_VERSIONS = sa.select(deliveries.c.delivery, deliveries.c.lake_version).where(
    deliveries.c.source == sa.bindparam("source"), IS_PRESENT
)
_given = rows_from_json([deliveries.c.delivery, deliveries.c.etag, deliveries.c.size])
_FIND_UNKNOWN = sa.select(_given.c.delivery).where(
    ~sa.exists(sa.literal_column("1")).where(
        deliveries.c.delivery == _given.c.delivery,
        deliveries.c.etag == _given.c.etag,
        deliveries.c.size == _given.c.size,
        IS_PRESENT,
    )
)


def record_delivery(database: str | Connections, intake: Intake, rejects: pl.LazyFrame | None = None) -> None:
    """Record what the lake made of a version of an object, and of those before it that nobody has recorded.

    Args:
        database: its URL, or connections that are used again.
        intake: what was made.
        rejects: the lake's; without them the table of rejects is left alone.
    """
    record_deliveries(database, [intake], rejects)


def record_deliveries(
    database: str | Connections, intakes: Sequence[Intake], rejects: pl.LazyFrame | None = None
) -> None:
    """As `record_delivery`, of several objects at once."""
    of_objects = {intake.delivery.id: intake for intake in intakes}
    with Connections.of(database).take() as connection:
        for delivery in sorted(of_objects):  # in one order, or two might wait for each other
            advisory_lock(connection, "deliveries", str(delivery))
        newest = dict(run(connection, _READ_NEWEST_VERSIONS, deliveries=[*of_objects]))
        _write(connection, [one for intake in intakes for one in (intake, *intake.unrecorded)])
        _supersede(connection, intakes)
        changed = [one.delivery for number, one in of_objects.items() if newest.get(number, -1) < one.version]
        if rejects is not None and changed:
            replace_rejects(connection, changed, rejects)


def rebuild_deliveries(url: str, storage: Storage, sources: Iterable[Source], timezone: str) -> int:
    """Make the record of some sources and of their rejects again from the lake; how many versions it has of them.

    An object whose rows the lake lost, as by a restore of a table, has no present version: found in landing, it is new.
    Whoever records a delivery meanwhile waits.
    """
    versions = 0
    with connect(url) as connection:
        execute(connection, f"LOCK TABLE {identifier(LEDGER, deliveries.name)} IN EXCLUSIVE MODE")
        for source in sources:
            run(connection, _DELETE, source=source.name)
            for intakes in batched(recorded_intakes(storage, source, timezone), _BATCH):
                _write(connection, intakes)
                _supersede(connection, intakes)
                versions += len(intakes)
            run(connection, _LOSE, deliveries=_find_lost(connection, storage, source))
            replace_rejects(connection, source, rejects_table(storage).scan())
    return versions


def _find_lost(connection: Connection, storage: Storage, source: Source) -> list[int]:
    """The objects of a source, by small key, of which the lake does not hold what their last commit says."""
    rows, rejects = rows_table(storage, source), rejects_table(storage)
    rows_base, rejects_base = rows.open(), rejects.open()

    def is_lost(delivery: Delivery, accepted: int, rejected: int) -> bool:
        return not (
            holds_rows(rows, rows_base, delivery, accepted) and holds_rejects(rejects, rejects_base, delivery, rejected)
        )

    found = run(connection, _READ_PRESENT, source=source.name)
    return [
        delivery.id
        for day, key, etag, size, modified, accepted, rejected in found
        for delivery in [
            Delivery(source=source.name, day=day, object=key, etag=etag, size=size, last_modified=modified)
        ]
        if is_lost(delivery, accepted, rejected)
    ]


def _write(connection: Connection, intakes: Iterable[Intake]) -> None:
    write_rows(connection, _UPSERT, map(build_row, intakes))


def build_row(intake: Intake) -> dict[str, Any]:
    """A version of an object by the names of the record's columns."""
    delivery, refusal = intake.delivery, intake.refusal
    return {
        "delivery": delivery.id,
        "lake_version": intake.version,
        "source": delivery.source,
        "day": delivery.day,
        "object": delivery.object,
        "etag": delivery.etag,
        "version": delivery.version,
        "size": delivery.size,
        "last_modified": delivery.last_modified,
        "state": "quarantined" if intake.quarantine_reason else "rejected" if refusal else "accepted",
        "refusal": refusal and refusal.replace("\0", "\ufffd"),
        "delivered": intake.delivered,
        "accepted": intake.accepted,
        "rejected": intake.rejected,
        "event_days": sorted(intake.own_days),
        "repaired": dict(intake.repaired),
        "undeclared_columns": intake.undeclared_columns,
        "missing_columns": intake.missing_columns,
        "quarantine_reason": intake.quarantine_reason,
    }


def _supersede(connection: Connection, intakes: Iterable[Intake]) -> None:
    """Say of every version but the newest of each object that it is not the present one."""
    run(connection, _SUPERSEDE, deliveries=[intake.delivery.id for intake in intakes])


def read_recorded_versions(url: str, source: Source) -> dict[int, int]:
    """The lake's version that holds the present one of each delivery of a source, by the delivery's small key."""
    with connect(url) as connection:
        return dict(run(connection, _READ_VERSIONS, source=source.name))


def find_unknown_versions(connection: Connection, versions: Mapping[int, tuple[str, int]]) -> set[int]:
    """Those among some deliveries of which the lake does not hold this version (etag and size), by small key."""
    rows = as_json({"delivery": key, "etag": etag, "size": size} for key, (etag, size) in versions.items())
    return {key for (key,) in run(connection, _FIND_UNKNOWN, rows=rows)}
