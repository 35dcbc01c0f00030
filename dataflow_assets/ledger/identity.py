"""What holds for the whole warehouse: the business time zone that cut its days.

Here: remembering it, and refusing another. Not here: cutting days (see `core.time_windows`).
"""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from dataflow_assets.errors import WarehouseMismatchError
from dataflow_assets.ledger.tables import identity
from dataflow_assets.postgres.connection import Connection, connect
from dataflow_assets.postgres.failures import shown
from dataflow_assets.postgres.statements import run

_READ = sa.select(identity.c.timezone)
_REMEMBER = postgresql.insert(identity).values(timezone=sa.bindparam("timezone")).on_conflict_do_nothing()


def read_timezone(connection: Connection) -> str | None:
    """The business time zone of a warehouse; None of a new one."""
    found = run(connection, _READ)
    return str(found[0][0]) if found else None


def require_timezone(url: str, timezone: str) -> None:
    """Remember the business time zone of a new warehouse; refuse another one of an old warehouse.

    Raises:
        WarehouseMismatchError: naming both zones.
    """
    with connect(url) as connection:
        run(connection, _REMEMBER, timezone=timezone)
        remembered = read_timezone(connection)
    if remembered != timezone:
        raise WarehouseMismatchError(
            f"The warehouse at {shown(url)} was made with DATAFLOW_TIMEZONE={remembered}, not {timezone}; "
            "set that zone, or use another DATAFLOW_HOME or database for this one."
        )
