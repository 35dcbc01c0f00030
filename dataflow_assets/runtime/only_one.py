"""That `dataflow up` runs once for a home, and once for a database.

Here: the locks that say so. Not here: what it runs (see `up`).
"""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

from psycopg2 import extensions

from dataflow_assets.core.files import make_private
from dataflow_assets.errors import DataFlowError
from dataflow_assets.postgres.brief import connect_briefly
from dataflow_assets.postgres.embedded import locks
from dataflow_assets.postgres.failures import shown
from dataflow_assets.postgres.pooler import require_sessions
from dataflow_assets.postgres.server import database_url
from dataflow_assets.settings import Settings

_LOCK = "up.lock"
_LOOK_SECONDS = 0.1
_EARLIER_SECONDS = 6.0
_UP_LOCK = "SELECT pg_try_advisory_lock(hashtextextended('up', 0))"  # as long as the connection lasts
# Said by statements: a pooler refuses options of the connection. The session is idle for as long as `up` runs.
_KEEP = (
    "SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3; "
    "SET idle_session_timeout = 0"
)


def is_up(home: Path) -> bool:
    """Whether `dataflow up` runs for this home, on this machine."""
    return (home / _LOCK).exists() and locks.is_locked(home / _LOCK)


def lock_home(home: Path) -> int:
    """Be the only one for this home; the processes of one that was killed get the time to end."""
    make_private(home)
    try:
        return locks.lock(home / _LOCK, time.monotonic() + _EARLIER_SECONDS)
    except TimeoutError:
        raise DataFlowError(
            f"`dataflow up` already runs for {home}: use that one, stop it, or set another DATAFLOW_HOME"
        ) from None


@contextlib.contextmanager
def only_database(settings: Settings) -> Iterator[None]:
    """Be the only one for this database: from another home or machine two daemons would ask for each run twice."""
    if settings.database_url is None:  # it belongs to the home
        yield
        return
    url, deadline = database_url(settings), time.monotonic() + _EARLIER_SECONDS
    require_sessions(url)
    with connect_briefly(url, application_name="dataflow up") as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute(_KEEP)
        while not _try_lock(cursor):
            if time.monotonic() > deadline:
                raise DataFlowError(
                    f"`dataflow up` already runs for the database at {shown(url)}, from another home or on another "
                    "machine: use that one, stop it, or set another DATABASE_URL"
                )
            time.sleep(_LOOK_SECONDS)
        yield


def _try_lock(cursor: extensions.cursor) -> bool:
    cursor.execute(_UP_LOCK)
    return cursor.fetchall() == [(True,)]
