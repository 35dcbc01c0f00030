"""The rows of a query as they come: a table for people, JSON and CSV for programs.

Here: how they are printed, a batch at a time. Not here: which rows.
"""

import csv
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from itertools import chain, islice
from typing import Any, TextIO

from dataflow_assets.cli.output import print_table
from dataflow_assets.core.formatting import counted, digits, guard_formula, plain, to_json, visible
from dataflow_assets.errors import QueryError

_ROWS_OF_A_TABLE = 1_000  # more make another table: its columns are as wide as their texts, so it is held whole

_BLANKS = dict.fromkeys(map(ord, "\n\r\t"), " ")

_Row = tuple[Any, ...]


class Format(StrEnum):
    """How rows are printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


def print_query(url: str, statement: str, output: Format, seconds: int, *, for_spreadsheet: bool) -> None:
    """Run one statement that reads, and print its rows as they come.

    Args:
        url: the database.
        statement: in SQL.
        output: how its rows are printed.
        seconds: after which the server ends it.
        for_spreadsheet: whether CSV is guarded against texts that a spreadsheet takes for formulas.
    """
    if not for_spreadsheet and _print_copied(url, statement, output, seconds):
        return
    from dataflow_assets.warehouse.query import stream_query

    with stream_query(url, statement, seconds) as stream:
        print_result(stream.columns, stream.batches, output, for_spreadsheet=for_spreadsheet)


def _print_copied(url: str, statement: str, output: Format, seconds: int) -> bool:
    """Print the rows as the server itself writes them; whether the statement is one whose rows it writes so."""
    from dataflow_assets.warehouse.query_copy import copy_csv, copy_json

    if output is Format.CSV:
        return copy_csv(url, statement, _writer(sys.stdout), seconds)
    copied = _JsonArray(sys.stdout) if output is Format.JSON else _Tables()
    copy = copy_json if output is Format.JSON else copy_csv
    is_copied = copy(url, statement, copied.add, seconds)
    if is_copied:
        copied.close()
    return is_copied


def _writer(stream: TextIO) -> Callable[[bytes], object]:
    """What writes text in UTF-8: to a terminal without what would steer it."""
    if stream.isatty():
        return lambda text: stream.write(visible(text.decode()))
    stream.flush()
    return stream.buffer.write


class _JsonArray:
    """An array of JSON, an object a line: what would steer a terminal is escaped, wherever it goes."""

    def __init__(self, stream: TextIO) -> None:
        stream.flush()
        self._write, self._is_empty = stream.buffer.write, True

    def add(self, row: bytes) -> None:
        """Write an object, which ends with its line; line ends and tabs within can only stand between its values."""
        text = row[:-1].decode()
        if not text.isprintable():
            text = text.translate(_BLANKS)
            row = "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in text).encode() + b"\n"
        self._write(b"[\n" + row[:-1] if self._is_empty else b",\n" + row[:-1])
        self._is_empty = False

    def close(self) -> None:
        """End the array."""
        self._write(b"[]\n" if self._is_empty else b"\n]\n")


class _Tables:
    """Tables of rows that come as lines of CSV, the names of the columns first."""

    def __init__(self) -> None:
        csv.field_size_limit(sys.maxsize)
        self._columns: list[str] | None = None
        self._rows: list[list[str]] = []
        self._count = 0

    def add(self, line: bytes) -> None:
        """Take a row, which ends with its line; print a table where there are enough for one."""
        row = next(csv.reader([line.decode()], strict=True))
        if self._columns is None:
            self._columns = row
            return
        if len(self._rows) == _ROWS_OF_A_TABLE:
            self._print()
        self._rows.append(row or [""] * len(self._columns))  # of one column, a row without a value is an empty line

    def close(self) -> None:
        """Print the rest, and how many rows there were."""
        self._print()
        _print_count(self._count)

    def _print(self) -> None:
        print_table(self._columns or [], self._rows)
        self._count += len(self._rows)
        self._rows = []


def print_result(
    columns: Sequence[str], batches: Iterable[list[_Row]], output: Format, *, for_spreadsheet: bool = False
) -> None:
    """Print rows.

    Args:
        columns: their names.
        batches: the rows, of which no more than one batch is held.
        output: how.
        for_spreadsheet: whether CSV is guarded against texts that a spreadsheet takes for formulas.
    """
    rows = chain.from_iterable(batches)
    if output is Format.JSON:
        _print_json(columns, rows)
    elif output is Format.CSV:
        _print_csv(columns, rows, is_guarded=for_spreadsheet)
    else:
        _print_tables(columns, rows)


def _print_tables(columns: Sequence[str], rows: Iterator[_Row]) -> None:
    """Print tables, and how many rows they have."""
    count, some = 0, list(islice(rows, _ROWS_OF_A_TABLE))
    while True:
        print_table(columns, [["" if value is None else digits(value) for value in row] for row in some])
        count += len(some)
        if not (some := list(islice(rows, _ROWS_OF_A_TABLE))):
            _print_count(count)
            return


def _print_count(count: int) -> None:
    print(f"({counted(count, 'row')})")  # noqa: T201


def _print_json(columns: Sequence[str], rows: Iterator[_Row]) -> None:
    """Print an array of objects.

    Raises:
        QueryError: two columns have one name, under which an object would hold one of them.
    """
    if twice := next((name for name in columns if columns.count(name) > 1), None):
        raise QueryError(f"Two columns are called {twice}: for JSON, give one of them another name (AS).")
    array = _JsonArray(sys.stdout)
    for row in rows:
        record = {name: plain(value) for name, value in zip(columns, row, strict=True)}
        array.add(f"{to_json(record)}\n".encode())
    array.close()


def _print_csv(columns: Sequence[str], rows: Iterator[_Row], *, is_guarded: bool) -> None:
    """Print CSV: exact, unless it goes to a terminal or is guarded."""
    is_shown = sys.stdout.isatty()

    def cell(value: Any) -> str:
        text = "" if value is None else digits(value)
        text = guard_formula(text) if is_guarded else text
        return visible(text) if is_shown else text

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(map(cell, columns))
    writer.writerows(map(cell, row) for row in rows)
