"""What a request asks of a relation: the parameters of its query, each understood or refused.

Here: from names and texts to a `Selection`. Not here: values of columns (see `values`), and SQL (see `statements`).

A filter is a column's name alone (equal), or with `.gte`, `.lt` or `.in` behind it; `.in` may be repeated. A column
that has the name of another parameter, such as `limit`, is filtered by `limit.in`.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from dataflow_assets.serving.reading.relations import Column, Relation
from dataflow_assets.serving.reading.values import Value, has_order, parse_value
from dataflow_assets.serving.refusals import UnusableError

LARGEST_PAGE = 10_000  # rows; a page is held whole, what has no limit is streamed
MOST_VALUES = 100  # of one filter
OPERATORS = {".gte": ">=", ".lt": "<", ".in": "IN"}
OWN = ("columns", "order", "limit", "cursor", "format")


@dataclass(frozen=True)
class Comparison:
    """A column compared with values by `=`, `>=`, `<` or `IN`; all but the last have one value."""

    column: Column
    operator: str
    values: tuple[Value, ...]


@dataclass(frozen=True)
class OrderedBy:
    """A column, or a row's place, by which rows are ordered; nulls come last."""

    name: str
    is_descending: bool = False


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What is asked of a relation.

    `order` is empty where any order will do; otherwise no two rows are equal by it. `limit` is None where all rows are
    asked for. `cursor` and `format` are as given.
    """

    relation: Relation
    columns: tuple[Column, ...]
    filters: tuple[Comparison, ...] = ()
    order: tuple[OrderedBy, ...] = ()
    limit: int | None = None
    cursor: str | None = None
    format: str | None = None

    @property
    def fingerprint(self) -> str:
        """A short hash of relation, filters and order: a cursor goes on with nothing else."""
        filters = sorted((one.column.name, one.operator, one.values) for one in self.filters)
        columns = [(column.name, column.sql_type) for column in self.relation.columns.values()]
        facts = repr((self.relation.name, columns, filters, self.order))
        return hashlib.blake2b(facts.encode(), digest_size=12).hexdigest()


def parse_parameters(relation: Relation, given: Iterable[tuple[str, str]]) -> Selection:
    """What the names and texts of a query ask of a relation.

    Raises:
        UnusableError: a name is unknown or stands twice, or a text is not what it should be.
    """
    texts: dict[str, list[str]] = {}
    for name, text in given:
        texts.setdefault(name, []).append(text)
    own = {name: texts.pop(name) for name in OWN if name in texts}
    order, limit = tuple(_order(relation, own.get("order", ()))), _limit(_single(own, "limit"))
    cursor = _single(own, "cursor")
    if cursor is not None and limit is None:
        raise UnusableError("A cursor goes with a limit, such as limit=1000.")
    return Selection(
        relation=relation,
        columns=tuple(_columns(relation, own.get("columns", ()))),
        filters=tuple(_filter(relation, name, of_name) for name, of_name in texts.items()),
        order=_complete(relation, order) if order or limit else (),
        limit=limit,
        cursor=cursor,
        format=_single(own, "format"),
    )


def _single(texts: Mapping[str, Sequence[str]], name: str) -> str | None:
    given = texts.get(name, ())
    if len(given) > 1:
        raise UnusableError(f"The parameter {name} is given {len(given)} times; give it once.")
    return given[0] if given else None


def _limit(text: str | None) -> int | None:
    if text is None:
        return None
    if not re.fullmatch("[0-9]{1,9}", text) or not 1 <= int(text) <= LARGEST_PAGE:
        raise UnusableError(
            f"limit={text} is no number of rows from 1 to {LARGEST_PAGE}; leave it out to get all rows in one stream."
        )
    return int(text)


def _names(relation: Relation, texts: Iterable[str]) -> Iterator[str]:
    """The names in a list with commas, or in several; a column may have a comma in its name."""
    for text in texts:
        yield from [text] if text in relation.columns else text.split(",")


def _find(relation: Relation, name: str, parameter: str) -> Column:
    if name not in relation.columns:
        known = ", ".join(relation.columns)
        raise UnusableError(f"{parameter}: {relation.name} has no column {name!r}; its columns are {known}.")
    return relation.columns[name]


def _columns(relation: Relation, texts: Sequence[str]) -> Iterator[Column]:
    names = list(_names(relation, texts)) if texts else list(relation.shown)
    for place, name in enumerate(names):
        if name in names[:place]:
            raise UnusableError(f"columns: {name} is named twice.")
        yield _find(relation, name, "columns")


def _order(relation: Relation, texts: Sequence[str]) -> Iterator[OrderedBy]:
    seen: set[str] = set()
    for text in _names(relation, texts):
        is_descending = text.startswith("-") and text not in relation.columns
        column = _find(relation, text.removeprefix("-") if is_descending else text, "order")
        if column.is_json:
            raise UnusableError(f"order: {column.name} holds JSON, which has no order.")
        if column.name not in seen:  # named again, it changes nothing
            seen.add(column.name)
            yield OrderedBy(column.name, is_descending)


def _complete(relation: Relation, order: tuple[OrderedBy, ...]) -> tuple[OrderedBy, ...]:
    """An order by which no two rows are equal; days go before the times that they follow from."""
    is_descending = bool(order) and order[0].is_descending
    if relation.day and order and order[0].name == relation.time:
        order = (OrderedBy(relation.day, is_descending), *(part for part in order if part.name != relation.day))
    named = {part.name for part in order}
    return (*order, *(OrderedBy(name, is_descending) for name in relation.order if name not in named))


def _filter(relation: Relation, name: str, texts: Sequence[str]) -> Comparison:
    ending = next((ending for ending in OPERATORS if name.endswith(ending) and name not in relation.columns), "")
    column = relation.columns.get(name.removesuffix(ending))
    if column is None:
        filters = "a column, or a column with .gte, .lt or .in behind it"
        raise UnusableError(f"There is no parameter {name!r}; there are {', '.join(OWN)}, and as filters {filters}.")
    if column.is_json:
        raise UnusableError(f"{name}: {column.name} holds JSON, by which rows cannot be filtered.")
    if ending in (".gte", ".lt") and not has_order(column):
        raise UnusableError(f"{name}: the values of {column.name} have no order.")
    if len(texts) > (most := MOST_VALUES if ending == ".in" else 1):
        raise UnusableError(f"The parameter {name} is given {len(texts)} times, and may be given {most:,}.")
    try:
        values = tuple(parse_value(column, text) for text in texts)
    except ValueError as error:
        raise UnusableError(f"{name}: {error}.") from None
    return Comparison(column, OPERATORS.get(ending, "="), values)
