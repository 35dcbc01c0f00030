"""What a failed connection means to a user, whichever driver made it.

Here: the error, and how a database is named without its password. Not here: connecting.
"""

import re
from urllib.parse import urlsplit

from dataflow_assets.errors import WarehouseRefusedError, WarehouseUnavailableError

# What a server says that will let the same user in later; of a failed connection the driver knows no code.
_BUSY = re.compile(r"starting up|shutting down|recovery|not yet accepting|too many|reserved|terminating connection")


def unavailable(url: str, error: BaseException) -> WarehouseUnavailableError:
    """What a failed connection means to a user."""
    reason = _reason(error, url)
    if "FATAL" in reason and not _BUSY.search(reason):
        return WarehouseRefusedError(
            f"PostgreSQL at {shown(url)} refuses the connection ({reason}); "
            "correct DATABASE_URL, or unset it to use the embedded server."
        )
    return WarehouseUnavailableError(
        f"PostgreSQL at {shown(url)} cannot be reached ({reason}); "
        "start it, or unset DATABASE_URL to use the embedded server."
    )


def shown(url: str) -> str:
    """A database URL as it may be shown: hosts, ports and database."""
    parts = urlsplit(url)
    return parts.netloc.rpartition("@")[2] + parts.path


def _reason(error: BaseException, url: str) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reason = re.sub(r"^.*?failed: ", "", " ".join(lines[-2:])) if lines else type(error).__name__
    password = urlsplit(url).password
    return reason.replace(password, "********") if password else reason
