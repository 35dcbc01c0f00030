"""A PostgreSQL that others set up: few connections, TLS, a standby, a failover, a dump, collations, messages in German.

    python -m benchmarks.ground.postgres_settings --data ../shared/reference [--timezone Europe/Paris] [--only NAME …]

Each case makes a server of the newest Debian version below /usr/lib/postgresql in a temporary folder and prints a row.
"""

import argparse
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import psycopg2

from benchmarks.ground.main_job import digest_tables, do_main_job, make_another_day, said
from benchmarks.ground.servers import (
    DATAFLOW,
    as_servers_user,
    ask,
    ask_again,
    execute,
    find_programs,
    free_port,
    make_cluster,
    make_database,
    require,
    run,
    running,
    server,
    server_folder,
)
from dataflow_assets_tests.known_answers import DAYS, EXPECTED, require_known_answers
from dataflow_assets_tests.processes import environment_with, kill_all

_LIVE_SECONDS = 280
_LOOK_SECONDS = 0.1


def main() -> None:
    """Run each case and print a row for it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="the folder of the reference data")
    parser.add_argument("--timezone", default="UTC", choices=EXPECTED)
    parser.add_argument("--only", nargs="+", default=list(_CASES), choices=_CASES)
    arguments = parser.parse_args()
    programs = find_programs()[-1]
    for name in arguments.only:
        with tempfile.TemporaryDirectory() as folder:
            found = _CASES[name](programs, arguments.data.resolve(), Path(folder), arguments.timezone)
            print(f"| {name} | {found} |", flush=True)  # noqa: T201


def _few_connections(programs: Path, data: Path, folder: Path, timezone: str) -> str:
    """`up` takes in the reference data while one command after another asks."""
    with server(programs, "max_connections=20") as admin:
        url = make_database(admin, "ground")
        return _live(url, data, folder, timezone, f"{admin.rpartition('/')[0]}/ground")


def _live(url: str, data: Path, folder: Path, timezone: str, admin: str) -> str:
    folder.mkdir(exist_ok=True)
    settings = {"DATAFLOW_HOME": str(folder), "DATABASE_URL": url, "DATAFLOW_TIMEZONE": timezone}
    require(settings, "init-db")
    ports = ("--port", str(free_port()), "--api-port", str(free_port()))
    with (folder / "up.log").open("w") as log:
        process = subprocess.Popen([DATAFLOW, "up", *ports], env=environment_with(**settings), stdout=log, stderr=log)
    try:
        for file in data.glob("*/*.*"):
            landed = folder / "landing" / file.stem / "2021-12-31" / file.name
            landed.parent.mkdir(parents=True)
            shutil.copy(file, landed)
        most, deadline = 0, time.monotonic() + _LIVE_SECONDS
        connections = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
        with ThreadPoolExecutor(1) as pool, closing(psycopg2.connect(admin)) as looking:
            asking = pool.submit(run, settings, "deliveries")
            while (days := ask_again(looking, "SELECT count(*) FROM analytics.average_session")) < DAYS[timezone]:
                most = max(most, ask_again(looking, connections) - 1)
                if time.monotonic() > deadline:
                    return f"`up`: {days} days, {most} connections: {said((folder / 'up.log').read_text())}"
                if asking.done():
                    asking = pool.submit(run, settings, "deliveries")
                time.sleep(_LOOK_SECONDS)
        refused = (folder / "up.log").read_text().count("remaining connection slots")
        return f"`up`: {days} days of answers, at most {most} connections, {refused} refused"
    finally:
        process.terminate()
        process.wait(60)
        kill_all(folder)


def _tls(programs: Path, data: Path, folder: Path, timezone: str) -> str:
    """Whoever does not encrypt is refused; the certificate is checked."""
    with server_folder() as place:
        password = make_cluster(programs, place)
        certificate = _make_certificate(folder)
        for file in certificate:
            shutil.copy(file, place / "data" / file.name)
            shutil.chown(place / "data" / file.name, (place / "data").owner())
            (place / "data" / file.name).chmod(0o600)
        (place / "data" / "pg_hba.conf").write_text("hostssl all all 127.0.0.1/32 scram-sha-256\n")
        with running(programs, place / "data", "ssl=on") as port:
            admin = f"postgresql://postgres:{password}@127.0.0.1:{port}/postgres"
            url = make_database(admin, "ground")
            refused = run({"DATABASE_URL": f"{url}?sslmode=disable", "DATAFLOW_HOME": str(folder / "none")}, "init-db")
            checked = f"{url}?sslmode=verify-full&sslrootcert={certificate[0]}"
            found = do_main_job(checked, timezone, data, make_another_day(folder / "another"))
            other = make_database(admin, "other")
            looking = f"{admin.rpartition('/')[0]}/other"
            live = _live(checked.replace(url, other), data, folder / "live", timezone, looking)
            return f"{found}; {live}; without TLS: {said(refused.stderr)}"


def _make_certificate(folder: Path) -> tuple[Path, Path]:
    certificate, key = folder / "server.crt", folder / "server.key"
    names = ("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1")
    making = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(key), "-out", str(certificate))
    subprocess.run([*making, *names], check=True, capture_output=True)
    certificate.chmod(0o644)
    return certificate, key


def _standby(programs: Path, data: Path, folder: Path, timezone: str) -> str:
    """A server that only reads: what may be asked of it, and what is refused."""
    with ExitStack() as stack:
        url, port = _primary(programs, stack)
        copy = _follow(programs, stack, port)
        standby = url.replace(f":{port}/", f":{stack.enter_context(running(programs, copy))}/")
        settings = {"DATAFLOW_HOME": str(folder), "DATABASE_URL": url, "DATAFLOW_TIMEZONE": timezone}
        require(settings, "init-db")
        require(settings, "demo", "--data", data)
        reached = ask(url, "SELECT pg_current_wal_lsn()::text")
        while not ask(standby, f"SELECT pg_last_wal_replay_lsn() >= '{reached}'"):
            time.sleep(0.1)
        lines = []
        commands: tuple[list[Any], ...]
        commands = (["query", "-c", "SELECT 1"], ["answers"], ["doctor"], ["init-db"], ["demo", "--data", data])
        for command in commands:
            done = run(settings | {"DATABASE_URL": standby}, *command)
            lines.append(f"`{command[0]}`: {said(done.stderr or done.stdout) if done.returncode else 'held'}")
        return "; ".join(lines)


def _failover(programs: Path, data: Path, folder: Path, timezone: str) -> str:
    """The server is lost in the middle of a load; the one that followed takes its place and its port."""
    with ExitStack() as stack, ExitStack() as first, ExitStack() as follower:
        url, port = _primary(programs, first)
        copy = _follow(programs, stack, port)
        follower.enter_context(running(programs, copy))
        settings = {"DATAFLOW_HOME": str(folder), "DATABASE_URL": url, "DATAFLOW_TIMEZONE": timezone}
        require(settings, "init-db")
        with ThreadPoolExecutor(1) as pool:
            load = pool.submit(run, settings, "demo", "--data", data, "--json")
            _wait_for_days(url)
            first.close()
            follower.close()
            (copy / "standby.signal").unlink()
            stack.enter_context(running(programs, copy, port=port))
        ended = "the load went on" if load.result().returncode == 0 else f"the load: {said(load.result().stderr)}"
        require_known_answers(json.loads(require(settings, "demo", "--data", data, "--json")), timezone)
        return f"{ended}; `demo` again: the known answers, tables {digest_tables(settings)}"


def _primary(programs: Path, stack: ExitStack) -> tuple[str, int]:
    """The URL of a database, and the port of its server, which others may follow."""
    folder = stack.enter_context(server_folder())
    password = make_cluster(programs, folder)
    access = folder / "data" / "pg_hba.conf"  # whose first line that fits is the one that counts
    access.write_text(f"host replication postgres 127.0.0.1/32 trust\n{access.read_text()}")
    port = stack.enter_context(running(programs, folder / "data"))
    return make_database(f"postgresql://postgres:{password}@127.0.0.1:{port}/postgres", "ground"), port


def _follow(programs: Path, stack: ExitStack, port: int) -> Path:
    """The data folder of a server that follows the one at a port, once it is started."""
    data = stack.enter_context(server_folder()) / "data"
    source = f"host=127.0.0.1 port={port} user=postgres"
    as_servers_user(programs / "pg_basebackup", "-R", "-w", "-c", "fast", "-D", data, "-d", source)
    return data


def _wait_for_days(url: str) -> None:
    """Return while a load puts the days of sessions in place."""
    while ask(url, "SELECT count(*) FROM pg_inherits") < min(DAYS.values()):
        time.sleep(0.01)


def _dump(programs: Path, data: Path, folder: Path, timezone: str) -> str:
    """A dump of the database while days are loaded, restored to another; the platform goes on there."""
    with server(programs) as admin:
        url = make_database(admin, "ground")
        settings = {"DATAFLOW_HOME": str(folder), "DATABASE_URL": url, "DATAFLOW_TIMEZONE": timezone}
        require(settings, "init-db")
        with ThreadPoolExecutor(1) as pool:
            load = pool.submit(require, settings, "demo", "--data", data, "--json")
            _wait_for_days(url)
            subprocess.run([programs / "pg_dump", "-Fc", "-f", folder / "dump", url], check=True)
            load.result()
        before = digest_tables(settings)
        other = make_database(admin, "other")
        subprocess.run([programs / "pg_restore", "--no-owner", "-d", other, folder / "dump"], check=True)
        settings["DATABASE_URL"] = other
        at_first = ask(other, "SELECT count(*) FROM warehouse.streams")
        require(settings, "demo", "--data", data, "--json")
        after = digest_tables(settings)
        same = "the same tables" if before == after else f"other tables: {before}, {after}"
        return f"restored with {at_first:,} of 9,652 sessions; `demo`: {same}"


def _collations(programs: Path, data: Path, folder: Path, timezone: str) -> str:
    """A database in an ICU collation that sorts numbers within texts, whose tables go to a tablespace."""
    with server(programs) as admin, server_folder() as space:
        url = make_database(admin, "ground")
        execute(admin, "DROP DATABASE ground", f"CREATE TABLESPACE slow LOCATION '{space}'")
        options = "TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US-u-kn-true-ks-level2' OWNER ground"
        execute(admin, f"CREATE DATABASE ground {options}", "GRANT CREATE ON TABLESPACE slow TO ground")
        execute(admin, "ALTER DATABASE ground SET default_tablespace = 'slow'")
        return do_main_job(url, timezone, data, make_another_day(folder))


def _german(programs: Path, data: Path, folder: Path, timezone: str) -> str:
    """A server whose messages are in German, as far as its package has them; then one without a connection left."""
    folder.chmod(0o755)
    subprocess.run(["localedef", "-i", "de_DE", "-f", "UTF-8", folder / "de_DE.UTF-8"], check=True)
    with server(programs, "lc_messages=de_DE.UTF-8", prefix=("env", f"LOCPATH={folder}")) as admin:
        url = make_database(admin, "ground")
        found = do_main_job(url, timezone, data, make_another_day(folder / "another"))
        execute(admin, "ALTER DATABASE ground CONNECTION LIMIT 0")
        refused = run({"DATABASE_URL": url, "DATAFLOW_HOME": str(folder / "none")}, "init-db")
        return f"{found}; without a connection left: {said(refused.stderr)}"


_CASES: dict[str, Callable[[Path, Path, Path, str], str]] = {
    "TLS required": _tls,
    "a failover in a load": _failover,
    "a dump of a running platform": _dump,
    "a standby": _standby,
    "an ICU collation and a tablespace": _collations,
    "max_connections = 20": _few_connections,
    "messages in German": _german,
}


if __name__ == "__main__":
    main()
