"""The rows of statements that a user wrote, as text that the server itself writes: CSV, or JSON.

Of what the server writes each row is handed on as it comes, so that memory stays flat and most of the work is the
server's. What cannot be run so (SHOW, EXPLAIN, what may be several statements, JSON of two columns of one name) is left
to `query.stream_query`.

Here: asking for the text, under the same guards as any statement of a user. Not here: those guards (see `guards`), and
where the text goes.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg2
from psycopg2 import extensions

from dataflow_assets.postgres.brief import connect_briefly
from dataflow_assets.warehouse.guards import LONGEST, guard, is_streamed, refusal

Write = Callable[[bytes], object]

# Every value as psql shows it in UTC, whatever the role's own settings are.
_FORMS = "SET LOCAL timezone = 'UTC'; SET LOCAL datestyle = 'ISO'; SET LOCAL intervalstyle = 'iso_8601'"
_CSV = "(FORMAT csv, HEADER)"
# What row_to_json gives has no control character but blanks, so none is quoted, and nothing stands twice.
_JSON = r"(FORMAT csv, QUOTE E'\x01', ESCAPE E'\x01', DELIMITER E'\x02')"


class _Sink:
    """What psycopg2 takes for a file: it is written to, a row at a time."""

    def __init__(self, write: Write) -> None:
        self.write = write


def copy_csv(url: str, statement: str, write: Write, seconds: int = LONGEST) -> bool:
    """Run one statement that reads, and write its rows as CSV with a header, in UTF-8.

    Args:
        url: the database.
        statement: in SQL.
        write: takes the header and each row, with its line end.
        seconds: after which the server ends the statement.

    Returns:
        Whether it can be run so; nothing is written otherwise.

    Raises:
        QueryError: the server refused it, or ended it while its rows were written.
        WarehouseUnavailableError: the server does not answer.
    """
    if not is_streamed(statement):
        return False
    with connect_briefly(url) as session, session.cursor() as cursor:
        text = _prepared(cursor, statement, seconds)[0]
        _copy(cursor, f"COPY (\n{text}) TO STDOUT {_CSV}", write)
    return True


def copy_json(url: str, statement: str, write: Write, seconds: int = LONGEST) -> bool:
    """Run one statement that reads, and write each row as an object of JSON, in UTF-8, with a line end.

    Numbers have the digits that the database has, `jsonb` is JSON. The arguments are those of `copy_csv`, and so are
    what is returned and raised.
    """
    if not is_streamed(statement):
        return False
    with connect_briefly(url) as session, session.cursor() as cursor:
        text, names = _prepared(cursor, statement, seconds)
        if len(set(names)) < len(names):
            return False
        asked = f"COPY (SELECT row_to_json(q) FROM (\n{text}) AS q) TO STDOUT {_JSON}"  # noqa: S608
        _copy(cursor, asked, lambda row: write(row.replace(b"\x01", b"")))
    return True


def _prepared(cursor: extensions.cursor, statement: str, seconds: int) -> tuple[str, Sequence[str]]:
    """The statement without what ends it, its transaction guarded, and the names of its columns.

    It is looked at alone first, so that what is wrong is said of it, and so that its locks are held: COPY takes its
    snapshot before them, and having waited for a swap would find no rows.
    """
    text = statement.rstrip().removesuffix(";") + "\n"  # which ends a comment
    with _refusals(ahead=1):
        guard(lambda command: _rows(cursor, command), seconds)
        cursor.execute(_FORMS)
        cursor.execute(f"SELECT * FROM (\n{text}) AS q LIMIT 0")  # noqa: S608
    return text, [column.name for column in cursor.description or ()]


def _copy(cursor: extensions.cursor, command: str, write: Write) -> None:
    with _refusals(ahead=1):
        cursor.copy_expert(command, _Sink(write))


def _rows(cursor: extensions.cursor, command: str) -> list[tuple[Any, ...]]:
    cursor.execute(command)
    return cursor.fetchall() if cursor.description else []


@contextmanager
def _refusals(ahead: int) -> Iterator[None]:
    """Say what the server refused; so many lines stand ahead of the user's statement."""
    try:
        yield
    except psycopg2.Error as error:
        raise refusal(error, ahead) from None
