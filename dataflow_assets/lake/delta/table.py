"""Delta tables in which every landed object has its own slice, replaced whole in one commit.

Here: the columns of a lake table and how they follow the declaration, writing files aside, committing them in
place of an object's older rows, and scanning. Not here: how rows are made (see `reading`) and in which order
things are written (see `intake`).
"""

import io
import json
import tempfile
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import obstore
import polars as pl
import polars.selectors as cs
from deltalake import CommitProperties, DeltaTable, Schema
from deltalake.exceptions import CommitFailedError, TableNotFoundError
from deltalake.schema import PrimitiveType
from deltalake.transaction import AddAction, RemoveAction, Transaction
from obstore.exceptions import AlreadyExistsError
from obstore.store import LocalStore

from dataflow_assets.core.iteration import batched
from dataflow_assets.errors import SchemaMismatchError
from dataflow_assets.lake.validation.validate import POSITION
from dataflow_assets.landing.deliveries import Delivery
from dataflow_assets.landing.storage import Storage
from dataflow_assets.sources.base import Events, Source

PREFIX = "lake"
_READERS = 8  # of the log at once
REJECTS = pl.Schema(
    {
        "object": pl.String,
        "line": pl.Int64,
        "code": pl.String,
        "message": pl.String,
        "raw": pl.String,
        "source": pl.String,
        "delivery_day": pl.Date,
        "delivery": pl.Int64,
        "run": pl.String,
    }
)
_MARK, _RELEASED = "mark", "released"  # files without rows begin so


@dataclass(frozen=True)
class Dumps:
    """The delivery days of a version of a snapshot table: how many rows each has, and which were released whole."""

    rows: Mapping[date, int]
    released: frozenset[date]


class LakeConflictError(Exception):
    """Another run committed the same object, or other columns, first; read again."""


@dataclass(frozen=True)
class LakeTable:
    """One Delta table whose rows each belong to a delivery (column `delivery`, Int64).

    `key` are the columns by which rows of a source are told apart.
    """

    storage: Storage
    name: str
    schema: pl.Schema
    partition_by: tuple[str, ...]
    key: tuple[str, ...] = ()

    @property
    def uri(self) -> str:
        """Where the table lies, for any reader of Delta Lake."""
        return f"{self.storage.uri}/{PREFIX}/{self.name}"

    @cached_property
    def delta_schema(self) -> Schema:
        """The table's columns as Delta Lake names them."""
        return Schema.from_arrow(pl.DataFrame(schema=self.schema).to_arrow().schema)

    def is_made(self) -> bool:
        """Whether there is a version of the table."""
        try:
            self._at(None)
        except TableNotFoundError:
            return False
        return True

    def open(self) -> DeltaTable:
        """The table at its newest version, made empty where there is none."""
        try:
            return self._at(None)
        except TableNotFoundError:
            self._create()
            return self._at(None)

    def open_to_write(self) -> DeltaTable:
        """The table at its newest version, with every declared column; rows from before have nulls in a new one.

        Raises:
            LakeConflictError: another run changed the table at the same time.
            SchemaMismatchError: it holds a column in another type than the declared one.
        """
        base = self.open()
        held = self._held_columns(base)
        new = [column for column in self.delta_schema.fields if column.name not in held]
        if not new:
            return base
        try:
            base.alter.add_columns(new)
        except CommitFailedError as error:
            raise LakeConflictError(str(error)) from None
        return self.open()

    def _held_columns(self, table: DeltaTable) -> set[str]:
        """The names of the columns that a version of the table holds, none of them in another type than declared.

        A column that is no longer declared stays in the files, and nobody reads it.
        """
        held = {column.name: column.type for column in table.schema().fields}
        for column in self.delta_schema.fields:
            if (type_held := held.get(column.name, column.type)) != column.type:
                raise SchemaMismatchError(
                    f"The lake's table {self.name} holds the column {column.name} as {_shown(type_held)}, and the "
                    f"declaration says {_shown(column.type)} now. Nothing was written: declare the former type again, "
                    f"or make the source's tables anew, as the README says under 'When a source changes'."
                )
        return set(held)

    def _at(self, version: int | None) -> DeltaTable:
        kind = _LocalTable if isinstance(self.storage.store, LocalStore) else DeltaTable
        return kind(self.uri, version, self.storage.delta_options)

    def _create(self) -> None:
        """Make version 0 elsewhere and put it in place, unless there is one; Delta Lake's `create` may make two."""
        with tempfile.TemporaryDirectory(prefix="dataflow-") as folder:
            DeltaTable.create(
                folder,
                self.delta_schema,
                partition_by=list(self.partition_by),
                configuration={"delta.logRetentionDuration": "interval 36500 days"},
            )
            first = (Path(folder) / _log_entry(0)).read_bytes()
        with suppress(AlreadyExistsError):
            obstore.put(self.storage.store, self._object(_log_entry(0)), first, mode="create")

    def scan(self, version: int | None = None) -> pl.LazyFrame:
        """All rows of a version (the newest where none is given), read when they are collected.

        A column that the version does not have is null.

        Raises:
            SchemaMismatchError: it holds a column in another type than the declared one.
        """
        table = self.open() if version is None else self._at(version)
        held = self._held_columns(table)
        if not table.file_uris():
            return pl.LazyFrame(schema=self.schema)
        columns = self.schema.items()
        return pl.scan_delta(table).select(
            name if name in held else pl.lit(None, dtype).alias(name) for name, dtype in columns
        )

    def sizes(self, column: str) -> dict[date, int]:
        """How many bytes the files of each day have, by a column of days that the table is partitioned by."""
        files = files_of(self.open())
        if files.is_empty():
            return {}
        return dict(files.group_by(f"partition.{column}").agg(pl.sum("size_bytes")).iter_rows())

    def changed_days(self, since: int, version: int) -> set[date]:
        """The delivery days of which one version holds other files than an older one."""
        before, after = (files_of(self._at(each)).select("path", "partition.delivery_day") for each in (since, version))
        return {day for _, day in set(before.iter_rows()) ^ set(after.iter_rows())}

    def dumps(self, version: int) -> Dumps:
        """The delivery days of a version of a snapshot's table, those without a row among them.

        Where several objects of a day have rows, each key counts once: a dump that came under two names is no larger.
        """
        is_released = pl.col("path").str.contains(f"/{_RELEASED}-", literal=True)
        by_delivery = (
            files_of(self._at(version))
            .group_by("partition.delivery_day", "partition.delivery")
            .agg(pl.sum("num_records"), is_released=is_released.any())
        )
        days = by_delivery.group_by(day="partition.delivery_day").agg(pl.sum("num_records"), pl.all("is_released"))
        rows = {day: int(count) for day, count, _ in days.iter_rows()}
        with_rows = by_delivery.filter(pl.col("num_records") > 0).get_column("partition.delivery_day")
        if not (several := with_rows.filter(with_rows.is_duplicated()).unique()).is_empty():
            rows |= self._keys(version, several)
        return Dumps(rows, frozenset(days.filter("is_released")["day"]))

    def _keys(self, version: int, days: pl.Series) -> dict[date, int]:
        """How many keys some delivery days of a version have."""
        keys = self.scan(version).filter(pl.col("delivery_day").is_in(days.implode())).select("delivery_day", *self.key)
        return dict(keys.unique().group_by("delivery_day").len().collect().iter_rows())

    def stage(self, rows: pl.DataFrame) -> Iterator[AddAction]:
        """Write rows into files that no reader sees before they are committed, and say each once it is written."""
        if rows.is_empty():
            return
        keys = rows.select(self.partition_by)
        varying = [name for name in self.partition_by if keys[name].min() != keys[name].max()]
        for part in rows.partition_by(varying) if varying else [rows]:
            yield self._write(part.select(self.partition_by).row(0, named=True), part.drop(self.partition_by))

    def stage_mark(self, delivery: Delivery, *, is_released: bool) -> AddAction:
        """Write a file without rows, by which `dumps` knows a delivery that has none, or one that was released.

        A file, because it comes and goes with the rows of the delivery's version, and every version of the table says
        of itself which there are.
        """
        values = {"delivery_day": delivery.day, "delivery": delivery.id}
        empty = pl.DataFrame(schema=self.schema).drop(self.partition_by)
        return self._write(values, empty, f"{_RELEASED if is_released else _MARK}-")

    def _write(
        self, values: Mapping[str, object], part: pl.DataFrame, prefix: str = "", *, is_new: bool = True
    ) -> AddAction:
        texts = {name: str(value) for name, value in values.items()}
        folder = "/".join(f"{name}={value}" for name, value in texts.items())
        path = f"{folder}/{prefix}{uuid.uuid4().hex}.parquet"
        buffer = io.BytesIO()
        part.write_parquet(buffer, compression="snappy")
        obstore.put(self.storage.store, self._object(path), buffer.getvalue())
        stats = json.dumps({"numRecords": part.height})
        return AddAction(path, buffer.tell(), texts, int(time.time() * 1000), data_change=is_new, stats=stats)

    def stage_merged(self, files: pl.DataFrame) -> AddAction:
        """Write the rows of some of `files_of` one partition, whose columns are equal, into one file.

        All of the rows are held at once.
        """
        read = (bytes(obstore.get(self.storage.store, self._object(path)).bytes()) for path in files["path"])
        values = files.select(pl.col(f"partition.{name}").alias(name) for name in self.partition_by).row(0, named=True)
        return self._write(values, pl.concat([pl.read_parquet(body) for body in read]), is_new=False)

    def discard(self, staged: list[AddAction]) -> None:
        """Delete staged files that no commit has taken up; a commit may have succeeded and still raised."""
        taken_up = set(pl.DataFrame(self.open().get_add_actions())["path"]) if staged else set()
        if unused := [self._object(action.path) for action in staged if action.path not in taken_up]:
            obstore.delete(self.storage.store, unused)

    def _object(self, path: str) -> str:
        return f"{PREFIX}/{self.name}/{path}"

    def commit(self, base: DeltaTable, delivery: Delivery, staged: list[AddAction], facts: Mapping[str, object]) -> int:
        """Put staged files in place of all that the delivery's object gave before; a version that holds them.

        `base` is the table as it was before the object was read; it is brought to that version. The commit carries the
        object's version and `facts`.

        Raises:
            LakeConflictError: another run committed this object after `base`.
        """
        return self._commit(base, delivery, [*_removals(files_of(base, delivery)), *staged], facts)

    def note(self, base: DeltaTable, delivery: Delivery, facts: Mapping[str, object]) -> int:
        """Commit facts of a version of the object, and leave the rows that it gave before; as `commit` does."""
        return self._commit(base, delivery, [], facts)

    def _commit(
        self,
        base: DeltaTable,
        delivery: Delivery,
        actions: list[AddAction | RemoveAction],
        facts: Mapping[str, object],
    ) -> int:
        about = {**_version_of(delivery), **facts}
        try:
            base.create_write_transaction(
                actions,
                "append",
                self.delta_schema,
                list(self.partition_by),
                commit_properties=CommitProperties(
                    custom_metadata={name: str(value) for name, value in about.items()},
                    app_transactions=[self._turn(base, delivery)],
                ),
            )
        except CommitFailedError as error:
            raise LakeConflictError(str(error)) from None
        base.update_incremental()
        return base.version()

    def exchange(self, base: DeltaTable, delivery: int, files: pl.DataFrame, merged: list[AddAction]) -> None:
        """Commit staged files in place of some of `files_of` a delivery in `base` that have the same rows.

        The delivery is given by its small key. Its turn is said once more, with the number that it has: so a commit of
        the object that follows `base` conflicts with this one, whichever comes first. Nothing else would keep it from
        removing files that are gone already, and leaving the merged ones.

        Raises:
            LakeConflictError: another run committed this object after `base`.
        """
        number = base.transaction_version(_transaction(delivery))
        assert number is not None, f"{delivery} was committed once"
        try:
            base.create_write_transaction(
                [*_removals(files, is_new=False), *merged],
                "append",
                base.schema(),
                list(self.partition_by),
                commit_properties=CommitProperties(app_transactions=[Transaction(_transaction(delivery), number)]),
            )
        except CommitFailedError as error:
            raise LakeConflictError(str(error)) from None

    def _turn(self, base: DeltaTable, delivery: Delivery) -> Transaction:
        """The object's own transaction: two commits that both follow the same one conflict, even first ones.

        Its number is the earliest version that the commit can become.
        """
        return Transaction(_transaction(delivery.id), base.version() + 1)

    def intakes(self, base: DeltaTable, delivery: Delivery) -> Iterator[tuple[int, dict[str, Any]]]:
        """The object's commits in `base`, newest first: the version that each became, and what it said."""
        while (found := self.last_intake(base, delivery))[0]:
            yield found
            base = self._at(found[0] - 1)

    def all_intakes(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """The commits of every object, oldest first: the version that each became, and what it said."""
        versions = range(1, self.open().version() + 1)  # no entry is ever cleaned up: see `_create`
        with ThreadPoolExecutor(_READERS, "log") as pool:
            for some in batched(versions, 100 * _READERS):
                told = zip(some, pool.map(self._told, some), strict=True)
                yield from ((version, about) for version, about in told if "object" in about)

    def last_intake(self, base: DeltaTable, delivery: Delivery) -> tuple[int, dict[str, Any]]:
        """The version that the object's last commit in `base` became, and what it said; 0 and nothing without one."""
        earliest = base.transaction_version(_transaction(delivery.id)) or base.version() + 1
        told = ((version, self._told(version)) for version in range(earliest, base.version() + 1))
        of_object = ((version, about) for version, about in told if about.get("object") == delivery.object)
        return next(of_object, (0, {}))

    def _told(self, version: int) -> dict[str, Any]:
        """What the commit of a version says of itself."""
        entry = obstore.get(self.storage.store, self._object(_log_entry(version))).bytes()
        actions = [json.loads(line) for line in bytes(entry).splitlines()]
        return dict(*(action["commitInfo"] for action in actions if "commitInfo" in action))


class _LocalTable(DeltaTable):
    """A table in a local folder: Delta Lake encodes its paths like URLs, and Polars takes them as they are."""

    def file_uris(self, *args: Any, **kwargs: Any) -> list[str]:
        return [unquote(uri) for uri in super().file_uris(*args, **kwargs)]


def _shown(delta_type: object) -> str:
    """A type of Delta Lake as its own documentation spells it: `long`, `decimal(10,2)`, `timestamp`."""
    return delta_type.type if isinstance(delta_type, PrimitiveType) else str(delta_type)


def _log_entry(version: int) -> str:
    return f"_delta_log/{version:020}.json"


def _transaction(delivery: int) -> str:
    return f"delivery-{delivery}"


def _version_of(delivery: Delivery) -> dict[str, object]:
    return {
        "object": delivery.object,
        "etag": delivery.etag,
        "size": delivery.size,
        "last_modified": delivery.last_modified.isoformat(),
        "object_version": delivery.version or "",
    }


def files_of(table: DeltaTable, delivery: Delivery | None = None) -> pl.DataFrame:
    """The data files of a version of a table, of one delivery's object or of all: path, num_records, partition.*."""
    files = pl.DataFrame(table.get_add_actions(flatten=True))
    return files if delivery is None else files.filter(pl.col("partition.delivery") == delivery.id)


def rows_of(table: DeltaTable, delivery: Delivery) -> int:
    """How many rows the delivery's object has in a version of a table."""
    return int(files_of(table, delivery)["num_records"].sum())


def staged_rows(staged: Iterable[AddAction]) -> int:
    """How many rows were written into staged files."""
    return sum(json.loads(action.stats)["numRecords"] for action in staged)


def _removals(files: pl.DataFrame, *, is_new: bool = True) -> list[RemoveAction]:
    """The actions that take some of `files_of` out of a table, for new rows or for the same ones elsewhere."""
    now = int(time.time() * 1000)
    keys = [name for name in files.columns if name.startswith("partition.")]
    return [
        RemoveAction(
            row["path"],
            data_change=is_new,
            deletion_timestamp=now,
            size=row["size_bytes"],
            partition_values={name.removeprefix("partition."): str(row[name]) for name in keys},
        )
        for row in files.iter_rows(named=True)
    ]


def rows_table(storage: Storage, source: Source) -> LakeTable:
    """The table of a source's accepted rows: its columns, then where each row came from.

    `position` numbers the rows of an object, `object` is its key, `delivery` its small key, `delivery_day`
    the day it was delivered; an event has `event_date` too, the UTC date of its event time. Delta Lake has no sets of
    texts: those are texts.
    """
    origin = {POSITION: pl.Int64(), "object": pl.String(), "delivery_day": pl.Date(), "delivery": pl.Int64()}
    if isinstance(source, Events):
        origin["event_date"] = pl.Date()
    typed = source.schema.create_empty().schema
    texts = {name: pl.String() for name, dtype in typed.items() if isinstance(dtype, pl.Enum | pl.Categorical)}
    schema = pl.Schema({**typed, **texts, **origin})
    partition_by = tuple(name for name in ("delivery_day", "event_date", "delivery") if name in schema)
    return LakeTable(storage, source.name, schema, partition_by, source.key)


def rejects_table(storage: Storage) -> LakeTable:
    """The table of the rejected rows of every source."""
    return LakeTable(storage, "rejects", REJECTS, ("source", "delivery_day", "delivery"))


def read_rejects(storage: Storage, source: str | None) -> list[dict[str, Any]]:
    """The rejected rows of one source or of all: source, delivery_day, object, line, code, message, raw and run."""
    rows = rejects_table(storage).scan()
    if source is not None:
        rows = rows.filter(pl.col("source") == source)
    columns = ["source", "delivery_day", "object", "line", "code", "message", "raw", "run"]
    return rows.select(columns).sort("source", "delivery_day", "object", "line").collect().to_dicts()


def with_origin(rows: pl.DataFrame, delivery: Delivery, source: Source) -> pl.DataFrame:
    """Add to accepted rows the columns that say where they came from; what is stored as texts becomes texts."""
    origin = [
        (cs.enum() | cs.categorical()).cast(pl.String),
        pl.lit(delivery.object).alias("object"),
        pl.lit(delivery.day).alias("delivery_day"),
        pl.lit(delivery.id, pl.Int64).alias("delivery"),
    ]
    if isinstance(source, Events):
        origin.append(pl.col(source.event_time).dt.date().alias("event_date"))
    return rows.with_columns(origin)
