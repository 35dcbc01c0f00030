"""What people and checks ask of the record of deliveries.

Here: reading it, as users see it. Not here: writing it (see `deliveries`), and what has landed and is not recorded
(see `discovery`).
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from dataflow_assets.landing.deliveries import Delivery
from dataflow_assets.ledger.deliveries import IS_PRESENT
from dataflow_assets.ledger.tables import deliveries, dumps
from dataflow_assets.postgres.connection import Connection, connect
from dataflow_assets.postgres.statements import run
from dataflow_assets.sources.base import Source

_of_source = deliveries.c.source == sa.bindparam("source")
_between = deliveries.c.day.between(sa.bindparam("first"), sa.bindparam("last"))
_is_among = deliveries.c.delivery == sa.any_(sa.bindparam("deliveries", type_=ARRAY(sa.BigInteger())))
_with_dumps = deliveries.outerjoin(
    dumps, sa.and_(dumps.c.source == deliveries.c.source, dumps.c.day == deliveries.c.day)
)
_is_in_quarantined_dump = dumps.c.quarantine_reason.is_not(None)
_is_quarantined = deliveries.c.state == "quarantined"

# A row by the names of its columns, as JSON; what is part of a quarantined dump is quarantined, too.
_dump_is_quarantined = sa.and_(deliveries.c.state == "accepted", _is_in_quarantined_dump)
_reported = {
    **{column.name: column for column in deliveries.columns},
    "state": sa.case((_dump_is_quarantined, "quarantined"), else_=deliveries.c.state),
    "quarantine_reason": sa.case(
        (_dump_is_quarantined, dumps.c.quarantine_reason), else_=deliveries.c.quarantine_reason
    ),
}
deliveries_with_dumps = sa.select(*(value.label(name) for name, value in _reported.items())).select_from(_with_dumps)
_names_and_values = [part for name, value in _reported.items() for part in (sa.literal_column(f"'{name}'"), value)]
_READ_DELIVERIES = sa.select(sa.cast(sa.func.jsonb_build_object(*_names_and_values), sa.Text())).select_from(
    _with_dumps
)
_READ_VERSION = _READ_DELIVERIES.where(
    deliveries.c.delivery == sa.bindparam("delivery"),
    deliveries.c.etag == sa.bindparam("etag"),
    deliveries.c.size == sa.bindparam("size"),
    IS_PRESENT,
)
_READ_REASONS = (
    sa.select(deliveries.c.day, deliveries.c.object, deliveries.c.quarantine_reason)
    .where(_of_source, _between, _is_quarantined)
    .order_by(deliveries.c.object)
)
_FIND_REFUSED = (
    sa.select(deliveries.c.object).where(_is_among, deliveries.c.state == "rejected").order_by(deliveries.c.object)
)
_FIND_QUARANTINED = (
    sa.select(deliveries.c.object)
    .select_from(_with_dumps)
    .where(_is_among, sa.or_(_is_quarantined, sa.and_(IS_PRESENT, _is_in_quarantined_dump)))
    .order_by(deliveries.c.object)
)
_VERSION = (
    deliveries.c.source,
    deliveries.c.day,
    deliveries.c.object,
    deliveries.c.etag,
    deliveries.c.size,
    deliveries.c.last_modified,
)
_READ_QUARANTINED_BY_THEMSELVES = sa.select(*_VERSION).where(_of_source, _is_quarantined).order_by(deliveries.c.object)
_READ_QUARANTINED = (
    sa.select(*_VERSION)
    .select_from(_with_dumps)
    .where(sa.or_(_is_quarantined, sa.and_(IS_PRESENT, _is_in_quarantined_dump)))
    .order_by(deliveries.c.object)
)
_COUNT_BY_STATE = (
    sa.select(deliveries.c.state, sa.func.count())
    .where(IS_PRESENT)
    .group_by(deliveries.c.state)
    .order_by(deliveries.c.state)
)
_FIND_INCOMPLETE = (
    sa.select(*_VERSION)
    .where(_of_source, IS_PRESENT, sa.or_(deliveries.c.rejected > 0, deliveries.c.state != "accepted"))
    .order_by(deliveries.c.object)
)
_FIND_COLUMN_DIFFERENCES = (
    sa.select(deliveries.c.day, deliveries.c.object, deliveries.c.undeclared_columns, deliveries.c.missing_columns)
    .where(
        _of_source,
        _between,
        IS_PRESENT,
        sa.func.cardinality(deliveries.c.undeclared_columns) + sa.func.cardinality(deliveries.c.missing_columns) > 0,
    )
    .order_by(deliveries.c.object)
)


def read_deliveries(url: str, source: str | None, day: date | None) -> list[dict[str, Any]]:
    """What is recorded of one source or day, or of all, by the names of the record's columns, as in JSON.

    What is part of a dump that is quarantined is quarantined, too.
    """
    statement, wanted = _READ_DELIVERIES, {"source": source, "day": day}
    given = {name: value for name, value in wanted.items() if value is not None}
    for name in given:
        statement = statement.where(deliveries.c[name] == sa.bindparam(name))
    with connect(url) as connection:
        return [json.loads(row) for (row,) in run(connection, statement, **given)]


def read_version(connection: Connection, delivery: Delivery) -> dict[str, Any] | None:
    """What is recorded of this version of an object, as `read_deliveries` gives it; None where it was not read yet."""
    found = run(connection, _READ_VERSION, delivery=delivery.id, etag=delivery.etag, size=delivery.size)
    return json.loads(found[0][0]) if found else None


def read_quarantine_reasons(url: str, source: Source, first: date, last: date) -> dict[date, list[str]]:
    """Why deliveries of a source are quarantined, from one day to another: a sentence for each, by object."""
    with connect(url) as connection:
        found = run(connection, _READ_REASONS, source=source.name, first=first, last=last)
    reasons: dict[date, list[str]] = {}
    for day, key, reason in found:
        reasons.setdefault(day, []).append(f"{key} is quarantined: {reason}")
    return reasons


def find_refused_objects(url: str, landed: Iterable[Delivery]) -> list[str]:
    """The objects among these deliveries whose present version was refused as a whole."""
    return _find_objects(url, _FIND_REFUSED, landed)


def find_quarantined_objects(url: str, landed: Iterable[Delivery]) -> list[str]:
    """The objects among these deliveries that are quarantined, or whose dumps are."""
    return _find_objects(url, _FIND_QUARANTINED, landed)


def _find_objects(url: str, statement: sa.Select[Any], landed: Iterable[Delivery]) -> list[str]:
    with connect(url) as connection:
        return [key for (key,) in run(connection, statement, deliveries=[delivery.id for delivery in landed])]


def read_quarantined_deliveries(url: str) -> list[Delivery]:
    """The versions of objects that are recorded as quarantined, or whose dumps are; by object."""
    return _read_versions(url, _READ_QUARANTINED)


def read_quarantined_by_themselves(url: str, source: Source) -> list[Delivery]:
    """The versions of a source's objects that are recorded as quarantined, whatever their dumps are; by object."""
    return _read_versions(url, _READ_QUARANTINED_BY_THEMSELVES, source=source.name)


def _read_versions(url: str, statement: sa.Select[Any], **given: str) -> list[Delivery]:
    with connect(url) as connection:
        found = run(connection, statement, **given)
    return [
        Delivery(source=source, day=day, object=key, etag=etag, size=size, last_modified=modified)
        for source, day, key, etag, size, modified in found
    ]


def count_deliveries_by_state(url: str) -> dict[str, int]:
    """How many objects are in each state by their present version, by the state's name."""
    with connect(url) as connection:
        return dict(run(connection, _COUNT_BY_STATE))


def find_incomplete_deliveries(url: str, source: Source) -> list[Delivery]:
    """The deliveries of a source with rejected rows, and those that were refused or are quarantined; by object."""
    return _read_versions(url, _FIND_INCOMPLETE, source=source.name)


@dataclass(frozen=True)
class ColumnDifferences:
    """A delivery whose columns are not the declared ones: which it has beside them, and which it lacks."""

    day: date
    object: str
    undeclared_columns: tuple[str, ...]
    missing_columns: tuple[str, ...]


def find_column_differences(url: str, source: Source, first: date, last: date) -> list[ColumnDifferences]:
    """The deliveries of a source, from one day to another, whose columns are not the declared ones; by object."""
    with connect(url) as connection:
        found = run(connection, _FIND_COLUMN_DIFFERENCES, source=source.name, first=first, last=last)
    return [ColumnDifferences(day, key, tuple(extra), tuple(missing)) for day, key, extra, missing in found]
