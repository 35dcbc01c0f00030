"""The connections of Dagster's storages: one engine for all storages and instances of a process.

Dagster makes an engine for each of the three storages of each instance, and a code server has an instance for each
tick. Where each keeps a connection, a server that allows twenty is soon full; where none does, each event of a run
opens one, which costs the server most of what it does for a small run.

Here: that engine. Not here: the storages (see `masking`).
"""

import select
import time
from functools import cache
from typing import Any

import sqlalchemy as sa

_USED = "dataflow_used"  # when a connection was used last
_SURE_SECONDS = 5.0  # after which the server may be gone without a word


class SharedEngine:
    """Lets a storage of Dagster's use the engine of this process; the storage's own is made, and never connected."""

    postgres_url: str

    @property
    def _engine(self) -> sa.Engine:
        return shared_engine(self.postgres_url)

    @_engine.setter
    def _engine(self, own: sa.Engine) -> None:
        pass


@cache
def shared_engine(url: str) -> sa.Engine:
    """The engine of a database. It keeps one connection, which is looked at before it is used again."""
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.QueuePool, pool_size=1, max_overflow=-1)

    def look(connection: Any, record: Any, _: Any) -> None:
        now = time.monotonic()
        if not _is_alive(engine, connection, now - record.info.get(_USED, now)):
            raise sa.exc.DisconnectionError
        record.info[_USED] = now

    sa.event.listen(engine, "checkout", look)
    return engine


def _is_alive(engine: sa.Engine, connection: Any, unused_seconds: float) -> bool:
    """Whether a connection can be used: the server is asked where it has said something unasked, or a while has passed.

    A server that ends a connection says so. To ask before each event takes a fifth of what a small run does.
    """
    try:
        said = select.poll()
        said.register(connection, select.POLLIN)
        return (unused_seconds < _SURE_SECONDS and not said.poll(0)) or bool(engine.dialect.do_ping(connection))
    except engine.dialect.loaded_dbapi.Error:
        return False
