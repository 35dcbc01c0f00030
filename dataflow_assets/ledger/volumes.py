"""How many rows days have, and whether that is usual.

Here: the rule, as a pure function, and the rows of a source's delivery days. Not here: what is said of it (see the
checks).
"""

from collections.abc import Mapping
from datetime import date, timedelta
from statistics import median

import sqlalchemy as sa

from dataflow_assets.ledger.deliveries import IS_PRESENT
from dataflow_assets.ledger.tables import deliveries
from dataflow_assets.postgres.connection import connect
from dataflow_assets.postgres.statements import run
from dataflow_assets.sources.base import Source

TRAILING_DAYS = 28
_FEWEST_DAYS = 7  # that have rows; fewer say nothing of what is usual
_LEAST, _MOST = 0.5, 2.0  # times what is usual
_COUNT = (
    sa.select(deliveries.c.day, sa.cast(sa.func.sum(deliveries.c.accepted), sa.BigInteger()))
    .where(
        deliveries.c.source == sa.bindparam("source"),
        deliveries.c.day.between(sa.bindparam("first"), sa.bindparam("last")),
        IS_PRESENT,
        deliveries.c.accepted > 0,
    )
    .group_by(deliveries.c.day)
)


def describe_unusual_volume(rows: Mapping[date, int], day: date, *, is_over: bool) -> str | None:
    """What is unusual about the rows of a day, as part of a sentence; None if nothing is.

    Usual is the median of those of the 28 days before that have any. A day that is not over may have few.

    Args:
        rows: of each day, those before included.
        day: the day to judge.
        is_over: whether nothing more is expected of the day.
    """
    usual, found = usual_rows(rows, day), rows.get(day, 0)
    if usual is not None and (found > _MOST * usual or (is_over and found < _LEAST * usual)):
        days = len(_rows_before(rows, day))
        return f"{found:,} rows, where {usual:,.0f} are usual (the median of the {days} days with rows before)"
    return None


def usual_rows(rows: Mapping[date, int], day: date) -> float | None:
    """How many rows are usual for a day; None where too few days before it have any."""
    before = _rows_before(rows, day)
    return median(before) if len(before) >= _FEWEST_DAYS else None


def _rows_before(rows: Mapping[date, int], day: date) -> list[int]:
    before = (rows.get(day - timedelta(days=number), 0) for number in range(1, TRAILING_DAYS + 1))
    return [count for count in before if count]


def count_rows_by_day(url: str, source: Source, first: date, last: date) -> dict[date, int]:
    """The accepted rows of a source's delivery days, from 28 days before the first to the last; of those with any."""
    from_day = first - timedelta(days=TRAILING_DAYS)
    with connect(url) as connection:
        return dict(run(connection, _COUNT, source=source.name, first=from_day, last=last))
