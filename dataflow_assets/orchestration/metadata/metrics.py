"""What is told of a partition that was written: how fast it went, one line for the run's log, a preview of its rows.

Here: from metrics and rows to numbers and text. Not here: counting, and where it is told (see `slices`).
"""

from collections.abc import Mapping
from datetime import date

import polars as pl
from rich.filesize import decimal

from dataflow_assets.core.formatting import one_line

_MOST_ROWS, _LONGEST_CELL = 10, 40  # of a preview: an event log keeps every one for ever
_COUNTED = {  # by figure: what one of it is called, and several
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
_RARE = {"quarantined", "superseded", "days_touched"}  # not told where there are none


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
    said = [_counted(name, count) for name, count in counts if isinstance(count, int) and (count or name not in _RARE)]
    if metrics.get("is_changed") == 0:
        said.append("left as it was")
    said.append(f"{metrics.get('seconds', 0):.2f} s")
    if isinstance(rate := metrics.get("bytes_per_second"), float):
        said.append(f"{decimal(round(rate))}/s")
    elif isinstance(rate := metrics.get("rows_per_second"), float):
        said.append(f"{rate:,.0f} rows/s" if rate >= 10 else f"{rate:.1f} rows/s")
    return f"{asset} {day}: {', '.join(said)}"


def _counted(name: str, count: int) -> str:
    if name == "bytes":
        return f"{decimal(count)} read"
    one, several = _COUNTED[name]
    return f"{count:,} {one if count == 1 else several}"


def preview(rows: pl.DataFrame) -> str:
    """The first rows as a table in Markdown; long values are cut."""
    lines = [rows.columns, ["---"] * rows.width, *map(_cells, rows.head(_MOST_ROWS).rows())]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    more = rows.height - _MOST_ROWS
    return f"{table}\n\nand {more:,} more" if more > 0 else table


def _cells(row: tuple[object, ...]) -> list[str]:
    cut = (one_line(value, _LONGEST_CELL) for value in row)
    return ["".join(f"\\{char}" if char in "\\`*_[]<>|" else char for char in text) for text in cut]
