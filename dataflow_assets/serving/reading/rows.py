"""The rows of a selection, as Arrow batches.

Here: all of them as a stream, or one page. Not here: what they look like to a reader (see `formats`).

A batch has the columns of the selection; decimal numbers, ids and JSON are texts in it. A stream is one statement, and
so sees one state of the table; as any reader does, it keeps the days that it reads from being swapped until it ends.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial

import pyarrow as pa

from dataflow_assets.ledger.event_days import read_day_counts
from dataflow_assets.postgres.connection import AdbcError, Connection
from dataflow_assets.postgres.failures import is_timeout
from dataflow_assets.postgres.sql import WITHOUT_COPY, execute
from dataflow_assets.serving.reading.cursors import read_cursor, write_cursor
from dataflow_assets.serving.reading.parameters import Selection
from dataflow_assets.serving.reading.sessions import LONGEST, Sessions
from dataflow_assets.serving.reading.statements import Days, days_of, select_all, select_page
from dataflow_assets.serving.reading.windows import windows
from dataflow_assets.serving.refusals import UnusableError
from dataflow_assets.sources.base import Events
from dataflow_assets.warehouse.guards import explain_refusal

_SMALL_BATCHES = {"adbc.postgresql.batch_size_hint_bytes": str(1024 * 1024)}
_FAULTS_OF_VALUES = "22"  # the class of SQLSTATE

_Statement = Callable[[int], str]  # of how many rows are wanted


@dataclass(frozen=True)
class Page:
    """Some rows, and the cursor behind the last one where others follow."""

    batches: list[pa.RecordBatch]
    next_cursor: str | None


def stream_rows(sessions: Sessions, selection: Selection, timezone: str) -> Generator[pa.RecordBatch, None, None]:
    """All rows of a selection, in batches of some megabytes, each read from the server when it is asked for.

    Raises:
        UnusableError: the server refused a value, or did not finish in time.
        WarehouseUnavailableError: the server went away.
    """
    statement = select_all(selection, timezone)
    with sessions.take() as connection, _refusals():
        # COPY takes its snapshot before its locks: having waited for a swap, it would find a day without rows. To
        # plan the statement takes the same locks, which stay until the transaction ends.
        execute(connection, f"EXPLAIN {statement}")
        with connection.cursor() as cursor:
            cursor.adbc_statement.set_options(**_SMALL_BATCHES)
            cursor.execute(statement)
            for batch in cursor.fetch_record_batch():
                yield _plain(batch, selection)


def read_page(sessions: Sessions, selection: Selection, timezone: str, secret: bytes) -> Page:
    """The first rows of a selection behind its cursor, as many as its limit says; the secret is that of cursors.

    Raises:
        UnusableError: the cursor is not the selection's, or as of `stream_rows`.
        WarehouseUnavailableError: the server does not answer.
    """
    assert selection.limit
    after = None if selection.cursor is None else read_cursor(selection, secret)
    tables: list[pa.Table] = []
    missing = selection.limit + 1  # the one more tells whether others follow
    with sessions.take() as connection, _refusals():
        for statement in _statements(connection, selection, after, timezone):
            if missing <= 0:
                break
            found = _read(connection, statement(missing))
            tables.append(found)
            missing -= found.num_rows
    if not tables:
        return Page([], None)
    rows, last = pa.concat_tables(tables), None
    if rows.num_rows > selection.limit:
        rows = rows.slice(0, selection.limit)
        keys = rows.slice(selection.limit - 1).columns[len(selection.columns) :]
        last = write_cursor(selection, [key[0].as_py() for key in keys], secret)
    batches = [_plain(batch, selection) for batch in rows.to_batches()]
    return Page(batches, last)


def _statements(
    connection: Connection, selection: Selection, after: Sequence[str | None] | None, timezone: str
) -> Iterator[_Statement]:
    """The statements that give a page's rows, one after the other."""
    source, days = selection.relation.of, days_of(selection, timezone)
    first, *others = selection.order
    if not isinstance(source, Events) or first.name != selection.relation.day:
        yield partial(select_page, selection, days, order=selection.order, after=after)
        return
    if after is not None:
        day = date.fromisoformat(str(after[0]))
        yield partial(select_page, selection, (day, day), order=others, after=after[1:])
        days = _beyond(days, day, is_descending=first.is_descending)
    counts = read_day_counts(connection, source, *days) if days[0] <= days[1] else []
    for window in windows(reversed(counts) if first.is_descending else counts):
        is_one_day = window[0] == window[1]
        yield partial(select_page, selection, window, order=others if is_one_day else selection.order)


def _beyond(days: Days, day: date, *, is_descending: bool) -> Days:
    """The days among some that come after one; none is a range that ends before it begins."""
    with suppress(OverflowError):
        first, last = days
        return (first, day - timedelta(days=1)) if is_descending else (day + timedelta(days=1), last)
    return date.max, date.min


def _read(connection: Connection, statement: str) -> pa.Table:
    with connection.cursor() as cursor:
        cursor.adbc_statement.set_options(**WITHOUT_COPY)
        cursor.execute(statement)
        return cursor.fetch_arrow_table()


def _plain(batch: pa.RecordBatch, selection: Selection) -> pa.RecordBatch:
    """The columns of the selection alone, without what the driver says of them."""
    names = [column.name for column in selection.columns]
    return pa.RecordBatch.from_arrays(batch.columns[: len(names)], names=names)


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except (AdbcError, pa.ArrowException, OSError) as error:  # the last two in the middle of a stream
        if is_timeout(error):
            too_long = f"The rows were not read within {LONGEST} seconds: ask for fewer days, or without an order."
            raise UnusableError(too_long) from None
        if isinstance(error, AdbcError) and (error.sqlstate or "").startswith(_FAULTS_OF_VALUES):
            raise UnusableError(f"The database refused a value: {explain_refusal(error)}.") from None
        raise
