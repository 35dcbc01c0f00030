"""Where Dagster keeps runs, events and schedules: in the database of the settings, named by dagster.yaml.

Here: the storage. Every process of Dagster loads this, so it imports little. Not here: how it connects (see
`shared_engine`), and opening the instance (see `instance`).
"""

import os
from collections.abc import Mapping
from typing import Any, Self

from dagster_postgres import DagsterPostgresStorage

from dataflow_assets.postgres.server import database_url
from dataflow_assets.postgres.session_environment import SESSION_ENVIRONMENT
from dataflow_assets.runtime.masking import Mask, MaskedEventLog, MaskedRuns, MaskedSchedules
from dataflow_assets.settings import load_settings

_with_tables: set[str] = set()  # the databases in which this process has found or made Dagster's tables


class WarehouseStorage(DagsterPostgresStorage):
    """Runs, events and schedules in the database of the settings, without secrets: dagster.yaml names no server."""

    def __init__(self, url: str, mask: Mask, inst_data: Any = None) -> None:
        super().__init__(url, should_autocreate_tables=url not in _with_tables, inst_data=inst_data)
        _with_tables.add(url)
        self._event_log_storage = MaskedEventLog(url, mask)
        self._run_storage = MaskedRuns(url, mask)
        self._schedule_storage = MaskedSchedules(url, mask)

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """It takes no configuration: `DATABASE_URL` and `DATAFLOW_HOME` say everything."""
        return {}

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Mapping[str, Any]) -> Self:  # noqa: ARG003
        """Open the storage; the embedded server is started if it is the one to use."""
        os.environ |= SESSION_ENVIRONMENT
        settings = load_settings()
        return cls(database_url(settings), settings.masked, inst_data)
