"""Whether the database in force is fit for use.

Here: checking its tables, its time zone and its lake. Not here: which server it is (see `postgres.server`), and
statements.

A database that is as it should be is known by what it says of itself (see `ledger.marks`). What mends another, or says
what is wrong with it, is imported only then: that takes longer than most commands.
"""

from functools import cache
from pathlib import Path

from dataflow_assets.lake.lake_id import read_lake_id
from dataflow_assets.landing.storage import Storage, open_storage
from dataflow_assets.ledger.marks import Marks, read_marks
from dataflow_assets.postgres.brief import require_writable
from dataflow_assets.postgres.pooler import require_sessions
from dataflow_assets.postgres.revisions import newest_revision
from dataflow_assets.postgres.server import database_url, secret_url, server_url
from dataflow_assets.settings import Settings

__all__ = [
    "database_url",
    "open_bound_warehouse",
    "open_server",
    "open_server_of",
    "open_warehouse",
    "open_writable_warehouse",
]


def open_warehouse(settings: Settings) -> str:
    """The URL of the warehouse that the settings name, as `open_server` gives it, and made from their lake.

    Raises:
        LakeMismatchError: it was made from another lake.
    """
    url, _, _ = _open(settings)
    return url


def open_bound_warehouse(settings: Settings) -> tuple[str, Storage]:
    """The same for who writes, and the store that it belongs to from now on.

    Raises:
        LakeMismatchError: it was made from another lake.
        WarehouseReadOnlyError: the server lets nobody write.
    """
    url, storage, marks = _open(settings)
    _require_writable(url, marks)
    if marks is None or marks.first_day is None or settings.first_day < marks.first_day:
        from dataflow_assets.ledger.lake import bind_lake

        bind_lake(url, storage, settings.first_day)
    return url, storage


def open_writable_warehouse(settings: Settings) -> str:
    """The URL that `open_warehouse` gives, for who does something before the first write.

    Raises:
        WarehouseReadOnlyError: the server lets nobody write.
    """
    url, _, marks = _open(settings)
    _require_writable(url, marks)
    return url


def _open(settings: Settings) -> tuple[str, Storage, Marks | None]:
    """The warehouse, the store that the settings name, which it was made from, and what it says of itself."""
    url, storage = open_server_of(settings), open_storage(settings)
    marks = read_marks(url)
    if marks is None or marks.lake not in (None, read_lake_id(storage)):
        from dataflow_assets.ledger.lake import require_lake

        require_lake(url, storage)
    return url, storage, marks


def _require_writable(url: str, marks: Marks | None) -> None:
    if marks is None or marks.is_read_only:
        require_writable(url)


def open_server_of(settings: Settings) -> str:
    """The URL of the warehouse that the settings name, whichever lake it was made from."""
    return open_server(settings.home, settings.timezone, secret_url(settings), settings.database_port)


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
    found = server_url(home, url, port)
    _make_fit(found, timezone, is_embedded=url is None)
    return found


@cache
def _make_fit(url: str, timezone: str, *, is_embedded: bool) -> None:
    if not is_embedded:
        require_sessions(url)
    marks = read_marks(url)
    if marks and (marks.revision, marks.timezone, marks.is_readable) == (newest_revision(), timezone, True):
        return
    from dataflow_assets.ledger.identity import require_timezone
    from dataflow_assets.postgres.migrate import require_current, upgrade

    if is_embedded:
        upgrade(url)
    else:
        require_current(url)
    require_timezone(url, timezone)
