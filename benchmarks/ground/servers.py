"""PostgreSQL servers that are made for a script, and the commands of the platform against them.

Here: finding the programs, a server on loopback, a database that a plain role owns, running a command. Not here: what
is tried.
"""

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg2

from dataflow_assets.postgres.embedded import lease
from dataflow_assets_tests.processes import environment_with

EMBEDDED = lease.find_programs().parents[1]
DATAFLOW = Path(sys.executable).parent / "dataflow"


def find_programs() -> list[Path]:
    """The folders of the servers' programs that this machine has: the embedded ones and those of Debian."""
    found = [EMBEDDED / "pginstall/bin", EMBEDDED / "pginstall18/bin", *Path("/usr/lib/postgresql").glob("*/bin")]
    return [folder for folder in found if (folder / "initdb").exists()]


def read_version(programs: Path) -> str:
    """What a server says of its version."""
    done = subprocess.run([programs / "postgres", "--version"], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def servers_user() -> str | None:
    """The user that the servers run as: another one where this is root, who may not."""
    if os.getuid() != 0:
        return None
    users = Path("/etc/passwd").read_text().splitlines()
    return "postgres" if any(user.startswith("postgres:") for user in users) else "nobody"


@contextmanager
def server_folder() -> Iterator[Path]:
    """A temporary folder that the servers' user owns."""
    folder = Path(tempfile.mkdtemp(prefix="ground-"))
    if user := servers_user():
        shutil.chown(folder, user)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def make_cluster(programs: Path, folder: Path) -> str:
    """Make a cluster in `folder/data`; the password of its administrator `postgres`."""
    password = secrets.token_urlsafe(16)
    (folder / "password").write_text(password)
    options = ("-U", "postgres", "-A", "scram-sha-256", "--pwfile", folder / "password", "-E", "UTF8", "--locale=C")
    if user := servers_user():
        shutil.chown(folder / "password", user)
    as_servers_user(programs / "initdb", "-N", "-D", folder / "data", *options)
    return password


@contextmanager
def running(programs: Path, data: Path, *settings: str, port: int = 0, prefix: Sequence[str] = ()) -> Iterator[int]:
    """The port of a server of a data folder, with settings such as `max_connections=20`, until the block ends.

    `prefix` is what its command begins with, such as `env` and variables.
    """
    port = port or free_port()
    options = " ".join([f"-h 127.0.0.1 -p {port} -k ''", *(f"-c {setting}" for setting in settings)])
    as_servers_user(*prefix, programs / "pg_ctl", "-D", data, "-w", "-l", data.parent / "log", "-o", options, "start")
    try:
        yield port
    finally:
        as_servers_user(programs / "pg_ctl", "-D", data, "-w", "-m", "immediate", "stop", check=False)


@contextmanager
def server(programs: Path, *settings: str, prefix: Sequence[str] = ()) -> Iterator[str]:
    """The URL of the administrator of a new server."""
    with server_folder() as folder:
        password = make_cluster(programs, folder)
        with running(programs, folder / "data", *settings, prefix=prefix) as port:
            yield f"postgresql://postgres:{password}@127.0.0.1:{port}/postgres"


def as_servers_user(*command: str | Path, check: bool = True) -> None:
    """Run a program of a server; what it prints is lost, since a server that it starts keeps the pipe."""
    subprocess.run(
        command, user=servers_user(), check=check, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/"
    )


def free_port() -> int:
    """A port of the loopback that nobody uses."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def make_database(admin: str, name: str) -> str:
    """The URL of a new database, as a role of the same name that owns it and is nothing more."""
    execute(admin, f"CREATE ROLE {name} LOGIN PASSWORD 'ground'", f"CREATE DATABASE {name} OWNER {name}")
    return f"postgresql://{name}:ground@{admin.rpartition('@')[2].rpartition('/')[0]}/{name}"


def execute(url: str, *statements: str) -> None:
    """Run statements, each committed."""
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        for statement in statements:
            connection.cursor().execute(statement)


def ask(url: str, statement: str) -> Any:
    """The one value that a statement gives."""
    with closing(psycopg2.connect(url)) as connection:
        return ask_again(connection, statement)


def ask_again(connection: psycopg2.extensions.connection, statement: str) -> Any:
    """The same by a connection that is kept, where there are few."""
    with connection, connection.cursor() as cursor:
        cursor.execute(statement)
        [(value,)] = cursor.fetchall()
    return value


def run(
    settings: Mapping[str, str], *arguments: str | Path, program: Path = DATAFLOW, prefix: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    """A command of the platform, with these settings and no others; `prefix` is what it begins with."""
    environment = environment_with(**settings)
    return subprocess.run([*prefix, program, *arguments], env=environment, capture_output=True, text=True, check=False)


def require(settings: Mapping[str, str], *arguments: str | Path, program: Path = DATAFLOW) -> str:
    """What a command prints, which ends the script if it fails."""
    done = run(settings, *arguments, program=program)
    if done.returncode:
        raise SystemExit(f"dataflow {' '.join(map(str, arguments))}: {done.stderr[-2000:]}")
    return done.stdout
