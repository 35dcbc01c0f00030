"""Which database is in force, and whether it is fit for use.

Here: finding the server that the settings name, starting the embedded one, and checking its tables, its time zone and
its lake. Not here: statements.
"""

from functools import cache
from pathlib import Path

from dataflow_assets.landing.storage import open_storage
from dataflow_assets.ledger.identity import require_timezone
from dataflow_assets.ledger.lake import require_lake
from dataflow_assets.postgres import embedded
from dataflow_assets.postgres.migrate import require_current, upgrade
from dataflow_assets.postgres.pooler import require_sessions
from dataflow_assets.settings import Settings


def database_url(settings: Settings) -> str:
    """DATABASE_URL, or the embedded server, which then runs until this process ends."""
    return _server_url(settings.home, _secret_url(settings), settings.database_port)


def open_warehouse(settings: Settings) -> str:
    """The URL of the warehouse that the settings name, as `open_server` gives it, and made from their lake.

    Raises:
        LakeMismatchError: it was made from another lake.
    """
    url = open_server_of(settings)
    require_lake(url, open_storage(settings))
    return url


def open_server_of(settings: Settings) -> str:
    """The URL of the warehouse that the settings name, whichever lake it was made from."""
    return open_server(settings.home, settings.timezone, _secret_url(settings), settings.database_port)


def open_server(home: Path, timezone: str, url: str | None = None, port: int | None = None) -> str:
    """The URL of a warehouse that has the present tables and was made in the time zone.

    The embedded server gets its tables here, and is started again where it was lost; another server gets them by
    `dataflow init-db`.

    Args:
        home: the folder of the embedded server, which is used where there is no URL.
        timezone: the business time zone.
        url: of another server.
        port: where the embedded server listens if it is started here; None: anywhere.

    Raises:
        WarehouseUnavailableError: the server does not answer.
        WarehouseRefusedError: a pooler in transaction mode is in between.
        WarehouseMismatchError: its tables or its time zone are not the program's.
    """
    found = _server_url(home, url, port)
    _make_fit(found, timezone, is_embedded=url is None)
    return found


def _secret_url(settings: Settings) -> str | None:
    return settings.database_url.get_secret_value() if settings.database_url else None


def _server_url(home: Path, url: str | None, port: int | None) -> str:
    # SQLAlchemy does not know the short form of the scheme.
    return embedded.url(home, port) if url is None else url.replace("postgres://", "postgresql://", 1)


@cache
def _make_fit(url: str, timezone: str, *, is_embedded: bool) -> None:
    if is_embedded:
        upgrade(url)
    else:
        require_sessions(url)
        require_current(url)
    require_timezone(url, timezone)
