"""What a source declaration may say.

Here: the value objects that a file in this package fills in. Not here: any source, and anything that
reads bytes, talks to a database or knows Dagster.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import dataframely as dy
import polars as pl

_TAKEN = {
    *("id", "position", "object", "delivery", "delivery_day", "event_date", "event_day"),
    *("first_seen", "last_seen", "missing_since", "valid_from", "valid_to"),
}


@dataclass(frozen=True, kw_only=True)
class Csv:
    """Delimited text in UTF-8 with a header line; columns are matched by name."""

    delimiter: str = ","
    quote: str = '"'

    @property
    def suffix(self) -> str:
        """The ending that a landed object of this format has."""
        return ".csv"


@dataclass(frozen=True, kw_only=True)
class Json:
    """One JSON array of objects, each a row.

    `paths` maps a column to the JSON path of its value, read as text (a path with `[*]` gives a list of
    texts). `derived` maps a column to an expression over the columns of `paths`, for what a path cannot say.
    """

    paths: Mapping[str, str]
    derived: Mapping[str, pl.Expr] = field(default_factory=dict)

    @property
    def suffix(self) -> str:
        """The ending that a landed object of this format has."""
        return ".json"


@dataclass(frozen=True, kw_only=True, eq=False)
class Source:
    """What arrives under one name: its typed columns, how it is read and what identifies a row.

    `time_formats` are tried in turn on every instant; a text without an offset is read in `time_zone`.
    """

    name: str
    singular: str
    description: str
    owner: str
    schema: type[dy.Schema]
    reader: Csv | Json
    key: tuple[str, ...]
    time_formats: tuple[str, ...] = ("%+",)
    time_zone: str = "UTC"

    def __post_init__(self) -> None:
        columns = self.schema.columns()
        if taken := _TAKEN.intersection(columns):
            raise ValueError(f"source {self.name}: the platform has columns of the names {sorted(taken)} itself")
        for part in self.key:
            column = columns.get(part)
            if column is None:
                raise ValueError(f"source {self.name}: key column {part!r} is not in the schema")
            if column.nullable or isinstance(column, dy.Float | dy.Float32 | dy.Float64):
                raise ValueError(f"source {self.name}: key column {part!r} may be neither nullable nor a float")

    @property
    def fingerprint(self) -> str:
        """A short hash of what the warehouse's rows depend on: columns, types and key."""
        columns = {name: str(column.dtype) for name, column in self.schema.columns().items()}
        return hashlib.blake2b(repr((columns, self.key)).encode(), digest_size=8).hexdigest()


@dataclass(frozen=True, kw_only=True, eq=False)
class Snapshot(Source):
    """Each delivery day is the whole data set as its owner saw it; rows may change and be dropped."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Events(Source):
    """Rows that happened once, at `event_time`; one file may hold many days.

    The event time is part of the key: a corrected time is a new event. An event ends at `end_time` and
    lasts at most `longest`; a longer one is rejected.
    """

    event_time: str
    end_time: str
    longest: timedelta

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.event_time not in self.key:
            raise ValueError(f"source {self.name}: the key must contain the event time {self.event_time!r}")
