"""Rows of another database, as Parquet.

Here: which days are over and not brought, and bringing one. Not here: what a declaration says of the query (see
`sources.origins.query`), and how rows are read (see `query.adbc` and `query.sqlite`).

Rows come as Arrow batches and are written batch by batch, all of a day in one statement: so they are of one moment.
"""

import re
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import ClassVar

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from adbc_driver_manager import Error as AdbcError

from dataflow_assets.collectors.base import CollectError, Collector, Record, Remote, Sink, UnreachableError
from dataflow_assets.collectors.files import secret_of
from dataflow_assets.collectors.query.adbc import read_adbc
from dataflow_assets.collectors.query.sqlite import read_sqlite
from dataflow_assets.core.time_windows import Window, day_of
from dataflow_assets.postgres.failures import LOST_CONNECTION, is_transient_failure
from dataflow_assets.setting_values import require_whole_password
from dataflow_assets.sources.origins.base import Origin
from dataflow_assets.sources.origins.query import Query

_PASSING = ("SQLITE_BUSY", "SQLITE_CANTOPEN", "SQLITE_IOERR", "SQLITE_LOCKED")
_PASSWORD = re.compile(r":([^\s:@/]+)@")
_BROUGHT = "brought"  # the only version of a day that is over


class QueryCollector(Collector[Query]):
    """Brings the rows of a query, of each day or as a snapshot of today."""

    origin_type: ClassVar[type[Origin]] = Query

    def check(self) -> str:
        """Connect, and look which columns there are."""
        with self._batches(f"SELECT * FROM ({self._query}\n) AS asked LIMIT 0") as rows:  # noqa: S608
            columns = rows.schema.names
        if self.origin.by_day and self.origin.by_day not in columns:
            raise CollectError(f"The query on {self.origin.address} has no column {self.origin.by_day}.")
        return f"{self.origin.address} has the columns {', '.join(columns)} for {self.source.name}."

    def find(self, record: Record) -> Iterable[Remote]:
        """The days that are over and not brought, or today."""
        name = self.source.name
        days = {f"{name}/{day}": day for day in self._days()}
        known = record.read(list(days))
        return [
            Remote(path=path, version=_BROUGHT, name=f"{name}.parquet", day=day)
            for path, day in days.items()
            if path not in known or known[path].version is None
        ]

    def _days(self) -> Iterator[date]:
        if self.origin.first_day is None:
            yield day_of(datetime.now(UTC), self.timezone)
            return
        day, settled = self.origin.first_day, datetime.now(UTC) - timedelta(hours=self.origin.settle_hours)
        while Window.of_day(day, self.timezone).end <= settled:
            yield day
            day += timedelta(days=1)

    def bring(self, wanted: Sequence[Remote], sink: Sink) -> None:
        """Bring day by day."""
        for remote in wanted:
            assert remote.day
            with tempfile.NamedTemporaryFile(prefix="dataflow-", suffix=".parquet") as file:
                with (
                    self._batches(self._statement(remote.day)) as rows,
                    pq.ParquetWriter(file.name, rows.schema, compression="zstd") as writer,
                ):
                    for batch in rows:
                        writer.write_batch(batch)
                sink.land(remote, Path(file.name))

    @property
    def _query(self) -> str:
        return self.origin.query.strip().rstrip(";")

    def _statement(self, day: date) -> str:
        column = self.origin.by_day
        if column is None:
            return self._query
        # Days are written by us, and the column is an identifier: nothing else can stand here. Each database takes a
        # day in quotes for what the column is: a date, an instant at midnight, or a text that begins so.
        window = f""""{column}" >= '{day}' AND "{column}" < '{day + timedelta(days=1)}'"""
        return f"SELECT * FROM ({self._query}\n) AS asked WHERE {window}"  # noqa: S608

    @contextmanager
    def _batches(self, statement: str) -> Iterator[pa.RecordBatchReader]:
        """The rows of a statement, as they come.

        Raises:
            UnreachableError: the database does not answer, the connection was lost, or others are in the way.
            CollectError: it refuses the statement, its address is none that is known, or values would be others.
        """
        url = secret_of(self.origin, "database") or ""
        scheme = url.partition(":")[0]
        where = self.origin.address
        try:
            require_whole_password(url)
        except ValueError as error:
            raise CollectError(f"The address of {where} {error}.") from None
        try:
            if scheme in ("postgresql", "postgres", "adbc"):
                with read_adbc(where, url, statement, self.timezone) as rows:
                    yield rows
            elif scheme == "duckdb":
                with duckdb.connect(url.removeprefix("duckdb://"), read_only=True) as database:
                    database.execute(f"SET TimeZone = '{self.timezone}'")
                    found = database.execute(statement).to_arrow_reader()
                    yield pa.RecordBatchReader.from_batches(found.schema, _of_duckdb(found))
            elif scheme == "sqlite":
                with read_sqlite(Path(url.removeprefix("sqlite://")), statement, self.source.schema.columns()) as rows:
                    yield rows
            else:
                raise CollectError(
                    f"{where} is none that can be asked: its address begins postgresql://, duckdb:///, sqlite:/// or "
                    "adbc:DRIVER:."
                )
        except AdbcError as error:
            raise _explain(where, _without_password(str(error), url), error) from None
        except (duckdb.Error, sqlite3.Error) as error:
            raise _explain_file(where, error) from None
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            said = str(error).splitlines()[0]
            raise CollectError(f"{where} gives what Parquet cannot hold; cast it in the query: {said}") from None


def _of_duckdb(rows: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    """The rows, of which a late failure is told as an early one: Arrow makes it one of the system."""
    try:
        yield from rows
    except OSError as error:
        kind = duckdb.IOException if str(error).startswith("IO Error") else duckdb.Error
        raise kind(str(error)) from None


def _without_password(said: str, url: str) -> str:
    """What a driver says, without the password of an address that is none of a URL, such as `me:password@account`."""
    found = _PASSWORD.search(url)
    return said.replace(found[1], "********") if found else said


def _explain_file(where: str, error: duckdb.Error | sqlite3.Error) -> CollectError:
    said = str(error).splitlines()[0]
    if isinstance(error, duckdb.IOException) or getattr(error, "sqlite_errorname", "") in _PASSING:
        return UnreachableError(f"{where} cannot be opened ({said}).")
    return CollectError(f"{where} refuses the query: {said}")


def _explain(where: str, said: str, error: AdbcError) -> CollectError:
    sentence = said.splitlines()[0].strip() if said else "no reason given"
    if error.sqlstate is None or error.sqlstate.startswith(LOST_CONNECTION):
        return UnreachableError(f"{where} does not answer ({sentence}).")
    if is_transient_failure(error):
        return UnreachableError(f"{where} cannot answer the query for now ({sentence}).")
    return CollectError(f"{where} refuses the query: {sentence}")


COLLECTOR = QueryCollector
