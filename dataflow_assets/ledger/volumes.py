"""How many rows days have, and whether that is usual.

Here: the rule, as a pure function, and the rows of a source's delivery days. Not here: what is said of it (see the
checks).
"""

from collections.abc import Mapping
from datetime import date, timedelta
from statistics import median

from dataflow_assets.postgres.connection import connect
from dataflow_assets.postgres.sql import execute
from dataflow_assets.sources.base import Source

TRAILING_DAYS = 28
_FEWEST_DAYS = 7  # that have rows; fewer say nothing of what is usual
_LEAST, _MOST = 0.5, 2.0  # times what is usual


def unusual(rows: Mapping[date, int], day: date, *, is_over: bool) -> str | None:
    """What is unusual about the rows of a day, as part of a sentence; None if nothing is.

    Usual is the median of those of the 28 days before that have any. A day that is not over may have few.

    Args:
        rows: of each day, those before included.
        day: the day to judge.
        is_over: whether nothing more is expected of the day.
    """
    before = (rows.get(day - timedelta(days=number), 0) for number in range(1, TRAILING_DAYS + 1))
    known = [count for count in before if count]
    if len(known) < _FEWEST_DAYS:
        return None
    usual, found = median(known), rows.get(day, 0)
    if found > _MOST * usual or (is_over and found < _LEAST * usual):
        return f"{found:,} rows, where {usual:,.0f} are usual (the median of the {len(known)} days with rows before)"
    return None


def rows_by_day(url: str, source: Source, first: date, last: date) -> dict[date, int]:
    """The accepted rows of a source's delivery days, from 28 days before the first to the last; of those with any."""
    with connect(url) as connection:
        found = execute(
            connection,
            "SELECT day, sum(accepted)::bigint FROM ledger.deliveries WHERE source = $1 "
            "AND day BETWEEN $2::date AND $3::date AND state <> 'superseded' AND accepted > 0 GROUP BY day",
            *(source.name, (first - timedelta(days=TRAILING_DAYS)).isoformat(), last.isoformat()),
        )
    return dict(found)
