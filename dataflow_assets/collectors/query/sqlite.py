"""Rows of an SQLite file as Arrow batches.

Here: of which type a column is, and reading. Not here: which statement is asked (see `query`).

Every value of SQLite has a type of its own. So all of a column are looked at before the first is read, in the same
transaction: a column of numbers alone is one of numbers, one that holds any text is text, and one without a value is
of no type, which is as good as the declared one. SQLite has no type of dates, instants and truth values: a column that
a source declares as one is made of what stands for it there.
"""

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dataframely as dy
import pyarrow as pa

_AT_ONCE = 10_000  # rows
_BUSY_SECONDS = 30.0  # for which a writer is waited for
_TYPES = {"blob": pa.binary(), "text": pa.string(), "real": pa.float64(), "integer": pa.int64()}  # the widest first
_CASTS = {pa.binary(): "CAST({} AS BLOB)", pa.string(): "CAST({} AS TEXT)", pa.float64(): "CAST({} AS REAL)"}


def _instant(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


_MADE: Mapping[type[dy.Column], tuple[pa.DataType, pa.DataType, Callable[[Any], Any]]] = {
    dy.Datetime: (pa.string(), pa.timestamp("us", "UTC"), _instant),
    dy.Date: (pa.string(), pa.date32(), date.fromisoformat),
    dy.Bool: (pa.int64(), pa.bool_(), bool),
}


@contextmanager
def read_sqlite(file: Path, statement: str, declared: Mapping[str, dy.Column]) -> Iterator[pa.RecordBatchReader]:
    """The rows of a statement on a file, which is not written to.

    Args:
        file: the file.
        statement: a SELECT.
        declared: the columns of the source. Instants without a zone are in UTC.

    Raises:
        sqlite3.Error: it cannot be opened, refuses the statement, or holds another text than a date or an instant.
    """
    with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=_BUSY_SECONDS)) as database:
        database.execute("BEGIN")  # what follows sees one moment
        names = [column[0] for column in database.execute(f"SELECT * FROM ({statement}) LIMIT 0").description]  # noqa: S608
        columns = [
            _Column(name, kind, declared.get(name))
            for name, kind in zip(names, _types(database, statement, names), strict=True)
        ]
        schema = pa.schema([(column.name, column.type) for column in columns])
        yield pa.RecordBatchReader.from_batches(schema, _batches(database, statement, columns, schema))


class _Column:
    """A column of a result: as which type it is stored, and as which it is given."""

    def __init__(self, name: str, stored: pa.DataType, declared: dy.Column | None) -> None:
        self.name = name
        self.type = stored
        self.expression = _CASTS.get(stored, "{}").format(_quoted(name))
        self._make: Callable[[Any], Any] | None = None
        if declared and (made := _MADE.get(type(declared))) and made[0] == stored:
            _, self.type, self._make = made

    def array(self, values: tuple[Any, ...]) -> pa.Array:
        """Some values.

        Raises:
            sqlite3.DataError: one does not stand for what the column is declared as.
        """
        if make := self._make:
            try:
                values = tuple(None if value is None else make(value) for value in values)
            except ValueError as error:
                raise sqlite3.DataError(f"the column {self.name} holds what is no {self.type} ({error})") from None
        return pa.array(values, self.type)


def _types(database: sqlite3.Connection, statement: str, names: list[str]) -> list[pa.DataType]:
    asked = ", ".join(f"max(typeof({_quoted(name)}) = '{kind}')" for name in names for kind in _TYPES)
    found = iter(database.execute(f"SELECT {asked} FROM ({statement})").fetchone())  # noqa: S608
    has = [[kind for kind in _TYPES if next(found)] for _ in names]
    return [_TYPES[kinds[0]] if kinds else pa.null() for kinds in has]


def _batches(
    database: sqlite3.Connection, statement: str, columns: list[_Column], schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    expressions = ", ".join(column.expression for column in columns)
    cursor = database.execute(f"SELECT {expressions} FROM ({statement})")  # noqa: S608
    while rows := cursor.fetchmany(_AT_ONCE):
        arrays = [column.array(values) for column, values in zip(columns, zip(*rows, strict=True), strict=True)]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def _quoted(name: str) -> str:
    return '"{}"'.format(name.replace('"', '""'))
