"""What a filter of a frame says to a server: comparisons of columns with values, as SQL.

Here: from a Polars expression to a condition that holds wherever the expression does; the frame is filtered again. Not
here: reading.
"""

import operator
from collections.abc import Callable, Iterator
from datetime import date, datetime
from itertools import permutations

import polars as pl

from dataflow_assets.postgres.sql import identifier, value_literal

# Bounds are closed: a frame's instant may be finer than a value that is compared here.
_COMPARISONS: tuple[tuple[Callable[..., pl.Expr], str], ...] = (
    (operator.eq, "="),
    (operator.ge, ">="),
    (operator.gt, ">="),
    (operator.le, "<="),
    (operator.lt, "<="),
)


def conjuncts(predicate: pl.Expr) -> Iterator[pl.Expr]:
    """The parts of a predicate that are all true where it is."""
    for left, right in permutations(predicate.meta.pop(), 2):
        if predicate.meta.eq(left & right):
            yield from conjuncts(left)
            yield from conjuncts(right)
            return
    yield predicate


def condition(predicate: pl.Expr, types: pl.Schema) -> str:
    """A condition in SQL that is true of every row of which the predicate is true.

    Args:
        predicate: true of the rows that are wanted.
        types: of the columns that may be compared in SQL, and how frames hold them.
    """
    found = (sql for part in conjuncts(predicate) for sql in _comparison(part, types))
    return " AND ".join(found) or "true"


def _comparison(part: pl.Expr, types: pl.Schema) -> Iterator[str]:
    for left, right in permutations(part.meta.pop(), 2):
        if not (left.meta.is_column() and right.meta.is_literal()):
            continue
        name = left.meta.output_name()
        value = _literal(pl.select(right).item(), types[name]) if name in types else None
        for compare, sign in _COMPARISONS:
            is_text = types.get(name) == pl.String and sign != "="  # the server orders texts by its own collation
            if value is not None and not is_text and part.meta.eq(compare(left, right)):
                yield f"{identifier(name)} {sign} {value}"
                return


def _literal(value: object, dtype: pl.DataType) -> str | None:
    """The value in SQL, where the server compares it with a column of the type as a frame does."""
    match value:
        case bool():
            return None
        case int() if dtype.is_integer():
            return value_literal(value)
        case str() if dtype == pl.String and "\0" not in value:
            return value_literal(value)
        case datetime() if isinstance(dtype, pl.Datetime) and (value.tzinfo is None) == (dtype.time_zone is None):
            return value_literal(value)
        case date() if dtype == pl.Date and not isinstance(value, datetime):
            return value_literal(value)
    return None
