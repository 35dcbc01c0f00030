"""A selection in SQL.

Here: the statements, and the range of days that a selection is about. Not here: running them (see `rows`).

Names are quoted, texts are literals, and every other value was parsed before. Columns are named through the table's
alias everywhere: `ORDER BY id` would mean the text of the id that is selected, and sort the table.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import reduce

import polars as pl

from dataflow_assets.postgres.sql import identifier, literal, value_literal
from dataflow_assets.serving.reading.parameters import Comparison, OrderedBy, Selection
from dataflow_assets.serving.reading.relations import PLACE, Column, Relation
from dataflow_assets.serving.reading.values import sql_value
from dataflow_assets.sources.base import Events
from dataflow_assets.warehouse.pushdown import day_bounds

Days = tuple[date, date]
_MICROSECOND = timedelta(microseconds=1)
_SECOND_INSTANT = datetime.min.replace(tzinfo=UTC) + _MICROSECOND
EVERY_DAY: Days = (date.min, date.max)


def select_all(selection: Selection, timezone: str) -> str:
    """All rows of a selection."""
    order = _order_by(selection.relation, selection.order)
    return f"{_select(selection, selection.columns, days_of(selection, timezone))}{order}"


def select_page(
    selection: Selection,
    days: Days,
    most: int,
    *,
    order: Sequence[OrderedBy],
    after: Sequence[str | None] | None = None,
) -> str:
    """The first rows of some days, each followed by the texts of its values in the order of the selection.

    Args:
        selection: what is asked.
        days: the first and the last day; not looked at where the relation has no days.
        most: how many rows.
        order: that of the selection; of a single day, without the day.
        after: the texts of the row before the first one, in that order.
    """
    relation = selection.relation
    keys = [f"{_reference(part.name)}::text" for part in selection.order]
    behind = "" if after is None else f" AND {_after(relation, order, after)}"
    statement = _select(selection, selection.columns, days, keys)
    return f"{statement}{behind}{_order_by(relation, order)} LIMIT {most}"


def days_of(selection: Selection, timezone: str) -> Days:
    """The first and the last day of which rows can be in a selection."""
    relation = selection.relation
    first, last = EVERY_DAY
    for comparison in selection.filters:
        if comparison.column.name == relation.day:
            lowest, highest = _bounds(comparison)
            first, last = max(first, lowest), min(last, highest)
    if isinstance(relation.of, Events) and (predicate := _times(relation.of, selection.filters)) is not None:
        lowest, highest = day_bounds(predicate, relation.of, timezone)
        first, last = max(first, lowest), min(last, highest)
    return first, last


def _bounds(comparison: Comparison) -> Days:
    """The days that a filter on the day lets through, and those between them."""
    days = [value for value in comparison.values if isinstance(value, date)]
    match comparison.operator:
        case ">=":
            return days[0], date.max
        case "<":
            return date.min, days[0] - timedelta(days=1) if days[0] > date.min else days[0]
    return min(days), max(days)


def _times(source: Events, filters: Iterable[Comparison]) -> pl.Expr | None:
    """What the filters say of the times of an event, as the rest of the platform says it."""
    found: list[pl.Expr] = []
    for comparison in filters:
        if comparison.column.name not in (source.event_time, source.end_time):
            continue
        column, times = (
            pl.col(comparison.column.name),
            [time for time in comparison.values if isinstance(time, datetime)],
        )
        match comparison.operator:
            case ">=":
                found.append(column >= times[0])
            case "<":
                found.append(column <= max(times[0], _SECOND_INSTANT) - _MICROSECOND)
            case _:
                found += [column >= min(times), column <= max(times)]
    return reduce(lambda left, right: left & right, found) if found else None


def _select(selection: Selection, columns: Sequence[Column], days: Days, more: Sequence[str] = ()) -> str:
    relation = selection.relation
    selected = ", ".join([*map(_output, columns), *more])
    conditions = " AND ".join([relation.condition, *_within(relation, days), *map(_compared, selection.filters)])
    return f"SELECT {selected} FROM {relation.table} AS t WHERE {conditions}"  # noqa: S608


def _within(relation: Relation, days: Days) -> Iterator[str]:
    """The days as constants, by which the server finds the tables to open."""
    if relation.day is not None and days != EVERY_DAY:
        day, (first, last) = _reference(relation.day), days
        if first == last:
            yield f"{day} = {value_literal(first)}"
        else:
            yield f"{day} BETWEEN {value_literal(first)} AND {value_literal(last)}"


def _reference(name: str) -> str:
    return f"t.{PLACE if name == PLACE else identifier(name)}"


def _output(column: Column) -> str:
    reference = _reference(column.name)
    if column.sql_type.endswith("[]"):
        reference = f"to_jsonb({reference})"
    return f"{reference}::text AS {identifier(column.name)}" if column.is_text_in_batches else reference


def _compared(comparison: Comparison) -> str:
    values = [sql_value(comparison.column, value) for value in comparison.values]
    right = f"({', '.join(values)})" if comparison.operator == "IN" else values[0]
    return f"{_reference(comparison.column.name)} {comparison.operator} {right}"


def _order_by(relation: Relation, order: Sequence[OrderedBy]) -> str:
    parts = []
    for part in order:
        direction = " DESC" if part.is_descending else ""
        parts.append(f"{_reference(part.name)}{direction}{' NULLS LAST' if _may_be_null(relation, part) else ''}")
    return f" ORDER BY {', '.join(parts)}" if parts else ""


def _may_be_null(relation: Relation, part: OrderedBy) -> bool:
    return part.name != PLACE and relation.columns[part.name].is_nullable


def _after(relation: Relation, order: Sequence[OrderedBy], values: Sequence[str | None]) -> str:
    """A condition that holds for the rows behind the one that has these values."""
    literals = [_key(relation, part, value) for part, value in zip(order, values, strict=True)]
    directions = {part.is_descending for part in order}
    if len(directions) == 1 and not any(_may_be_null(relation, part) for part in order):
        sign = "<" if True in directions else ">"  # a comparison of whole rows is one that an index knows
        return f"({', '.join(_reference(part.name) for part in order)}) {sign} ({', '.join(map(str, literals))})"
    condition = "false"
    for part, value in reversed(list(zip(order, literals, strict=True))):
        reference, sign = _reference(part.name), "<" if part.is_descending else ">"
        if value is None:  # nulls come last, so that only equal rows may follow
            condition = f"({reference} IS NULL AND {condition})"
        else:
            null = f" OR {reference} IS NULL" if _may_be_null(relation, part) else ""
            condition = f"({reference} {sign} {value}{null} OR ({reference} = {value} AND {condition}))"
    return condition


def _key(relation: Relation, part: OrderedBy, value: str | None) -> str | None:
    sql_type = "tid" if part.name == PLACE else relation.columns[part.name].sql_type
    return None if value is None else f"{literal(value)}::{sql_type}"
