"""A whole database as one file, by PostgreSQL's own `pg_dump` and `pg_restore`.

Here: calling them, without a password on their command lines. Not here: what else belongs to such a file.
"""

import os
import subprocess
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from dataflow_assets.errors import WarehouseUnavailableError
from dataflow_assets.postgres.embedded.lease import find_programs
from dataflow_assets.postgres.failures import shown

_KEPT_VARIABLES = ("HOME", "PATH", "LD_LIBRARY_PATH", "TZDIR")  # and those of PostgreSQL


def dump_database(url: str, file: Path) -> None:
    """Write the whole database, as it is at one moment, to a file.

    Raises:
        WarehouseUnavailableError: it could not be done, and why.
    """
    _run(url, "pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--file={file}")


def restore_database(url: str, file: Path) -> None:
    """Read the file of a dump into an empty database, in one transaction.

    Raises:
        WarehouseUnavailableError: it could not be done, and why; nothing is there.
    """
    _run(url, "pg_restore", "--single-transaction", "--no-owner", "--no-privileges", str(file))


def _run(url: str, program: str, *arguments: str) -> None:
    parts = urlsplit(url)
    user, _, place = parts.netloc.rpartition("@")
    name = user.partition(":")[0]
    address = urlunsplit(parts._replace(netloc=f"{name}@{place}" if name else place))
    environment = {key: value for key, value in os.environ.items() if key in _KEPT_VARIABLES or key.startswith("PG")}
    if parts.password:
        environment["PGPASSWORD"] = unquote(parts.password)
    command = [str(find_programs() / program), f"--dbname={address}", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        why = " ".join(done.stderr.split())[-500:]
        raise WarehouseUnavailableError(f"{program} failed for the database at {shown(url)}: {why}")
