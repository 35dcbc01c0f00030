"""What was rejected of some deliveries, counted, as a command says it.

Here: reading it from the records. Not here: every rejected row (see `lake.delta.table.read_rejects`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, aggregate_order_by

from dataflow_assets.landing.deliveries import Delivery
from dataflow_assets.ledger.deliveries import IS_PRESENT
from dataflow_assets.ledger.tables import deliveries, rejects
from dataflow_assets.postgres.connection import connect
from dataflow_assets.postgres.statements import run

_wanted = sa.any_(sa.bindparam("deliveries", type_=ARRAY(sa.BigInteger())))
_COUNT_ROWS = (
    sa.select(
        deliveries.c.source,
        sa.cast(sa.func.sum(deliveries.c.delivered), sa.BigInteger()),
        sa.cast(sa.func.sum(deliveries.c.rejected), sa.BigInteger()),
    )
    .where(deliveries.c.delivery == _wanted, IS_PRESENT, deliveries.c.rejected > 0)
    .group_by(deliveries.c.source)
    .order_by(deliveries.c.source)
)


def _first(column: sa.Column[str]) -> sa.ColumnElement[str]:
    return sa.func.array_agg(aggregate_order_by(column, rejects.c.object, rejects.c.line))[1]


_COUNT_REASONS = (
    sa.select(
        rejects.c.source,
        sa.func.count(),
        sa.func.min(rejects.c.line),
        _first(rejects.c.message),
    )
    .where(rejects.c.delivery == _wanted)
    .group_by(rejects.c.source, rejects.c.code)
    .order_by(rejects.c.source, sa.func.count().desc(), rejects.c.code)
)


@dataclass(frozen=True)
class RejectedRows:
    """How many rows of a source were delivered, how many of these rejected."""

    source: str
    delivered: int
    rejected: int


@dataclass(frozen=True)
class RejectReason:
    """How many rows of a source were rejected for one reason; the first of their lines, and what was said of one."""

    source: str
    rows: int
    line: int | None
    message: str


def count_rejected(url: str, landed: Iterable[Delivery]) -> list[RejectedRows]:
    """How many rows of these deliveries were rejected, by source; nothing of a source without any."""
    return [RejectedRows(*row) for row in _ask(url, _COUNT_ROWS, landed)]


def count_reasons(url: str, landed: Iterable[Delivery]) -> list[RejectReason]:
    """Why rows of these deliveries were rejected, by source, the most frequent reason first."""
    return [RejectReason(*row) for row in _ask(url, _COUNT_REASONS, landed)]


def _ask(url: str, statement: sa.Select[Any], landed: Iterable[Delivery]) -> list[tuple[Any, ...]]:
    with connect(url) as connection:
        return run(connection, statement, deliveries=[delivery.id for delivery in landed])
