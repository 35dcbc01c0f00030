"""Rows of another database.

Here: what a declaration says of a query. Not here: running it (see `collectors.query`).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import ClassVar

from dataflow_assets.sources.formats.base import Format
from dataflow_assets.sources.formats.parquet import Parquet
from dataflow_assets.sources.origins.base import Origin

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, kw_only=True)
class Query(Origin):
    """A SELECT on another database, whose rows land as Parquet.

    `database` names the environment variable that holds its address: `postgresql://…`, `duckdb:///PATH`,
    `sqlite:///PATH`, or `adbc:DRIVER:…` for another one that has an ADBC driver. Without `by_day`, all rows are a
    snapshot of each day on which it is asked. With it, the name of a column of dates or instants, the rows of each day
    from `first_day` on land on that day, once: `settle_hours` after it ended in the business time zone, as rows may be
    committed late.
    """

    label: ClassVar[str] = "database"
    schedule: str = "0 5 * * *"
    database: str
    query: str
    by_day: str | None = None
    first_day: date | None = None
    settle_hours: float = 1.0

    @property
    def address(self) -> str:
        """The variable, as its value may hold a password."""
        return f"the database of {self.database}"

    @property
    def variables(self) -> Mapping[str, str | None]:
        """That of the address."""
        return {"database": self.database}

    def problems(self) -> Iterator[str]:
        """A sentence for each thing that cannot be right."""
        yield from super().problems()
        if not self.query.strip() or ";" in self.query.strip().rstrip(";"):
            yield "query is not one statement"
        if self.by_day is not None and not _IDENTIFIER.fullmatch(self.by_day):
            yield f"{self.by_day!r} is no name of a column"
        if (self.by_day is None) != (self.first_day is None):
            yield "by_day and first_day belong together: from which day on there are rows"
        if self.settle_hours < 0:
            yield "settle_hours is less than none"

    def wrong_format(self, reader: Format) -> Iterator[str]:
        """Rows land as Parquet."""
        if not isinstance(reader, Parquet):
            yield "rows of a database are read by Parquet()"
