"""The rows of a query as they come: a table for people, JSON and CSV for programs.

Here: how they are printed, a batch at a time. Not here: which rows.
"""

import csv
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from itertools import chain, islice
from typing import Any

from dataflow_assets.cli.output import print_table
from dataflow_assets.core.formatting import digits, guard_formula, plain, to_json, visible

_ROWS_OF_A_TABLE = 1_000  # more make another table: its columns are as wide as their texts, so it is held whole

_Row = tuple[Any, ...]


class Format(StrEnum):
    """How rows are printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


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
    some = list(islice(rows, _ROWS_OF_A_TABLE))
    while True:
        print_table(columns, [["" if value is None else digits(value) for value in row] for row in some])
        if not (some := list(islice(rows, _ROWS_OF_A_TABLE))):
            return


def _print_json(columns: Sequence[str], rows: Iterator[_Row]) -> None:
    """Print an array of objects; of equal names the last one counts."""
    before = "[\n"
    for row in rows:
        record = {name: plain(value) for name, value in zip(columns, row, strict=True)}
        sys.stdout.write(before + textwrap.indent(to_json(record, indent=2), "  "))
        before = ",\n"
    sys.stdout.write("[]\n" if before == "[\n" else "\n]\n")


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
