"""Statements that a user wrote.

Here: running one without letting it change anything. Not here: how a result is printed, and what the platform itself
asks (see `scan`).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import adbc_driver_postgresql.dbapi as adbc
import pyarrow as pa

from dataflow_assets.core.formatting import plain
from dataflow_assets.errors import QueryError
from dataflow_assets.postgres.connection import AdbcError, unavailable
from dataflow_assets.postgres.sql import WITHOUT_COPY

# The server itself refuses changes: the session is read-only, the transaction is open before the statement
# runs, and the protocol in use takes one statement at a time, so that none can end it.
_READ_ONLY = "options=-c%20default_transaction_read_only%3Don"

# But it lets through what goes past its tables, such as COPY TO PROGRAM of a superuser. So the first word is looked at.
_SPACE = re.compile(r"(?:[\s(]|--[^\n\r]*|/\*(?:(?!/\*|\*/).)*\*/)*", re.DOTALL)
_READING = ("SELECT", "WITH", "VALUES", "TABLE", "SHOW", "EXPLAIN")
_REFUSED_BY_THE_SERVER = ("INSERT", "UPDATE", "DELETE", "MERGE")


@dataclass(frozen=True)
class Result:
    """The columns of a result, by name (a name may stand twice), and its rows."""

    columns: list[str]
    rows: list[tuple[Any, ...]]

    def records(self) -> list[dict[str, Any]]:
        """The rows as objects that JSON can hold; of equal names the last one counts."""
        return [{name: plain(value) for name, value in zip(self.columns, row, strict=True)} for row in self.rows]


def run_query(url: str, statement: str) -> Result:
    """Run one statement that reads.

    Raises:
        QueryError: the server refused it: it changes something, is more than one, or is not SQL.
        WarehouseUnavailableError: the server does not answer.
    """
    _require_reading(statement)
    try:
        connection = adbc.connect(f"{url}{'&' if '?' in url else '?'}{_READ_ONLY}", autocommit=False)
    except AdbcError as error:
        raise unavailable(url, error) from None
    try:
        with connection.cursor() as cursor:
            cursor.adbc_statement.set_options(**WITHOUT_COPY)
            cursor.execute(statement)
            table = cursor.fetch_arrow_table()
    except (AdbcError, pa.ArrowException) as error:
        raise QueryError(f"The database refused the statement: {explain_refusal(error)}.") from None
    finally:
        connection.close()
    columns = [_values(name, column) for name, column in zip(table.column_names, table.columns, strict=True)]
    return Result(table.column_names, list(zip(*columns, strict=True)))


def _require_reading(statement: str) -> None:
    space = _SPACE.match(statement)
    assert space
    if not statement[space.end() :].upper().startswith(_READING + _REFUSED_BY_THE_SERVER):
        raise QueryError(f"Only one statement that reads can be run: it begins with {', '.join(_READING)}.")


def _values(name: str, column: pa.ChunkedArray) -> list[Any]:
    """The values of a column as Python has them; intervals as texts in ISO 8601."""
    kind = column.type.value_type if pa.types.is_list(column.type) else column.type
    convert: Callable[[Any], Any] | None = None
    if isinstance(kind, pa.OpaqueType):
        if not pa.types.is_string(kind.storage_type):
            raise QueryError(f'Values of type {kind.type_name} cannot be shown: cast the column "{name}" to text.')
        convert = Decimal  # numbers of any precision come as text
    elif pa.types.is_interval(kind):
        convert = _iso
    try:
        values = column.to_pylist()
    except (OverflowError, ValueError):
        raise QueryError(f'The column "{name}" has a time beyond the years 1 to 9999: cast it to text.') from None
    return values if convert is None else [_converted(value, convert) for value in values]


def _converted(value: Any, convert: Callable[[Any], Any]) -> Any:
    if isinstance(value, list):
        return [_converted(item, convert) for item in value]
    return None if value is None else convert(value)


def _iso(interval: pa.MonthDayNano) -> str:
    seconds = Decimal(interval.nanoseconds) / 1_000_000_000
    return f"P{interval.months}M{interval.days}DT{seconds.normalize():f}S"


def explain_refusal(error: Exception) -> str:
    """What the server said, without what the driver puts around it."""
    text = re.split(r"(?:ERROR|FATAL):", str(error), maxsplit=1)[-1].split("\n\nQuery was:", 1)[0]
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith(". SQLSTATE")]
    detail = f" ({lines[1]})" if len(lines) > 1 and lines[1].startswith("LINE") else ""
    return f"{lines[0].removesuffix('.') if lines else 'without a word'}{detail}"
