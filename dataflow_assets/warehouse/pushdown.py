"""What a filter of a frame says of the days that have to be read for it.

Here: from a Polars expression to a range of days. Not here: SQL, and reading.
"""

import operator
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date, datetime
from itertools import permutations

import polars as pl

from dataflow_assets.core.time_windows import day_of
from dataflow_assets.postgres.pushdown import conjuncts
from dataflow_assets.sources.base import Events

_FROM = (operator.gt, operator.ge, operator.eq)
_UNTIL = (operator.lt, operator.le, operator.eq)


def day_bounds(predicate: pl.Expr, source: Events, timezone: str) -> tuple[date, date]:
    """The first and the last day that can hold an event of which the predicate is true.

    Comparisons of the event's times with an instant bound them where `&` joins them to the rest, which may say
    what it will. An event that ends late did not start much earlier, where the source says how long one lasts.

    Args:
        predicate: true of the rows that are wanted.
        source: names the times and the longest duration.
        timezone: cuts the days.
    """
    starts = pl.col(source.event_time)
    first, last = date.min, date.max
    with suppress(OverflowError):  # an instant at the end of the calendar bounds nothing
        earliest = list(_instants(predicate, starts, _FROM))
        if source.end_time is not None and source.longest is not None:
            ends = _instants(predicate, pl.col(source.end_time), _FROM)
            earliest += [end - source.longest for end in ends]
        first = max((day_of(instant, timezone) for instant in earliest), default=first)
        last = min((day_of(instant, timezone) for instant in _instants(predicate, starts, _UNTIL)), default=last)
    return first, last


def _instants(
    predicate: pl.Expr, column: pl.Expr, comparisons: tuple[Callable[..., pl.Expr], ...]
) -> Iterator[datetime]:
    """The instants that the column is compared with, in one of these ways, wherever the predicate is true."""
    for part in conjuncts(predicate):
        for left, right in permutations(part.meta.pop(), 2):
            is_one = left.meta.eq(column) and any(part.meta.eq(compare(left, right)) for compare in comparisons)
            if is_one and right.meta.is_literal() and isinstance(value := pl.select(right).item(), datetime):
                yield value
