"""A whole database as one file, by PostgreSQL's own `pg_dump`, `pg_restore` and `psql`.

These are of PostgreSQL 18. Connected to a server, such a `pg_restore` sets a parameter that none before 17 knows, and
ends. So it writes a script, which psql runs without that line.

Here: calling them, without a password on their command lines. Not here: what else belongs to such a file.
"""

import os
import shutil
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO
from urllib.parse import unquote, urlsplit, urlunsplit

from dataflow_assets.errors import WarehouseUnavailableError
from dataflow_assets.postgres.connection import connect
from dataflow_assets.postgres.embedded.lease import find_programs
from dataflow_assets.postgres.failures import shown
from dataflow_assets.postgres.sql import execute

_KEPT_VARIABLES = ("HOME", "PATH", "LD_LIBRARY_PATH", "TZDIR")  # and those of PostgreSQL
# What a superuser added to the database, no other role could bring back; no table of ours needs it.
_OF_A_SUPERUSER = """
    SELECT extname::text FROM pg_extension
    JOIN pg_available_extension_versions ON name = extname AND version = extversion WHERE NOT trusted"""
_SINCE_17 = b"SET transaction_timeout = 0;\n"
_WHERE_KNOWN = b"SELECT set_config(name, '0', false) FROM pg_catalog.pg_settings WHERE name = 'transaction_timeout';\n"


def dump_database(url: str, file: Path) -> None:
    """Write the whole database, as it is at one moment, to a file, but for publications and extensions of a superuser.

    Raises:
        WarehouseUnavailableError: it could not be done, and why.
    """
    with connect(url) as connection:
        left_out = [f"--exclude-extension={name}" for (name,) in execute(connection, _OF_A_SUPERUSER)]
    left_out += ["--no-publications", "--no-subscriptions"]
    command, environment = _command(url, "pg_dump", "--format=custom", "--no-owner", "--no-privileges", *left_out)
    done = subprocess.run([*command, f"--file={file}"], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise _failed("pg_dump", url, done.stderr)


def restore_database(url: str, file: Path) -> None:
    """Read the file of a dump into an empty database, in one transaction.

    Raises:
        WarehouseUnavailableError: it could not be done, and why; nothing is there.
    """
    reader = (find_programs() / "pg_restore", "--no-owner", "--no-privileges", "--file=-", file)
    command, environment = _command(url, "psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1")
    with tempfile.TemporaryFile() as said:
        with (
            suppress(BrokenPipeError),  # psql has ended: it says why
            subprocess.Popen(reader, env=environment, stdout=subprocess.PIPE, stderr=said) as script,
            subprocess.Popen(
                command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said
            ) as psql,
        ):
            assert script.stdout
            assert psql.stdin
            psql.stdin.write(b"BEGIN;\n")
            _copy_script(script.stdout, psql.stdin)
            if script.wait() == 0:
                psql.stdin.write(b"COMMIT;\n")
        if script.returncode or psql.returncode:
            said.seek(0)
            raise _failed("The restore", url, said.read().decode(errors="replace"))


def _copy_script(script: IO[bytes], target: IO[bytes]) -> None:
    """Copy a script in a form that every server knows; of rows, a later line may be the same as the one replaced."""
    for line in script:
        target.write(_WHERE_KNOWN if line == _SINCE_17 else line)
        if line == _SINCE_17:
            break
    shutil.copyfileobj(script, target, 1 << 20)


def _command(url: str, program: str, *arguments: str) -> tuple[list[str], dict[str, str]]:
    """The command line of a program, and its environment, which holds the password."""
    parts = urlsplit(url)
    user, _, place = parts.netloc.rpartition("@")
    name = user.partition(":")[0]
    address = urlunsplit(parts._replace(netloc=f"{name}@{place}" if name else place))
    environment = {key: value for key, value in os.environ.items() if key in _KEPT_VARIABLES or key.startswith("PG")}
    if parts.password:
        environment["PGPASSWORD"] = unquote(parts.password)
    return [str(find_programs() / program), f"--dbname={address}", *arguments], environment


def _failed(program: str, url: str, said: str) -> WarehouseUnavailableError:
    why = " ".join(said.split())[:500]  # the reason comes first, then the statement
    return WarehouseUnavailableError(f"{program} failed for the database at {shown(url)}: {why}")
