"""What a failed connection or a refused write means to a user, whichever driver it went through.

Here: the errors, what may pass, and how a database is named without its password. Not here: connecting.
"""

import re
from urllib.parse import urlsplit

from dataflow_assets.errors import WarehouseReadOnlyError, WarehouseRefusedError, WarehouseUnavailableError

# How a server or a pooler says that it will never let this user in. There is no code, and the words are in the language
# that the server's lc_messages names: what is not understood may pass.
_NEVER = re.compile(
    r"authentication failed|no such (?:user|database)|does not exist|pg_hba\.conf|not permitted|permission denied"
    r"|not currently accepting|parameter|client certificate"
)
_FULL = re.compile(r"too many|connection slots are reserved")
_READ_ONLY, _CANCELED = "25006", "57014"
LOST_CONNECTION = ("08", "57P")  # how codes begin of one that failed or was ended, and of a server that starts or stops
# Connections that end (08, and 57P01 to 57P03: the server stops or starts; 57P05, 25P03 and 25P04: they were idle, or a
# transaction lasted, longer than the server lets them), one too many of them, transactions that met others, locks, and
# a server that has just become a copy of another.
_PASSING = re.compile(r"08...|57P0[1235]|25P0[34]|53300|40...|55P03|25006")


def unavailable(url: str, error: BaseException) -> WarehouseUnavailableError:
    """What a failed connection means to a user."""
    reason = _reason(error, url)
    if "FATAL" in reason and _NEVER.search(reason):
        return WarehouseRefusedError(
            f"PostgreSQL at {shown(url)} refuses the connection ({reason}); "
            "correct DATABASE_URL, or unset it to use the embedded server."
        )
    if _FULL.search(reason):
        return WarehouseUnavailableError(
            f"PostgreSQL at {shown(url)} has no connection left ({reason}); try again, or raise its max_connections or "
            "the limit of the role or database."
        )
    if "FATAL" in reason:
        return WarehouseUnavailableError(
            f"PostgreSQL at {shown(url)} gives no connection ({reason}); try again, or correct DATABASE_URL."
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


def is_timeout(error: BaseException) -> bool:
    """Whether a statement took longer than the server's statement_timeout.

    Where there is no code there are words, which are known in English.
    """
    state = code_of(error)
    return "user request" not in str(error) if state == _CANCELED else not state and "statement timeout" in str(error)


def is_transient_failure(error: BaseException) -> bool:
    """Whether a failure that has a code is one after which the same statement may succeed a moment later.

    So is one that took too long: a statement_timeout counts the time in which the server waits for rows.
    """
    return is_timeout(error) or bool(_PASSING.fullmatch(code_of(error) or ""))


def is_refused_write(error: BaseException | None) -> bool:
    """Whether a failure, or one that it follows from, is that the server lets nobody write."""
    while error is not None:
        if code_of(error) == _READ_ONLY:
            return True
        error = error.__cause__ or error.__context__
    return False


def shown(url: str) -> str:
    """A database URL as it may be shown: hosts, ports and database."""
    parts = urlsplit(url)
    return parts.netloc.rpartition("@")[2] + parts.path


def code_of(error: BaseException) -> str | None:
    """The SQLSTATE of a failed statement; of a failed connection, and in the middle of a stream, there is none."""
    code: str | None = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)  # of ADBC, of psycopg2
    return code


def _reason(error: BaseException, url: str) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reason = re.sub(r"^.*?failed: ", "", " ".join(lines[-2:])) if lines else type(error).__name__
    password = urlsplit(url).password
    return reason.replace(password, "********") if password else reason
