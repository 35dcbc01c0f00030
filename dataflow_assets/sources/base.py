"""What a source declaration may say.

Here: the value objects that a file in this package fills in. Not here: any source, how its files are written (see
`formats`), and anything that talks to a database or knows Dagster.
"""

import hashlib
import uuid
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import timedelta

import dataframely as dy
import polars as pl

from dataflow_assets.sources.column_types import refused
from dataflow_assets.sources.companions import IGNORED, ControlFile, pattern_of_any
from dataflow_assets.sources.formats.base import Format
from dataflow_assets.sources.names import CURRENT, DAYS, HISTORY, find_column_problems, find_source_problem

_TAKEN = {  # names of columns, in any case, that a source may not use: the lake, the warehouse and the readers do
    *("id", "position", "object", "delivery", "delivery_day", "event_date", "event_day"),
    *("first_seen", "last_seen", "missing_since", "valid_from", "valid_to", "raw", "longest"),
}

_Integers = dy.Int8 | dy.Int16 | dy.Int32 | dy.Int64


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
    its `reject_limit` is quarantined.

    Files whose names match `ignored` are no data. With `complete_when`, such as `"*.done"` or `"{stem}.done"`, a
    delivery waits until a file of such a name is in its day's folder; with a `control` file it waits for that, and is
    quarantined where the two disagree.
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

    def __post_init__(self) -> None:
        if reason := find_source_problem(self.name):
            raise ValueError(f"a source cannot be named {self.name!r}: {reason}")
        for problem in (*self._wrong_columns(), *self._wrong_key()):
            raise ValueError(f"source {self.name}: {problem}")

    def _wrong_columns(self) -> Iterator[str]:
        columns = self.schema.columns()
        if taken := sorted(name for name in columns if name.lower() in _TAKEN):
            yield f"the platform has columns of the names {taken} itself"
        if len({name.lower() for name in columns}) < len(columns):
            yield "two columns differ by upper and lower case alone"
        yield from find_column_problems(columns)
        yield from refused(columns)
        yield from self.reader.problems(columns)

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
    def waits_for(self) -> tuple[str, ...]:
        """The patterns of the files that each delivery waits for."""
        marker = (self.complete_when,) if self.complete_when else ()
        return (*marker, self.control.name) if self.control else marker

    @property
    def companions(self) -> tuple[str, ...]:
        """The patterns of files that are no data: what is ignored, and what is waited for."""
        return (*self.ignored, *map(pattern_of_any, self.waits_for))

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
        facts = (self.fingerprint, self.reader.fingerprint, self.time_formats, self.time_zone, self._limits(), said)
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
        return super().given_names | _names_of_tables(self.name)


@dataclass(frozen=True, kw_only=True, eq=False)
class Changes(Source):
    """Each delivery holds the rows that changed, each of them whole: inserts, updates and deletes.

    `deletes` is true of a row by which its key is gone, such as `pl.col("code") == "D"`. Of the changes of a key the
    latest counts: by the column `ordered_by`, and where that is equal, or there is none, by delivery. An object whose
    name is like `full_dumps`, such as `"*full*"`, holds all rows that there are: a key that it does not have is gone.
    """

    deletes: pl.Expr | None = None
    ordered_by: str | None = None
    full_dumps: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for problem in (*self._wrong_order(), *self._wrong_deletes()):
            raise ValueError(f"source {self.name}: {problem}")

    def _wrong_order(self) -> Iterator[str]:
        if self.ordered_by is not None:
            column = self.schema.columns().get(self.ordered_by)
            if not isinstance(column, dy.Datetime | dy.Date | dy.Integer | _Integers) or column.nullable:
                yield f"{self.ordered_by!r} must be a column of instants, dates or whole numbers that is not nullable"
        if "deleted_at" in {name.lower() for name in self.schema.column_names()}:
            yield "the platform has a column of the name 'deleted_at' itself"

    def _wrong_deletes(self) -> Iterator[str]:
        if self.deletes is not None:
            try:
                self.deletes.meta.serialize()
                [said] = self.schema.create_empty().lazy().select(self.deletes).collect_schema().dtypes()
            except (ValueError, pl.exceptions.PolarsError) as error:
                yield f"deletes is no expression over its columns: {error}"
            else:
                if said != pl.Boolean:
                    yield f"deletes must be true or false of a row, not {said}"
        if both := sorted(self.marks & set(self.key)):
            yield f"what tells one change of a key from another cannot be part of the key: {both}"

    @property
    def marks(self) -> frozenset[str]:
        """The columns that speak of a change, and not of what it changes: they alone make no new values."""
        names = [] if self.deletes is None else self.deletes.meta.root_names()
        return frozenset([*names, *filter(None, [self.ordered_by])])

    @property
    def left_out_by_deletes(self) -> frozenset[str]:
        """The columns without which a delete does, though other rows must have them."""
        required = {name for name, column in self.schema.columns().items() if not column.nullable}
        return frozenset() if self.deletes is None else frozenset(required - self.marks - set(self.key))

    @property
    def fingerprint(self) -> str:
        """As of any source; the rows depend on what is a delete, what is later, and what is a dump too."""
        deletes = None if self.deletes is None else self.deletes.meta.serialize()
        facts = (super().fingerprint, deletes, self.ordered_by, self.full_dumps)
        return hashlib.blake2b(repr(facts).encode(), digest_size=8).hexdigest()

    @property
    def given_names(self) -> frozenset[str]:
        """Those of any source, and of both tables with their keys."""
        return super().given_names | _names_of_tables(self.name)


def _names_of_tables(source: str) -> frozenset[str]:
    """The names of the two tables behind a view of the latest values, and of their keys."""
    tables = [source + CURRENT, source + HISTORY]
    return frozenset([*tables, *(f"{table}_pkey" for table in tables)])


@dataclass(frozen=True, kw_only=True, eq=False)
class Events(Source):
    """Rows that happened once, at `event_time`; one file may hold many days.

    The event time is part of the key: a corrected time is a new event. Where a key `happens_once` (an order number), it
    leaves the event time out, and a corrected time moves the row to its other day. An event that is no mere instant
    ends at `end_time`, and lasts at most `longest` where that is given; a longer one is rejected.
    """

    event_time: str
    end_time: str | None = None
    longest: timedelta | None = None
    happens_once: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        for problem in self._wrong_times():
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

    @property
    def given_names(self) -> frozenset[str]:
        """Those of any source, and of the asset of the days that deliveries touch."""
        return super().given_names | {self.name + DAYS}

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
