"""What is said of a partition that was written: how fast it went, one line for the run's log, a preview of its rows.

Here: from metrics and rows to numbers, text and Dagster's metadata. Not here: counting, and who is told (see
`assets.per_partition`).
"""

from collections.abc import Mapping, Sequence
from datetime import date

import dagster as dg
import polars as pl
from rich.filesize import decimal

from dataflow_assets.core.floats import with_own_digits
from dataflow_assets.core.formatting import escape_markdown, one_line

# Numbers, which Dagster plots, names of columns, and what is shown as it is.
Metrics = Mapping[str, int | float | Sequence[str] | dg.MetadataValue]
_MOST_ROWS, _LONGEST_CELL = 10, 40  # of a preview: an event log keeps every one for ever
_COUNTED = {  # by metric: what one of it is called, and several
    "objects": ("object", "objects"),
    "bytes": ("", ""),
    "delivered": ("row delivered", "rows delivered"),
    "accepted": ("accepted", "accepted"),
    "rejected": ("rejected", "rejected"),
    "quarantined": ("object quarantined", "objects quarantined"),
    "superseded": ("superseded", "superseded"),
    "days_touched": ("day touched", "days touched"),
    "rows": ("row kept", "rows kept"),
}
_RARE = {"quarantined", "superseded", "days_touched"}  # not said where there are none


def speed(metrics: Mapping[str, object], seconds: float) -> dict[str, int | float]:
    """The seconds that a partition took, and how much in each: nothing where nothing was read or written.

    Args:
        metrics: `delivered` or else `rows` says how many rows it was about, `bytes` what was read, where that is
            known; with `is_changed` 0 or no `bytes` it was left as it was.
        seconds: how long it took.
    """
    spent: dict[str, int | float] = {"seconds": round(seconds, 3)}
    if not (metrics.get("is_changed", 1) and metrics.get("bytes", 1) and spent["seconds"]):
        return spent
    rates = {"rows_per_second": metrics.get("delivered", metrics.get("rows")), "bytes_per_second": metrics.get("bytes")}
    return spent | {name: round(count / seconds, 1) for name, count in rates.items() if isinstance(count, int)}


def line(asset: str, day: date, metrics: Mapping[str, object]) -> str:
    """What became of one partition, in one line: read, kept, rejected, written, and how fast."""
    counts = ((name, metrics.get(name)) for name in _COUNTED)
    parts = [_count(name, count) for name, count in counts if isinstance(count, int) and (count or name not in _RARE)]
    if metrics.get("is_changed") == 0:
        parts.append("left as it was")
    parts.append(f"{metrics.get('seconds', 0):.2f} s")
    if isinstance(rate := metrics.get("bytes_per_second"), float):
        parts.append(f"{decimal(round(rate))}/s")
    elif isinstance(rate := metrics.get("rows_per_second"), float):
        parts.append(f"{rate:,.0f} rows/s" if rate >= 10 else f"{rate:.1f} rows/s")
    return f"{asset} {day}: {', '.join(parts)}"


def _count(name: str, count: int) -> str:
    if name == "bytes":
        return f"{decimal(count)} read"
    one, several = _COUNTED[name]
    return f"{count:,} {one if count == 1 else several}"


def preview(rows: pl.DataFrame) -> str:
    """The first rows as a table in Markdown; long values are cut."""
    lines = [rows.columns, ["---"] * rows.width, *map(_cells, with_own_digits(rows.head(_MOST_ROWS)).rows())]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    more = rows.height - _MOST_ROWS
    return f"{table}\n\nand {more:,} more" if more > 0 else table


def _cells(row: tuple[object, ...]) -> list[str]:
    return [escape_markdown(one_line(value, _LONGEST_CELL)) for value in row]


def preview_newest(rows: pl.DataFrame, *, is_newest: bool) -> Metrics:
    """A preview of a partition's rows, if it is the newest of its run: the event log keeps each one for ever."""
    return {"preview": dg.MetadataValue.md(preview(rows))} if is_newest else {}


def as_metadata(metrics: Metrics) -> dict[str, dg.MetadataValue]:
    """Metrics as Dagster shows them, and plots the numbers."""
    return {name: _metadata_value(value) for name, value in metrics.items()}


def _metadata_value(value: int | float | Sequence[str] | dg.MetadataValue) -> dg.MetadataValue:
    match value:
        case dg.MetadataValue():
            return value
        case int():
            return dg.MetadataValue.int(value)
        case float():
            return dg.MetadataValue.float(value)
    return dg.MetadataValue.json(list(value))


def partition_metadata(metrics: Metrics) -> dict[str, dg.MetadataValue]:
    """What a materialization says of its partition; `rows` is how many rows the partition has now."""
    metadata = as_metadata(metrics)
    if "rows" in metrics:
        metadata["dagster/partition_row_count"] = metadata["rows"]
    return metadata
