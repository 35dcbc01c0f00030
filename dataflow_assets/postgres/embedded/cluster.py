"""One PostgreSQL cluster on disk, and the programs that make it and run it.

Here: its roles, its settings, who may connect. Not here: when a server is wanted (`supervisor`) and as which
user its programs run (`account`).
"""

import os
import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path

from dataflow_assets.postgres.embedded.account import Account
from dataflow_assets.postgres.embedded.files import Files

_ROLE = "dataflow"
_SUPERUSER = "postgres"  # cannot connect at all: see _ACCESS
_ACCESS = f"host all {_ROLE} 127.0.0.1/32 scram-sha-256\n"
_INITDB = (
    *("--username", _SUPERUSER, "--auth=reject", "--no-instructions", "--encoding=UTF8"),
    *("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
)
_INITDB_FAST = ("--no-sync", "--set=fsync=off", "--set=full_page_writes=off")
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "max_connections": "100",
    "max_locks_per_transaction": "1024",  # a statement over all days locks each of their tables
    "shared_buffers": "256MB",
    "work_mem": "32MB",
    "maintenance_work_mem": "256MB",
    "max_wal_size": "4GB",  # a bulk load should not wait for checkpoints
    "checkpoint_timeout": "15min",
    "jit": "off",
}
_READY_LINE = 7  # of postmaster.pid, counted from 0


class Cluster:
    """The cluster of one folder, worked on by the programs of one installation."""

    def __init__(self, files: Files, programs: Path) -> None:
        self._files = files
        self._programs = programs

    def create(self, data_in_use: int, *, durable: bool) -> None:
        """Make the cluster with its role and database; it appears whole, by one rename."""
        for leftover in self._files.folder.glob("cluster-*"):
            shutil.rmtree(leftover)
        draft = Path(tempfile.mkdtemp(prefix="cluster-", dir=self._files.folder))
        draft.chmod(0o711)
        data = draft / "data"
        data.mkdir(0o700)
        account = Account.for_new(data, self._programs)
        password = secrets.token_urlsafe(24)
        _write_private(draft / "password", password)
        account.run([self._programs / "initdb", "-D", data, *_INITDB, *(() if durable else _INITDB_FAST)], data_in_use)
        (data / "pg_hba.conf").write_text(_ACCESS)
        account.run([self._programs / "postgres", "--single", "-D", data, "postgres"], data_in_use, _roles(password))
        draft.rename(self._files.cluster)

    def start(self, port: int, data_in_use: int) -> subprocess.Popen[bytes]:
        """Start the server; the caller holds the lock of its data folder, which the server inherits."""
        # The lock says that no server runs here, so a file that says so is of one that was killed. Its process
        # number may be in use by something else, which would stop PostgreSQL from starting.
        self._pid_file.unlink(missing_ok=True)
        settings = [f"--{name}={value}" for name, value in (_SETTINGS | {"port": str(port)}).items()]
        account = Account.of_owner(self._files.data, self._programs)
        return account.start([self._programs / "postgres", "-D", self._files.data, *settings], data_in_use)

    def is_ready(self) -> bool:
        """Whether the server accepts connections."""
        lines = self._pid_lines()
        return len(lines) > _READY_LINE and lines[_READY_LINE].strip() == "ready"

    def server_pid(self) -> int | None:
        """The process number that the running server wrote down."""
        lines = self._pid_lines()
        return int(lines[0]) if lines and lines[0].isdigit() else None

    def url(self, port: int) -> str:
        """Where the server answers when it listens on this port, with the password."""
        password = (self._files.cluster / "password").read_text()
        return f"postgresql://{_ROLE}:{password}@127.0.0.1:{port}/{_ROLE}"

    def last_port(self) -> int | None:
        """The port of the last server: with the same one, programs that stayed connect again."""
        return int(self._port_file.read_text()) if self._port_file.exists() else None

    def remember_port(self, port: int) -> None:
        """Keep the port for the next server."""
        draft = self._port_file.with_suffix(".new")
        draft.write_text(str(port))
        draft.replace(self._port_file)

    @property
    def _pid_file(self) -> Path:
        return self._files.data / "postmaster.pid"

    @property
    def _port_file(self) -> Path:
        return self._files.cluster / "port"

    def _pid_lines(self) -> list[str]:
        try:
            return self._pid_file.read_text().splitlines()
        except FileNotFoundError:
            return []


def _roles(password: str) -> bytes:
    """The application's role: it owns its database and may make others, but is no superuser."""
    # The password is random: stretching it would only make each connection slower.
    return (
        "SET scram_iterations = 1\n"
        f"CREATE ROLE {_ROLE} LOGIN CREATEDB PASSWORD '{password}'\nCREATE DATABASE {_ROLE} OWNER {_ROLE}\n"
        f"GRANT pg_checkpoint TO {_ROLE}\n"
        # Statements of users run as a role that only reads, see `warehouse.query`.
        f"GRANT pg_read_all_data TO {_ROLE} WITH INHERIT FALSE\nGRANT SET ON PARAMETER temp_file_limit TO {_ROLE}\n"
    ).encode()


def _write_private(path: Path, text: str) -> None:
    path.touch(mode=0o600, exist_ok=False)
    with path.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
