"""The platform's data as frames, for a notebook or a script: `dataflow_assets.connect()`.

Here: from names to lazy frames. Not here: reading (see `warehouse.scan` and `lake`), and Dagster, which is not needed.
"""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from dataflow_assets.analytics import find_answer
from dataflow_assets.errors import NotFoundError
from dataflow_assets.lake.delta.table import rows_table
from dataflow_assets.landing.storage import open_storage
from dataflow_assets.postgres.embedded.files import Files
from dataflow_assets.settings import Settings, load_settings
from dataflow_assets.sources import find_source
from dataflow_assets.warehouse.bootstrap import open_warehouse
from dataflow_assets.warehouse.scan import scan_answer, scan_source


@dataclass(frozen=True)
class Platform:
    """The tables of a platform by name. A frame is read when it is collected, and then what the query uses of it."""

    settings: Settings
    url: str

    def scan(self, source: str) -> pl.LazyFrame:
        """The table `warehouse.<source>`: the columns that the source declares.

        Of events all days, of snapshots the latest values of every key ever seen, of changes what is not deleted.

        Raises:
            NotFoundError: naming the sources there are.
        """
        return scan_source(self.url, find_source(source), self.settings.timezone)

    def answer(self, name: str) -> pl.LazyFrame:
        """The table `analytics.<name>`, all of its days or months, by key.

        Raises:
            NotFoundError: naming the answers there are.
        """
        found = find_answer(name)
        return scan_answer(self.url, found.name, found.schema)

    def lake(self, source: str) -> pl.LazyFrame:
        """The accepted rows of a source as they were delivered, duplicates too.

        Beside the declared columns: `delivery_day` (Date), `object` (String), `delivery` and `position` (Int64).

        Raises:
            NotFoundError: naming the sources there are.
        """
        return rows_table(open_storage(self.settings), find_source(source)).scan()


def connect(home: str | Path | None = None) -> Platform:
    """The platform of the settings, which are read from the environment.

    The embedded server, where it is the one to use, runs until this process ends.

    Args:
        home: the folder that `DATAFLOW_HOME` would name; a notebook seldom runs in the folder that has `.dataflow`.

    Raises:
        NotFoundError: there is no platform in that folder.
        WarehouseUnavailableError: the database does not answer.
    """
    settings = load_settings(None if home is None else Path(home))
    if settings.database_url is None and not Files.below(settings.home).cluster.exists():
        raise NotFoundError(
            f"There is no platform in {settings.home}: give its folder as `connect(home)`, or set DATAFLOW_HOME or "
            "DATABASE_URL."
        )
    return Platform(settings, open_warehouse(settings))
