"""What a fault of an input file gives, and the table of the docs that says so.

Here: a fault, the source whose file has it, and how the table is written. Not here: the faults (see
`input_fault_files`), and what must come of them (see `test_input_faults`).
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dataframely as dy

from dataflow_assets.errors import FormatError
from dataflow_assets.lake.preview import preview
from dataflow_assets.sources import Events, Snapshot, Source
from dataflow_assets.sources.formats import Format

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "input-faults.md"
_HEAD = """# Faults of input files, and what they give

Made from the tests: each line is a file that they read. `refused`: nothing of the file is loaded, and the reason is its
one reject. `quarantined`: nothing of it is loaded until someone releases it. `reject`: that row alone. `repaired`: the
row is loaded, and the delivery counts it. `accepted`: loaded as it is written.

"""


class Prices(dy.Schema):
    sku = dy.String(min_length=1)
    name = dy.String(nullable=True)
    price = dy.Decimal(18, 4, nullable=True)
    qty = dy.Int64(nullable=True)
    ratio = dy.Float64(nullable=True)
    valid_on = dy.Date(nullable=True)
    seen_at = dy.Datetime(time_zone="UTC", nullable=True)


class Names(dy.Schema):
    sku = dy.String(min_length=1)
    name = dy.String(nullable=True)


class Trips(dy.Schema):
    trip = dy.String()
    began = dy.Datetime(time_zone="UTC")
    ended = dy.Datetime(time_zone="UTC")


@dataclass(frozen=True)
class Fault:
    """A file with a fault; `options` are those of its source, which is of trips where it `is_events`.

    Unless they say otherwise, a price may lack every column but its key.
    """

    what: str
    reader: Format
    content: bytes
    options: Mapping[str, Any] = field(default_factory=dict)
    is_events: bool = False
    packing: str = ""

    @property
    def source(self) -> Source:
        """A source whose file it would be."""
        shared: dict[str, Any] = {
            "description": "Made up.",
            "owner": "team:tests",
            "reader": self.reader,
            **self.options,
        }
        if not self.is_events:
            schema = self.options.get("schema", Prices)
            given = {"schema": schema, "optional_columns": tuple(schema.column_names()[1:]), **shared}
            return Snapshot(name="prices", singular="price", key=("sku",), **given)
        given = {
            "time_formats": ("%+", "%Y-%m-%d %H:%M"),
            "time_zone": "Europe/Paris",
            "end_time": "ended",
            "longest": timedelta(days=2),
            **shared,
        }
        return Events(name="trips", singular="trip", schema=Trips, key=("trip", "began"), event_time="began", **given)


@dataclass(frozen=True)
class Outcome:
    """What a file gives: its rows without nulls, and in a word what became of it."""

    rows: list[dict[str, Any]]
    gives: str


def try_out(fault: Fault) -> Outcome:
    """Read the file as a landed one is."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"file{fault.reader.suffix}{fault.packing}"
        path.write_bytes(fault.content)
        try:
            found = preview(path, fault.source, "UTC", 100, None)
        except FormatError:
            return Outcome([], "refused")
    rows = [{name: value for name, value in row.items() if value is not None} for row in found.rows.to_dicts()]
    return Outcome(rows, "; ".join(_said(found.codes, found.repaired, found)) or "accepted")


def _said(codes: Counter[str], repaired: Counter[str], found: Any) -> Iterator[str]:
    if found.quarantine_reason:
        yield "quarantined"
    if codes:
        yield "reject: " + ", ".join(f"`{code}`" for code in sorted(codes))
    if kinds := sorted(set(repaired) - {"last_line_end"}):
        yield "repaired: " + ", ".join(f"`{kind}`" for kind in kinds)
    if found.missing_columns and not found.quarantine_reason:
        yield "accepted; in table and history the values stay as they were"


def write_page(faults: Mapping[str, list[Fault]]) -> str:
    """The table of the docs."""
    parts = [_HEAD.rstrip("\n")]
    for title, some in faults.items():
        lines = [f"| {fault.what} | {fault.reader.label} | {try_out(fault).gives} |" for fault in some]
        parts.append("\n".join([f"## {title}\n", "| fault | format | gives |", "|---|---|---|", *lines]))
    return "\n\n".join(parts) + "\n"
