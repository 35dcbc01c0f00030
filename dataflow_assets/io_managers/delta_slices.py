"""Which files of a Delta table a slice is.

Here: the columns by which Delta Lake partitions the files, the values of a slice in them, and the files of a slice. Not
here: which rows a slice is (see `slices`), and writing (see `delta_writer`).

Files are partitioned by the partition column itself where its values are plain in a path (Date, integers, Boolean). For
a Datetime, of which a partition holds many values, and a String, which may hold any character, a text column
`<column>_partition` beside it names the partition.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import polars as pl

from dataflow_assets.errors import SchemaMismatchError
from dataflow_assets.io_managers.slices import Bounds, Slice

_SUFFIX = "_partition"
_TIME = "%Y%m%dT%H%M%S"


def delta_partition_column(column: str, dtype: pl.DataType) -> str:
    """The column by which the files of a partition column of some type are partitioned."""
    return column if dtype in (pl.Date, pl.Boolean) or dtype.is_integer() else f"{column}{_SUFFIX}"


def delta_partition_columns(columns: Iterable[str], schema: pl.Schema) -> tuple[str, ...]:
    """The columns by which the files of a table are partitioned, given its partition columns and their types.

    Raises:
        SchemaMismatchError: one of them is a column of the frame already.
    """
    found = tuple(delta_partition_column(column, schema[column]) for column in columns)
    for column, delta_column in zip(columns, found, strict=True):
        if delta_column != column and delta_column in schema:
            raise SchemaMismatchError(
                f"The column {delta_column} is added by the IO manager: rename that of the frame."
            )
    return found


def added_delta_columns(partition_by: Iterable[str], schema: pl.Schema) -> set[str]:
    """Which of the columns by which the files of a table are partitioned were added to those of its frames."""
    added = {delta_partition_column(name, dtype) for name, dtype in schema.items()}
    return {
        name
        for name in partition_by
        if name.endswith(_SUFFIX) and name in added and name.removesuffix(_SUFFIX) in schema
    }


def delta_partition_values(each: Slice, schema: pl.Schema) -> list[pl.Expr]:
    """The text columns that are added to the rows of a slice, by which their files are partitioned."""
    columns = {bound: delta_partition_column(bound.column, schema[bound.column]) for bound in each.bounds}
    return [pl.lit(_text(bound)).alias(column) for bound, column in columns.items() if column != bound.column]


def _text(bound: Bounds) -> str:
    if isinstance(bound.first, datetime) and isinstance(bound.end, datetime):
        return f"{_time_text(bound.first)}-{_time_text(bound.end)}"
    return _plain(str(bound.first))


def _time_text(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):{_TIME}}Z" if instant.tzinfo else f"{instant:{_TIME}}"


def _plain(text: str) -> str:
    """A text of characters that every path and URL takes as they are; different texts stay different."""
    plain = re.sub(r"[^A-Za-z0-9_.-]", lambda found: "".join(f"~{byte:02X}" for byte in found[0].encode()), text)
    return re.sub("^_|^$", lambda found: found[0].replace("_", "~5F") or "~", plain)


def files_of_slices(files: pl.DataFrame, slices: Sequence[Slice], schema: pl.Schema) -> pl.DataFrame:
    """The files that hold rows of some slices.

    Args:
        files: `list_files` of the table.
        slices: of no slice there are none.
        schema: the columns of the table.
    """
    if files.is_empty():
        return files
    each = [pl.all_horizontal(pl.lit(True), *(_overlaps(files, b, schema) for b in s.bounds)) for s in slices]
    return files.filter(pl.any_horizontal(pl.lit(False), *each))


def _overlaps(files: pl.DataFrame, bound: Bounds, schema: pl.Schema) -> pl.Expr:
    """Whether a file may hold rows within bounds."""
    delta_column = delta_partition_column(bound.column, schema[bound.column])
    column = pl.col(f"partition.{delta_column}")
    if delta_column == bound.column:
        is_from = column == bound.first if bound.end is None else column >= bound.first
        return is_from if bound.end is None else is_from & (column < bound.end)
    text = _text(bound)
    if bound.end is None:
        return column == text
    first, end = text.split("-")
    windows = (window for window in files[f"partition.{delta_column}"].unique())
    return column.is_in([window for window in windows if _begin(window) < end and _end(window) > first])


def _begin(window: str) -> str:
    return window.split("-", maxsplit=1)[0]


def _end(window: str) -> str:
    return window.split("-")[1]


def require_whole(files: pl.DataFrame, each: Slice, schema: pl.Schema, table: str) -> None:
    """Refuse to replace files that hold rows beside those of a slice.

    Raises:
        SchemaMismatchError: the table was written with longer partitions.
    """
    for bound in each.bounds:
        delta_column = delta_partition_column(bound.column, schema[bound.column])
        if delta_column == bound.column or bound.end is None:
            continue
        first, end = _text(bound).split("-")
        wider = [
            window for window in files[f"partition.{delta_column}"] if _begin(window) < first or _end(window) > end
        ]
        if wider:
            raise SchemaMismatchError(
                f"The table {table} has rows from {_begin(wider[0])} to {_end(wider[0])} in one slice, which reaches "
                f"beyond the partition {each.key}: its partitions were longer. Nothing was written: delete the table "
                "and make it anew."
            )
