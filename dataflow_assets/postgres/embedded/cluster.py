"""One PostgreSQL cluster on disk, and the programs that make it and run it.

Here: its roles, its settings, who may connect. Not here: when a server is wanted (`supervisor`) and as which
user its programs run (`account`).
"""

import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dataflow_assets.postgres.embedded.account import Account
from dataflow_assets.postgres.embedded.files import Files
from dataflow_assets.postgres.embedded.programs import reachable_programs

_ROLE, READER = "dataflow", "dataflow_reader"
_SUPERUSER = "postgres"  # cannot connect at all: see _ACCESS
_ACCESS = f"host all {_ROLE},{READER} 127.0.0.1/32 scram-sha-256\n"
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
    "wal_init_zero": "off",  # nor for files of zeros, which its log then overwrites
    "checkpoint_timeout": "15min",
    "jit": "off",
    "allow_alter_system": "off",
}
_CONFIGURATION = {"config_file": "postgresql.conf", "hba_file": "pg_hba.conf", "ident_file": "pg_ident.conf"}
_READY_LINE = 7  # of postmaster.pid, counted from 0


class Cluster:
    """The cluster of one folder, worked on by the programs of one installation."""

    def __init__(self, files: Files, programs: Path) -> None:
        self._files = files
        self._programs = reachable_programs(programs)

    def create(self, data_in_use: int, *, durable: bool) -> None:
        """Make the cluster with its role and database; it appears whole, by one rename."""
        for leftover in self._files.folder.glob("cluster-*"):
            shutil.rmtree(leftover)
        draft = Path(tempfile.mkdtemp(prefix="cluster-", dir=self._files.folder))
        draft.chmod(0o711)
        made, password, of_reader = draft / "made", secrets.token_urlsafe(24), secrets.token_urlsafe(24)
        made.mkdir(0o700)
        _write_private(draft / self._files.password.name, password)
        _write_private(draft / self._files.reader_password.name, of_reader)
        maker = Account.with_name()
        maker.own(made)
        with _opened(draft) as folder:
            place, inherited = f"{_seen_by_child(folder)}/{made.name}", (data_in_use, folder)
            options = _INITDB if durable else (*_INITDB, *_INITDB_FAST)
            maker.run([str(self._programs / "initdb"), "-D", place, *options], made, inherited)
            single = [str(self._programs / "postgres"), "--single", "-D", place, "postgres"]
            maker.run(single, made, inherited, _roles(password, of_reader))
        _move_configuration(made, draft)
        Account.of_server(self._files.folder).take_over(made, draft / "data")
        if durable:
            os.sync()
        draft.rename(self._files.cluster)

    def start(self, port: int, data_in_use: int) -> subprocess.Popen[bytes]:
        """Start the server; the caller holds the lock of its data folder, which the server inherits."""
        # The lock says that no server runs here, so a file that says so is of one that was killed. Its process
        # number may be in use by something else, which would stop PostgreSQL from starting.
        self._pid_file.unlink(missing_ok=True)
        with _opened(self._files.cluster) as folder:
            cluster = _seen_by_child(folder)
            configuration = {setting: f"{cluster}/{name}" for setting, name in _CONFIGURATION.items()}
            settings = [
                f"--{name}={value}" for name, value in (_SETTINGS | configuration | {"port": str(port)}).items()
            ]
            command = [str(self._programs / "postgres"), "-D", f"{cluster}/{self._files.data.name}", *settings]
            return Account.of_owner(self._files.data).start(command, self._files.data, (data_in_use, folder))

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
        password = self._files.password.read_text()
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


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _seen_by_child(descriptor: int) -> str:
    """The path of a folder for a program that inherits it: no folder on the way to it need be open to its user."""
    return f"/proc/self/fd/{descriptor}"


def _move_configuration(made: Path, folder: Path) -> None:
    """Put the configuration where the server's user, if it is another one, may read and not write it."""
    texts = {name: (made / name).read_text() for name in _CONFIGURATION.values()} | {"pg_hba.conf": _ACCESS}
    for name, text in texts.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o644)
        (made / name).unlink()


def _roles(password: str, of_reader: str) -> bytes:
    """The application's role, which owns its database and may make others, but is no superuser; and one that reads.

    What the reader may read the migrations say (see `grants`).
    """
    return (
        f"CREATE ROLE {_ROLE} LOGIN CREATEDB PASSWORD '{password}'\nCREATE DATABASE {_ROLE} OWNER {_ROLE}\n"
        f"GRANT pg_checkpoint TO {_ROLE}\n"
        f"CREATE ROLE {READER} LOGIN PASSWORD '{of_reader}'\n"
        # Statements of users run as a role that only reads, see `warehouse.query`.
        f"GRANT {READER} TO {_ROLE} WITH INHERIT FALSE\nGRANT SET ON PARAMETER temp_file_limit TO {_ROLE}\n"
    ).encode()


def _write_private(path: Path, text: str) -> None:
    path.touch(mode=0o600, exist_ok=False)
    with path.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
