"""Which database is in force, and whether it is fit for use.

Here: finding the server that the settings name, starting the embedded one, and checking its tables and
time zone. Not here: statements.
"""

from functools import cache

from dataflow_assets.ledger.identity import require_timezone
from dataflow_assets.postgres import embedded
from dataflow_assets.postgres.migrate import require_current, upgrade
from dataflow_assets.settings import Settings


def database_url(settings: Settings) -> str:
    """DATABASE_URL, or the embedded server, which then runs until this process ends."""
    if settings.database_url is not None:
        # SQLAlchemy does not know the short form of the scheme.
        return settings.database_url.get_secret_value().replace("postgres://", "postgresql://", 1)
    return embedded.url(settings.home)


def open_warehouse(settings: Settings) -> str:
    """The URL of a warehouse that has the present tables and was made in the time zone of the settings.

    The embedded server gets its tables here, and is started again where it was lost; another server gets them by
    `dataflow init-db`.

    Raises:
        WarehouseUnavailableError: the server does not answer.
        WarehouseMismatchError: its tables or its time zone are not the program's.
    """
    url = database_url(settings)
    _make_fit(settings, url)
    return url


@cache
def _make_fit(settings: Settings, url: str) -> None:
    if settings.database_url is None:
        upgrade(url)
    else:
        require_current(url)
    require_timezone(url, settings.timezone)
