"""Which PostgreSQL server is in force: the one that the settings name, or the embedded one.

Here: its URL, and nothing that a small process would be large by. Not here: whether it is fit for use (see
`warehouse.bootstrap`).
"""

from pathlib import Path

from dataflow_assets.postgres import embedded
from dataflow_assets.settings import Settings


def database_url(settings: Settings) -> str:
    """DATABASE_URL, or the embedded server, which then runs until this process ends."""
    return server_url(settings.home, secret_url(settings), settings.database_port)


def server_url(home: Path, url: str | None, port: int | None = None) -> str:
    """A URL as the drivers know it, or that of the embedded server of a home."""
    # SQLAlchemy does not know the short form of the scheme.
    return embedded.url(home, port) if url is None else url.replace("postgres://", "postgresql://", 1)


def secret_url(settings: Settings) -> str | None:
    """DATABASE_URL with its password."""
    return settings.database_url.get_secret_value() if settings.database_url else None
