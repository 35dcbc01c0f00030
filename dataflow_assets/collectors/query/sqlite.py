"""Rows of an SQLite file as Arrow batches.

Here: of which type a column is, and reading. Not here: which statement is asked (see `query`), and one value (see
`query.sqlite_values`).

Every value of SQLite has a type of its own. So all of a column are looked at before the first is read, in the same
transaction: a column of numbers alone is one of numbers, one that holds any text is text, and one without a value is
of no type, which is as good as the declared one. SQLite has no type of dates, instants and truth values: a column that
a source declares as one is made of what stands for it there.
"""

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import dataframely as dy
import pyarrow as pa

from dataflow_assets.collectors.query import sqlite_values as values_of
from dataflow_assets.postgres.sql import column_list, identifier

_AT_ONCE = 10_000  # rows
_BUSY_SECONDS = 30.0  # for which a writer is waited for
_LONGEST = 100  # letters of a value that is told
_FINER = tuple(f"*[.,]{'[0-9]' * digits}[1-9]*" for digits in (6, 7, 8))  # than microseconds, as texts
_COUNTED = "BETWEEN '1678' AND '2261'"  # years of which 64 bits count all nanoseconds

_Made = tuple[pa.DataType, Callable[[Any], Any]]
_TYPES: Mapping[str, _Made] = {
    "blob": (pa.binary(), values_of.as_bytes),
    "text": (pa.string(), values_of.as_text),
    "real": (pa.float64(), values_of.as_float),
    "integer": (pa.int64(), int),
}
_NO_VALUES: _Made = (pa.null(), values_of.as_text)
_FINE = "text of nanoseconds"
_FAR = "text of another year"
_WIDEST_FIRST = ("blob", _FINE, "text", "real", "integer")
_DECLARED: Mapping[tuple[object, str | None], _Made] = {
    (dy.Datetime, "text"): (pa.timestamp("us", "UTC"), values_of.as_microseconds),
    (dy.Datetime, _FINE): (pa.timestamp("ns", "UTC"), values_of.as_nanoseconds),
    (dy.Date, "text"): (pa.date32(), values_of.as_date),
    (dy.Bool, "integer"): (pa.bool_(), values_of.as_bool),
}


@contextmanager
def read_sqlite(file: Path, statement: str, declared: Mapping[str, dy.Column]) -> Iterator[pa.RecordBatchReader]:
    """The rows of a statement on a file, which is not written to.

    Args:
        file: the file.
        statement: a SELECT.
        declared: the columns of the source. Instants without a zone are in UTC.

    Raises:
        sqlite3.Error: it cannot be opened, refuses the statement, or holds a value that would have to be another.
    """
    with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=_BUSY_SECONDS)) as database:
        database.execute("BEGIN")  # what follows sees one moment
        names = [column[0] for column in database.execute(f"SELECT * FROM ({statement}) LIMIT 0").description]  # noqa: S608
        kinds = _kinds(database, statement, names, declared)
        columns = [_Column(name, kind, declared.get(name)) for name, kind in zip(names, kinds, strict=True)]
        schema = pa.schema([(column.name, column.type) for column in columns])
        yield pa.RecordBatchReader.from_batches(schema, _batches(database, statement, columns, schema))


class _Column:
    """A column of a result: as which type it is given, and how each value is made; `kind` is None without any."""

    def __init__(self, name: str, kind: str | None, declared: dy.Column | None) -> None:
        self.name = name
        self.type, self._make = _DECLARED.get((type(declared), kind)) or (_TYPES[kind] if kind else _NO_VALUES)

    def array(self, values: tuple[Any, ...], before: int) -> pa.Array:
        """Some values, after so many rows.

        Raises:
            sqlite3.DataError: one cannot be given as it is.
        """
        made: list[Any] = []
        try:
            for value in values:
                made.append(None if value is None else self._make(value))
        except (ValueError, OverflowError):
            said = repr(value.decode(errors="replace") if isinstance(value, bytes) else value)[:_LONGEST]
            row = before + len(made) + 1
            raise sqlite3.DataError(
                f"the column {self.name} holds what is no {self.type} ({said}, in row {row:,} of the result)"
            ) from None
        return pa.array(made, self.type)


def _kinds(
    database: sqlite3.Connection, statement: str, names: list[str], declared: Mapping[str, dy.Column]
) -> list[str | None]:
    """Of which kind each column is, by all its values; None of one without any."""
    asked = {(name, kind): f"typeof({identifier(name)}) = '{kind}'" for name in names for kind in _TYPES}
    for name in (name for name in names if isinstance(declared.get(name), dy.Datetime)):
        asked[name, _FINE], asked[name, _FAR] = _is_finer(name), _is_far(name)
    tests = ", ".join(f"max({test})" for test in asked.values())
    values = database.execute(f"SELECT {tests} FROM ({statement})").fetchone()  # noqa: S608
    has = {key for key, value in zip(asked, values, strict=True) if value}
    has -= {(name, _FINE) for name in names if (name, _FAR) in has}
    return [next((kind for kind in _WIDEST_FIRST if (name, kind) in has), None) for name in names]


def _is_finer(name: str) -> str:
    value = identifier(name)
    is_finer = " OR ".join(f"{value} GLOB '{form}'" for form in _FINER)
    return f"CASE WHEN typeof({value}) = 'text' AND length({value}) >= {values_of.SHORTEST_FINER} THEN {is_finer} END"


def _is_far(name: str) -> str:
    return f"CASE WHEN typeof({identifier(name)}) = 'text' THEN substr({identifier(name)}, 1, 4) NOT {_COUNTED} END"


def _batches(
    database: sqlite3.Connection, statement: str, columns: list[_Column], schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    database.text_factory = bytes
    cursor, before = database.execute(f"SELECT {column_list(schema.names)} FROM ({statement})"), 0  # noqa: S608
    while rows := cursor.fetchmany(_AT_ONCE):
        given = zip(columns, zip(*rows, strict=True), strict=True)
        yield pa.RecordBatch.from_arrays([column.array(values, before) for column, values in given], schema=schema)
        before += len(rows)
