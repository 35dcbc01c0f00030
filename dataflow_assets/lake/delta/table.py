"""A Delta table: where it lies, which columns it has, how it is made, opened and scanned.

Here: the folder of a table, its columns and how they follow a declaration, its versions and their files, and which
tables the lake has. Not here: whether a version fits the declaration (see `declared`), writing files and
committing them (see `commit`), what commits say (see `commit_log`), and how rows are made (see `staging`).
"""

import tempfile
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import obstore
import polars as pl
from deltalake import DeltaTable, Schema
from deltalake.exceptions import CommitFailedError, TableNotFoundError
from obstore.exceptions import AlreadyExistsError
from obstore.store import LocalStore

from dataflow_assets.lake.delta.declared import EVENT_TIME, existing_columns, type_name
from dataflow_assets.lake.delta.opened import OpenedTable
from dataflow_assets.lake.validation.validate import POSITION
from dataflow_assets.landing.storage import Storage
from dataflow_assets.sources.base import Events, Source

PREFIX = "lake"
# Whoever opens a table reads the commits since its last checkpoint, one by one; those before it are kept all the same.
_CONFIGURATION = {"delta.logRetentionDuration": "interval 36500 days", "delta.checkpointInterval": "20"}
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


class LakeConflictError(Exception):
    """Another run committed the same slice, or other columns, first; read the table again."""


@dataclass(frozen=True)
class LakeTable:
    """One Delta table of a lake, in a folder of a storage.

    `folder` is relative to the storage. `schema` are the declared columns. Files are partitioned by the columns
    `partition_by`. `key` are the columns that tell the rows of a source apart. `event_time` is the declared column of
    which `event_date` is the UTC date, by which the rows of a day are found.
    """

    storage: Storage
    folder: str
    schema: pl.Schema
    partition_by: tuple[str, ...]
    key: tuple[str, ...] = ()
    event_time: str | None = None

    @property
    def name(self) -> str:
        """The last part of the folder."""
        return self.folder.rsplit("/", 1)[-1]

    @property
    def uri(self) -> str:
        """Where the table lies, for any reader of Delta Lake."""
        return f"{self.storage.uri}/{self.folder}"

    @cached_property
    def delta_schema(self) -> Schema:
        """The table's columns as Delta Lake names them."""
        return _delta_schema(self.schema)

    def object_key(self, path: str) -> str:
        """The key in the object store of a path within the table."""
        return f"{self.folder}/{path}"

    def is_made(self) -> bool:
        """Whether there is a version of the table."""
        try:
            self.open_version(None)
        except TableNotFoundError:
            return False
        return True

    def open(self) -> OpenedTable:
        """The table at its newest version, made empty where there is none."""
        try:
            return self.open_version(None)
        except TableNotFoundError:
            self._create()
            return self.open_version(None)

    def open_to_write(self) -> DeltaTable:
        """The table at its newest version, with every declared column; rows from before have nulls in a new one.

        A table that does not say yet of which time its dates are says so from now on.

        Raises:
            LakeConflictError: another run changed the table at the same time.
            SchemaMismatchError: what it holds does not fit the declaration (see `require_declared`).
        """
        base = self.open()
        existing = self._columns_of(base)
        new = [column for column in self.delta_schema.fields if column.name not in existing]
        wanted = self._properties
        is_marked = wanted.items() <= base.metadata().configuration.items()
        try:
            if new:
                base.alter.add_columns(new)
            if not is_marked:
                base.alter.set_table_properties(wanted, raise_if_not_exists=False)
        except CommitFailedError as error:
            raise LakeConflictError(str(error)) from None
        return base if is_marked and not new else self.open()

    def open_version(self, version: int | None) -> OpenedTable:
        """The table at a version; the newest where none is given.

        Raises:
            TableNotFoundError: there is no table.
        """
        table = OpenedTable(self.uri, version, self.storage.delta_options)
        table.is_local = isinstance(self.storage.store, LocalStore)
        return table

    def require_declared(self) -> None:
        """Check that what the newest version holds, if there is one, fits the declaration.

        Raises:
            SchemaMismatchError: a column is of another type, or the dates are those of another time, than is declared.
        """
        with suppress(TableNotFoundError):
            self._columns_of(self.open_version(None))

    def _columns_of(self, opened: OpenedTable) -> set[str]:
        return existing_columns(self.name, opened, self.delta_schema, self.event_time)

    @property
    def _properties(self) -> dict[str, str]:
        """What the table says of itself beside its columns."""
        return {EVENT_TIME: self.event_time} if self.event_time else {}

    def _create(self) -> None:
        """Make version 0 elsewhere and put it in place, unless there is one; Delta Lake's `create` may make two."""
        with tempfile.TemporaryDirectory(prefix="dataflow-") as folder:
            DeltaTable.create(
                folder,
                self.delta_schema,
                partition_by=list(self.partition_by),
                configuration={**_CONFIGURATION, **self._properties},
                raise_if_key_not_exists=False,
            )
            first = (Path(folder) / log_entry(0)).read_bytes()
        with suppress(AlreadyExistsError):
            obstore.put(self.storage.store, self.object_key(log_entry(0)), first, mode="create")

    def scan(self, version: int | None = None, dates: tuple[date, date] | None = None) -> pl.LazyFrame:
        """All rows of a version, read when they are collected; a column that the version does not have is null.

        Args:
            version: the newest where none is given.
            dates: the first and the last `event_date` of the rows that are wanted. Each look at all files of many years
                takes longer than to read a day.

        Raises:
            SchemaMismatchError: what it holds does not fit the declaration (see `require_declared`).
        """
        return self.scan_opened(self.open() if version is None else self.open_version(version), dates)

    def scan_opened(self, opened: OpenedTable, dates: tuple[date, date] | None = None) -> pl.LazyFrame:
        """The same as `scan` of a version that is open."""
        existing = self._columns_of(opened)
        table = opened.of_dates(*dates) if dates else opened
        if not table.file_uris():
            return pl.LazyFrame(schema=self.schema)
        columns = self.schema.items()
        return pl.scan_delta(table).select(
            name if name in existing else pl.lit(None, dtype).alias(name) for name, dtype in columns
        )

    def sizes(self, column: str) -> dict[date, int]:
        """How many bytes the files of each day have, by a column of days that the table is partitioned by."""
        files = list_files(self.open())
        if files.is_empty():
            return {}
        return dict(files.group_by(f"partition.{column}").agg(pl.sum("size_bytes")).iter_rows())

    def changed_rows(self, since: int, version: int) -> pl.LazyFrame:
        """The key's columns and `object` of the rows in files that one version has and an older one has not, or had."""
        files = (list_files(self.open_version(each)).select("path", "partition.delivery") for each in (since, version))
        before, after = (set(one.iter_rows()) for one in files)
        deliveries = sorted({delivery for _, delivery in before ^ after})
        rows = (self.scan(each).filter(pl.col("delivery").is_in(deliveries)) for each in (since, version))
        return pl.concat([one.select(*self.key, "object") for one in rows])

    def changed_days(self, since: int, version: int) -> set[date]:
        """The delivery days of which one version holds other files than an older one."""
        before, after = (
            list_files(self.open_version(each)).select("path", "partition.delivery_day") for each in (since, version)
        )
        return {day for _, day in set(before.iter_rows()) ^ set(after.iter_rows())}


def _delta_schema(schema: pl.Schema) -> Schema:
    return Schema.from_arrow(pl.DataFrame(schema=schema).to_arrow().schema)


def type_names(schema: pl.Schema) -> dict[str, str]:
    """The type of Delta Lake that each column of a table has."""
    return {field.name: type_name(field.type) for field in _delta_schema(schema).fields}


def log_entry(version: int) -> str:
    """The path within a table of the log entry of a version."""
    return f"_delta_log/{version:020}.json"


def list_files(table: DeltaTable, delivery: int | None = None) -> pl.DataFrame:
    """The data files of a version of a table: path, size_bytes, num_records and `partition.<column>` for each column.

    Args:
        table: at that version.
        delivery: the small key of a delivery's object; None for the files of all.
    """
    files = pl.DataFrame(table.get_add_actions(flatten=True))
    return files if delivery is None else files.filter(pl.col("partition.delivery") == delivery)


def count_rows_by_delivery(table: DeltaTable) -> dict[int, int]:
    """How many rows each object, given by its small key, has in a version of a table, if it has any."""
    return dict(list_files(table).group_by("partition.delivery").agg(pl.sum("num_records")).iter_rows())


def rows_table(storage: Storage, source: Source) -> LakeTable:
    """The table of a source's accepted rows."""
    schema = rows_schema(source)
    partition_by = tuple(name for name in ("delivery_day", "event_date", "delivery") if name in schema)
    event_time = source.event_time if isinstance(source, Events) else None
    return LakeTable(storage, f"{PREFIX}/{source.name}", schema, partition_by, source.key, event_time)


def rows_schema(source: Source) -> pl.Schema:
    """The columns of a source's accepted rows, then where each row came from.

    `position` numbers the rows of an object, `object` is its key, `delivery` its small key, `delivery_day`
    the day it was delivered; an event has `event_date` too, the UTC date of its event time. Delta Lake has no sets of
    texts: those are texts.
    """
    origin = {POSITION: pl.Int64(), "object": pl.String(), "delivery_day": pl.Date(), "delivery": pl.Int64()}
    if isinstance(source, Events):
        origin["event_date"] = pl.Date()
    typed = source.schema.create_empty().schema
    texts = {name: pl.String() for name, dtype in typed.items() if isinstance(dtype, pl.Enum | pl.Categorical)}
    return pl.Schema({**typed, **texts, **origin})


def rejects_table(storage: Storage) -> LakeTable:
    """The table of the rejected rows of every source."""
    return LakeTable(storage, f"{PREFIX}/rejects", REJECTS, ("source", "delivery_day", "delivery"))


def read_rejects(storage: Storage, source: str | None) -> list[dict[str, Any]]:
    """The rejected rows of one source or of all: source, delivery_day, object, line, code, message, raw and run."""
    rows = rejects_table(storage).scan()
    if source is not None:
        rows = rows.filter(pl.col("source") == source)
    columns = ["source", "delivery_day", "object", "line", "code", "message", "raw", "run"]
    return rows.select(columns).sort("source", "delivery_day", "object", "line").collect().to_dicts()
