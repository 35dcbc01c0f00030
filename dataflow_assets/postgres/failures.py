"""What a failed connection or a refused write means to a user, whichever driver it went through.

Here: the errors, and how a database is named without its password. Not here: connecting.
"""

import re
from urllib.parse import urlsplit

from dataflow_assets.errors import WarehouseReadOnlyError, WarehouseRefusedError, WarehouseUnavailableError

# What a server says that will let the same user in later; of a failed connection the driver knows no code.
_BUSY = re.compile(r"starting up|shutting down|recovery|not yet accepting|too many|reserved|terminating connection")
_FULL = re.compile(r"too many|connection slots are reserved")
_READ_ONLY = "25006"


def unavailable(url: str, error: BaseException) -> WarehouseUnavailableError:
    """What a failed connection means to a user."""
    reason = _reason(error, url)
    if "FATAL" in reason and not _BUSY.search(reason):
        return WarehouseRefusedError(
            f"PostgreSQL at {shown(url)} refuses the connection ({reason}); "
            "correct DATABASE_URL, or unset it to use the embedded server."
        )
    if _FULL.search(reason):
        return WarehouseUnavailableError(
            f"PostgreSQL at {shown(url)} has no connection left ({reason}); try again, or raise its max_connections or "
            "the limit of the role or database."
        )
    return WarehouseUnavailableError(
        f"PostgreSQL at {shown(url)} cannot be reached ({reason}); "
        "start it, or unset DATABASE_URL to use the embedded server."
    )


def read_only(url: str) -> WarehouseReadOnlyError:
    """What it means to a user that a server lets nobody write."""
    return WarehouseReadOnlyError(
        f"PostgreSQL at {shown(url)} only reads: it is a standby, or default_transaction_read_only is on for this role "
        "or database. Let DATABASE_URL name the primary server, or turn that off."
    )


def is_refused_write(error: BaseException | None) -> bool:
    """Whether a failure, or one that it follows from, is that the server lets nobody write."""
    while error is not None:
        if _READ_ONLY in (getattr(error, "sqlstate", None), getattr(error, "pgcode", None)):  # of ADBC, of psycopg2
            return True
        error = error.__cause__ or error.__context__
    return False


def shown(url: str) -> str:
    """A database URL as it may be shown: hosts, ports and database."""
    parts = urlsplit(url)
    return parts.netloc.rpartition("@")[2] + parts.path


def _reason(error: BaseException, url: str) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reason = re.sub(r"^.*?failed: ", "", " ".join(lines[-2:])) if lines else type(error).__name__
    password = urlsplit(url).password
    return reason.replace(password, "********") if password else reason
