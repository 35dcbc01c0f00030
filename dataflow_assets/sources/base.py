"""What a source declaration may say.

Here: the value objects that a file in this package fills in. Not here: any source, how its files are written (see
`formats`), and anything that talks to a database or knows Dagster.
"""

import hashlib
import uuid
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import dataframely as dy
import polars as pl

from dataflow_assets.sources.column_types import refused
from dataflow_assets.sources.companions import IGNORED, ControlFile, pattern_of_any
from dataflow_assets.sources.formats.base import Format
from dataflow_assets.sources.names import (
    DAYS,
    LONGEST_NAME,
    find_column_problems,
    find_source_problem,
    names_of_tables,
)
from dataflow_assets.sources.origins.base import Origin
from dataflow_assets.sources.time_formats import wrong_formats

RESERVED = {  # names of columns, in any case, that a source may not use: the lake, the warehouse and the readers do
    *("id", "position", "object", "delivery", "delivery_day", "event_date", "event_day"),
    *("first_seen", "last_seen", "missing_since", "valid_from", "valid_to", "raw", "longest", "ends_before_it_begins"),
}


@dataclass(frozen=True)
class Reference:
    """A column whose values another source's column should have, in any upper and lower case.

    A row that names what is unknown there is kept; a check counts it and warns.
    """

    column: str
    source: str
    to_column: str


@dataclass(frozen=True, kw_only=True)
class RejectLimit:
    """How much of a delivery may be rejected before all of it is quarantined, until someone releases it.

    It is held where more than `count` of its rows are rejected and these are more than `share` of all. By a share alone
    two broken rows would hold a file of five, which anyone can look through; by a count alone a file of millions
    would be held for its usual few.
    """

    share: float = 0.2
    count: int = 100

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1 or self.count < 0:
            raise ValueError(f"a reject limit has a share from 0 to 1 and a count from 0, not {self}")

    def is_exceeded(self, *, rejected: int, delivered: int) -> bool:
        """Whether a delivery with so many rejected rows is held."""
        return rejected > self.count and rejected > self.share * delivered


@dataclass(frozen=True, kw_only=True, eq=False)
class Source:
    """What arrives under one name: its typed columns, how it is read and what identifies a row.

    `time_formats` are tried in turn on every instant; a text without an offset is read in `time_zone`. A delivery over
    its `reject_limit` is quarantined. `aliases` maps a column to the other names under which a file may bring it.

    Files whose names match `ignored` are no data. With `complete_when`, such as `"*.done"` or `"{stem}.done"`, a
    delivery waits until a file of such a name is in its day's folder; with a `control` file it waits for that, and is
    quarantined where the two disagree.

    `arrives` says from where its files are collected. Without it, somebody else puts them into landing.
    """

    name: str
    singular: str
    description: str
    owner: str
    schema: type[dy.Schema]
    reader: Format
    key: tuple[str, ...]
    time_formats: tuple[str, ...] = ("%+",)
    time_zone: str = "UTC"
    references: tuple[Reference, ...] = ()
    reject_limit: RejectLimit = RejectLimit()
    ignored: tuple[str, ...] = IGNORED
    complete_when: str | None = None
    control: ControlFile | None = None
    aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    arrives: Origin | None = None
    optional_columns: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if reason := find_source_problem(self.name):
            raise ValueError(f"a source cannot be named {self.name!r}: {reason}")
        for problem in (*self._wrong_columns(), *self._wrong_key(), *wrong_formats(self.time_formats)):
            raise ValueError(f"source {self.name}: {problem}")

    def _wrong_columns(self) -> Iterator[str]:
        columns = self.schema.columns()
        if taken := sorted(name for name in columns if name.lower() in RESERVED):
            yield f"the platform has columns of the names {taken} itself; declare others, with these as aliases"
        yield from find_column_problems(columns)
        yield from refused(columns)
        yield from self._wrong_aliases(columns)
        yield from self.reader.problems(columns)
        yield from self.arrives.wrong_format(self.reader) if self.arrives else ()

    def _wrong_aliases(self, columns: Mapping[str, dy.Column]) -> Iterator[str]:
        if unknown := sorted(set(self.aliases).difference(columns)):
            yield f"aliases are given for {unknown}, which are not declared"
        names = [name for others in self.aliases.values() for name in others]
        if twice := sorted({name for name in names if names.count(name) > 1 or name in columns}):
            yield f"the aliases {twice} are names of two columns"
        nullable = {name for name, column in columns.items() if column.nullable}
        if wrong := sorted(set(self.optional_columns).difference(nullable)):
            yield f"the optional columns {wrong} are not declared as nullable"

    def _wrong_key(self) -> Iterator[str]:
        columns = self.schema.columns()
        if not self.key:
            yield "the key has no columns"
        for part in self.key:
            column = columns.get(part)
            if column is None:
                yield f"key column {part!r} is not in the schema"
            elif column.nullable or isinstance(column, dy.Float | dy.Float32 | dy.Float64 | dy.List | dy.Struct):
                yield f"key column {part!r} may be neither nullable nor a float, a list or a struct"

    @property
    def companions(self) -> tuple[str, ...]:
        """The patterns of files that are no data: what is ignored, and what is waited for."""
        waited_for = (self.complete_when, self.control and self.control.name)
        return (*self.ignored, *(pattern_of_any(name) for name in waited_for if name))

    @property
    def given_names(self) -> frozenset[str]:
        """The names of what users call it by, and of the tables and assets that are made of it."""
        return frozenset([self.name, self.singular])

    @property
    def fingerprint(self) -> str:
        """A short hash of what the warehouse's rows depend on: columns, types and key."""
        columns = {name: str(column.dtype) for name, column in self.schema.columns().items()}
        return hashlib.blake2b(repr((columns, self.key)).encode(), digest_size=8).hexdigest()

    @property
    def reading(self) -> str:
        """A short hash of what the lake's rows depend on: format, columns and every rule.

        Where a rule is a function in Python, nobody can tell whether it is the same: another text each time.
        """
        rules = {name: rule.expr for name, rule in self.schema._validation_rules(with_cast=True).items()}
        try:
            said = [
                (name, expression.meta.serialize()) for name, expression in {**self.reader.expressions, **rules}.items()
            ]
        except pl.exceptions.ComputeError:
            return uuid.uuid4().hex
        aliases = sorted(self.aliases.items())
        times = (self.time_formats, self.time_zone)
        names = (aliases, sorted(self.optional_columns))
        facts = (self.fingerprint, self.reader.fingerprint, *times, self._limits(), *names, said)
        return hashlib.blake2b(repr(facts).encode(), digest_size=8).hexdigest()

    def _limits(self) -> tuple[object, ...]:
        """What a kind of source says beyond its columns of the rows that it accepts."""
        return ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Snapshot(Source):
    """Each delivery day is the whole data set as its owner saw it; rows may change and be dropped.

    A dump with fewer rows than `smallest_share` of those of the one before is quarantined: it may be cut short.
    """

    smallest_share: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.smallest_share <= 1:
            raise ValueError(f"source {self.name}: the smallest share is {self.smallest_share}, not from 0 to 1")

    @property
    def given_names(self) -> frozenset[str]:
        """Those of any source, and of both tables with their keys."""
        return super().given_names | names_of_tables(self.name)


@dataclass(frozen=True, kw_only=True, eq=False)
class Events(Source):
    """Rows that happened once, at `event_time`; one file may hold many days.

    The event time is part of the key: a corrected time is a new event. Where a key `happens_once` (an order number), it
    leaves the event time out, and a corrected time moves the row to its other day. An event that is no mere instant
    ends at `end_time`, and lasts at most `longest` where that is given; a longer one is rejected.

    Each column of `indexes` gets an index in the warehouse, for queries that look a value of it up in some days.
    """

    event_time: str
    end_time: str | None = None
    longest: timedelta | None = None
    happens_once: bool = False
    indexes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        for problem in (*self._wrong_times(), *self._wrong_indexes()):
            raise ValueError(f"source {self.name}: {problem}")

    def _wrong_times(self) -> Iterator[str]:
        if self.event_time not in self.key and not self.happens_once:
            yield f"the key must contain the event time {self.event_time!r}, unless each key happens_once"
        if self.event_time in self.key and self.happens_once:
            yield f"a key that happens_once leaves the event time {self.event_time!r} out"
        for name in filter(None, (self.event_time, self.end_time)):
            column = self.schema.columns().get(name)
            if not isinstance(column, dy.Datetime) or column.nullable:
                yield f"{name!r} must be a Datetime column that is not nullable"
        if self.longest is not None and self.end_time is None:
            yield "events without an end_time cannot have a longest duration"
        if self.longest is not None and self.longest < timedelta(0):
            yield f"the longest duration is {self.longest}, less than none"

    def _wrong_indexes(self) -> Iterator[str]:
        for name in self.indexes:
            column = self.schema.columns().get(name)
            if column is None or isinstance(column, dy.List | dy.Struct):
                yield f"the index on {name!r} is not on a declared column that is neither a list nor a struct"
            elif len(self.index_name(name).encode()) > LONGEST_NAME:
                yield f"the index on {name!r} would have the name {self.index_name(name)}, which is too long"
        if len(set(self.indexes)) < len(self.indexes):
            yield f"two of the indexes {list(self.indexes)} are on one column"

    def index_name(self, column: str) -> str:
        """The name of the index on a column."""
        return f"{self.name}_by_{column}"

    @property
    def given_names(self) -> frozenset[str]:
        """Those of any source, of the asset of the days that deliveries touch, and of its indexes."""
        return super().given_names | {self.name + DAYS, *map(self.index_name, self.indexes)}

    def _limits(self) -> tuple[object, ...]:
        return (self.event_time, self.end_time, self.longest)


def wrong_references(sources: Collection[Source]) -> Iterator[str]:
    """A sentence for each reference from or to what none of these sources has."""
    known = {source.name: source.schema.column_names() for source in sources}
    for source in sources:
        for reference in source.references:
            for name, column in ((source.name, reference.column), (reference.source, reference.to_column)):
                if column not in known.get(name, ()):
                    yield f"source {source.name}: {reference} names what is not declared: {name}.{column}"
