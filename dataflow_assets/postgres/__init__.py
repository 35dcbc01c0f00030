"""What any user of PostgreSQL needs: connections, COPY, locks, schemas, migrations, the embedded server.

>>> from pathlib import Path
>>> from dataflow_assets.postgres import connect, embedded, execute
>>> with embedded.acquire(Path("platform").absolute()) as lease, connect(lease.url) as connection:
...     execute(connection, "SELECT $1::int + 1", 41)
[(42,)]
"""

from typing import TYPE_CHECKING

from dataflow_assets.core.exports import load_on_demand

if TYPE_CHECKING:
    from dataflow_assets.postgres.connection import Connections, connect
    from dataflow_assets.postgres.copy import copy_in, read, read_batches
    from dataflow_assets.postgres.sql import execute, identifier

__all__ = ["Connections", "connect", "copy_in", "execute", "identifier", "read", "read_batches"]

__getattr__ = load_on_demand(
    __name__,
    {
        "Connections": "connection",
        "connect": "connection",
        "copy_in": "copy",
        "execute": "sql",
        "identifier": "sql",
        "read": "copy",
        "read_batches": "copy",
    },
)
