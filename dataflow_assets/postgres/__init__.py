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
    from dataflow_assets.postgres.connection import Connections, connect, execute, read, read_batches

__all__ = ["Connections", "connect", "execute", "read", "read_batches"]

__getattr__ = load_on_demand(__name__, dict.fromkeys(__all__, "connection"))
