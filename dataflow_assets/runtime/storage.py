"""Where Dagster keeps runs, events and schedules: in the database of the settings, named by dagster.yaml.

Here: the storage, and how it connects. Every process of Dagster loads this, so it imports little. Not here: opening the
instance (see `instance`).
"""

import os
import select
import time
from collections.abc import Mapping
from typing import Any, Self

import sqlalchemy as sa
from dagster_postgres import DagsterPostgresStorage
from sqlalchemy.dialects import plugins

from dataflow_assets.postgres.server import database_url
from dataflow_assets.postgres.session_environment import SESSION_ENVIRONMENT
from dataflow_assets.runtime.masking import Mask, MaskedEventLog, MaskedRuns, MaskedSchedules
from dataflow_assets.settings import load_settings

_POOLED = "dataflow_pooled"  # the name of SQLAlchemy's plugin
_USED = "dataflow_used"  # when a connection was used last
_SURE_SECONDS = 5.0  # after which the server may be gone without a word


class WarehouseStorage(DagsterPostgresStorage):
    """Runs, events and schedules in the database of the settings, without secrets: dagster.yaml names no server."""

    def __init__(self, url: str, mask: Mask, inst_data: Any = None) -> None:
        super().__init__(url, inst_data=inst_data)  # which makes the tables
        self._disconnect()
        self._event_log_storage = MaskedEventLog(url, mask, self._disconnect)
        self._run_storage = MaskedRuns(url, mask)
        self._schedule_storage = MaskedSchedules(url, mask)

    def _disconnect(self) -> None:
        """Close the connections that are kept: a code server opens an instance for each tick."""
        for storage in (self._event_log_storage, self._run_storage, self._schedule_storage):
            storage._engine.dispose()  # Dagster has no call that closes all of them

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """It takes no configuration: `DATABASE_URL` and `DATAFLOW_HOME` say everything."""
        return {}

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Mapping[str, Any]) -> Self:  # noqa: ARG003
        """Open the storage; the embedded server is started if it is the one to use."""
        os.environ |= SESSION_ENVIRONMENT
        settings = load_settings()
        url = sa.make_url(database_url(settings)).update_query_dict({"plugin": _POOLED}, append=True)
        return cls(url.render_as_string(hide_password=False), settings.masked, inst_data)


class PooledConnections(sa.CreateEnginePlugin):
    """Lets an engine keep its connections, and look whether one is alive before it is used again.

    Dagster's own opens one for each event of a run, and the daemon three for each look at the queue, which costs the
    server most of what it does for a small run.
    """

    def __init__(self, url: sa.URL, kwargs: dict[str, Any]) -> None:
        super().__init__(url, kwargs)
        kwargs |= {"poolclass": sa.QueuePool, "pool_size": 1, "max_overflow": -1}

    def update_url(self, url: sa.URL) -> sa.URL:
        """It adds nothing to the URL."""
        return url

    def engine_created(self, engine: sa.Engine) -> None:
        """Have each connection looked at before it is used."""

        def look(connection: Any, record: Any, _: Any) -> None:
            now = time.monotonic()
            if not _is_alive(engine, connection, now - record.info.get(_USED, now)):
                raise sa.exc.DisconnectionError
            record.info[_USED] = now

        sa.event.listen(engine, "checkout", look)


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


plugins.register(_POOLED, __name__, PooledConnections.__name__)
