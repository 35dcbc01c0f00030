"""From which columns of its sources each column of an answer is made.

Here: reading that off the answer's query, as Polars plans it, or off its SQL. Not here: any answer, and how lineage is
shown.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import date
from functools import cache

import polars as pl

from dataflow_assets.analytics.base import Answer, compute_partition
from dataflow_assets.sources import find_source

_MARK = "from "  # with a source's name: a column that no schema has
_SCAN = re.compile(rf'DF \["{_MARK}(\w+)".*?; PROJECT(?:\[(.*?)\]| (\*))')


@cache
def columns_read(answer: Answer) -> Mapping[str, frozenset[tuple[str, str]]]:
    """The sources' columns, as (source, column), that each column of an answer is made from.

    Columns by which rows are filtered, joined or sorted out count too: another value there gives another answer. They
    are those that Polars reads, once it has planned a query for the one column. Of an answer in SQL they are all that
    its statement names, for each of its columns: more than it needs, and never fewer.
    """
    if answer.statement is not None:
        return dict.fromkeys(answer.schema.column_names(), _named(answer.statement, answer.reads))
    frames = {name: _marked(name) for name in answer.reads}
    query = compute_partition(answer, frames, date(2000, 1, 1), "UTC")
    return {name: _read(query.select(name)) for name in answer.schema.column_names()}


def _named(statement: str, sources: Iterable[str]) -> frozenset[tuple[str, str]]:
    """The columns of some sources whose names stand in a statement; all of them where it has a `*`, as for a column."""
    words = set(re.findall(r"\w+", statement.replace("count(*)", "").lower()))
    is_all = "*" in statement.replace("count(*)", "")
    columns = ((source, column) for source in sources for column in find_source(source).schema.column_names())
    return frozenset((source, column) for source, column in columns if is_all or column.lower() in words)


def _marked(source: str) -> pl.LazyFrame:
    """A table of a source without rows; its first column says which it is."""
    mark = pl.Series(_MARK + source, [], pl.Null)
    return find_source(source).schema.create_empty().insert_column(0, mark).lazy()


def _read(query: pl.LazyFrame) -> frozenset[tuple[str, str]]:
    found = _SCAN.findall(query.explain())
    return frozenset(
        (source, column)
        for source, columns, is_all in found
        for column in (find_source(source).schema.column_names() if is_all else re.findall('"(.*?)"', columns))
    )
