"""Statements that a user wrote.

Here: running one without letting it change anything, and its values as JSON can hold them. Not here: how
a result is printed, and what the platform itself asks (see `reading`).
"""

from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import adbc_driver_postgresql.dbapi as adbc

from dataflow_assets.errors import QueryError
from dataflow_assets.warehouse.database import AdbcError, unavailable

# The server itself refuses changes: the session is read-only, the transaction is open before the statement
# runs, and the protocol in use takes one statement at a time, so that none can end it.
_READ_ONLY = "options=-c%20default_transaction_read_only%3Don"


@dataclass(frozen=True)
class Result:
    """The columns of a result, by name (a name may stand twice), and its rows."""

    columns: list[str]
    rows: list[tuple[Any, ...]]

    def records(self) -> list[dict[str, Any]]:
        """The rows as objects that JSON can hold; of equal names the last one counts."""
        return [{name: _plain(value) for name, value in zip(self.columns, row, strict=True)} for row in self.rows]


def run_query(url: str, statement: str) -> Result:
    """Run one statement that reads.

    Raises:
        QueryError: the server refused it: it changes something, is more than one, or is not SQL.
        WarehouseUnavailableError: the server does not answer.
    """
    try:
        connection = adbc.connect(f"{url}{'&' if '?' in url else '?'}{_READ_ONLY}", autocommit=False)
    except AdbcError as error:
        raise unavailable(url, error) from None
    try:
        with connection.cursor() as cursor:
            cursor.adbc_statement.set_options(**{"adbc.postgresql.use_copy": "false"})
            cursor.execute(statement)
            table = cursor.fetch_arrow_table()
            kinds = [str(getattr(field.type, "type_name", "")) for field in table.schema]
            columns = [_typed(column.to_pylist(), kind) for column, kind in zip(table.columns, kinds, strict=True)]
            return Result(table.column_names, list(zip(*columns, strict=True)))
    except AdbcError as error:
        raise QueryError(_explain(error)) from None
    finally:
        connection.close()


def _typed(values: list[Any], kind: str) -> list[Any]:
    """Numbers of any precision come as text."""
    return [None if value is None else Decimal(value) for value in values] if kind == "numeric" else values


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        if not value.is_finite():
            return str(value)
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):  # noqa: PLR0124
        return str(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _explain(error: AdbcError) -> str:
    """What the server said, without what the driver puts around it."""
    text = str(error).split("ERROR:", 1)[-1].split("\n\nQuery was:", 1)[0]
    first, *rest = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith(". SQLSTATE")]
    detail = f" ({rest[0]})" if rest and rest[0].startswith("LINE") else ""
    return f"The database refused the statement: {first.removesuffix('.')}{detail}."
