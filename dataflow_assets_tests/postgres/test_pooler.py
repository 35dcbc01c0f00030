"""PgBouncer in front of the server: in session mode everything works, in transaction mode it is refused at once."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import make_url
from typer.testing import CliRunner

from dataflow_assets.cli import app
from dataflow_assets.core.ports import free_port
from dataflow_assets.doctor import databases
from dataflow_assets.errors import WarehouseRefusedError
from dataflow_assets.runtime.process_group import is_listening
from dataflow_assets.settings import load_settings
from dataflow_assets_tests.postgres.superuser import superuser_server
from dataflow_assets_tests.waiting import wait_until

PGBOUNCER = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
pytestmark = pytest.mark.skipif(PGBOUNCER is None, reason="there is no pgbouncer on this machine")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with superuser_server(tmp_path_factory.mktemp("superuser")) as url:
        yield url


@contextmanager
def pooler(server: str, folder: Path, mode: str) -> Iterator[str]:
    """The URL of the server's database through PgBouncer, whose other settings are its defaults."""
    there, port = make_url(server), free_port()
    folder.chmod(0o755)
    (folder / "users.txt").write_text(f'"{there.username}" "{there.password}"\n')
    (folder / "pgbouncer.ini").write_text(
        f"[databases]\n* = host={there.host} port={there.port}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
        f"auth_type = plain\nauth_file = {folder}/users.txt\npool_mode = {mode}\n"
    )
    assert PGBOUNCER
    process = subprocess.Popen([PGBOUNCER, "-q", "-u", "nobody", folder / "pgbouncer.ini"], stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: is_listening(port) or process.poll() is not None)
        assert process.poll() is None, "pgbouncer ended"
        yield there.set(host="127.0.0.1", port=port).render_as_string(hide_password=False)
    finally:
        process.terminate()
        process.wait(300)


def test_in_session_mode_everything_works(server: str, tmp_path: Path, clean_environment: pytest.MonkeyPatch) -> None:
    with pooler(server, tmp_path, "session") as url:
        clean_environment.setenv("DATABASE_URL", url)
        for command in (["init-db"], ["demo"], ["query", "-c", "SELECT 1"]):
            result = CliRunner().invoke(app, command)
            assert result.exit_code == 0, f"{command}: {result.output}"
        assert databases.database(load_settings()).sentence.startswith("PostgreSQL 18")


@pytest.mark.parametrize("mode", ["transaction", "statement"])
def test_without_sessions_it_is_refused_before_anything_is_done(
    server: str, tmp_path: Path, clean_environment: pytest.MonkeyPatch, mode: str
) -> None:
    with pooler(server, tmp_path, mode) as url:
        clean_environment.setenv("DATABASE_URL", url)
        for command in (["init-db"], ["demo"], ["up"], ["query", "-c", "SELECT 1"], ["deliveries"]):
            result = CliRunner().invoke(app, command)
            assert isinstance(result.exception, WarehouseRefusedError), command
            assert "pool_mode=session" in str(result.exception)
