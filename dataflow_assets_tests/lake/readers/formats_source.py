"""A source with a column of each type, for the formats that hold typed values, and how its files are read.

Here: the declaration, and what a file gives. Not here: any format.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType

import dataframely as dy

from dataflow_assets.lake.readers import Reject, check_format, read_file
from dataflow_assets.sources import Snapshot
from dataflow_assets.sources.formats import Format

Row = tuple[str, str | None, int | None, float | None, Decimal | None, bool | None, date | None, datetime | None]


class Prices(dy.Schema):
    """A price of each type."""

    sku = dy.String(min_length=1)
    name = dy.String(nullable=True)
    qty = dy.Int64(nullable=True)
    ratio = dy.Float64(nullable=True)
    price = dy.Decimal(precision=30, scale=4, nullable=True)
    active = dy.Bool(nullable=True)
    valid_on = dy.Date(nullable=True)
    seen_at = dy.Datetime(time_zone="UTC", nullable=True)


def prices(reader: Format, aliases: Mapping[str, tuple[str, ...]] = MappingProxyType({})) -> Snapshot:
    """The source in a format."""
    return Snapshot(
        name="prices",
        singular="price",
        description="Prices.",
        owner="team:tests",
        schema=Prices,
        reader=reader,
        key=("sku",),
        aliases=aliases,
        time_formats=("%+", "%Y-%m-%dT%H:%M:%S%.f"),
    )


@dataclass
class Found:
    """What a file gives."""

    rows: list[Row]
    rejects: list[Reject]
    delivered: int

    @property
    def reasons(self) -> list[tuple[int | None, str, str, str]]:
        """The rejects as tuples."""
        return [(one.line, one.code, one.message, one.raw) for one in self.rejects]


def read(path: Path, reader: Format, aliases: Mapping[str, tuple[str, ...]] = MappingProxyType({})) -> Found:
    """Read a whole file, as a landed one is."""
    source = prices(reader, aliases)
    check_format(path, source)
    batches = list(read_file(path, source).batches)
    rows = list(_rows(batch.rows.select(source.schema.column_names()).rows() for batch in batches))
    found = Found(rows, [one for batch in batches for one in batch.rejects], sum(batch.delivered for batch in batches))
    assert found.delivered == len(found.rows) + len(found.rejects)
    return found


def _rows(batches: Iterator[list[Row]]) -> Iterator[Row]:
    for batch in batches:
        yield from batch
