"""What has just happened, for those that wait for it: a run has ended, a partition was made, something has landed.

The code server hears of it in threads of its own, so that a tick of a sensor can wait for news instead of looking every
few seconds. Any other process hears nothing, and who would wait there looks once.

Here: hearing, and waking who waits. Not here: what they do then (see `orchestration.automation.waiting`).
"""

import logging
import os
import select
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import watchfiles

from dataflow_assets.ledger.pending import CHANNEL as LANDED
from dataflow_assets.postgres.server import database_url
from dataflow_assets.settings import Settings

_CHANNEL = "run_events"  # on which Dagster's storage tells of each event of a run: `<run>_<number>`
_KINDS = "SELECT dagster_event_type, run_id FROM event_logs WHERE id = ANY(%s)"
_ENDS = {"PIPELINE_SUCCESS", "PIPELINE_FAILURE", "PIPELINE_CANCELED"}
# Dagster stores that a run has ended first as an event, then in its status, which is what the sensors look at.
_UNFINISHED = "SELECT run_id FROM runs WHERE run_id = ANY(%s) AND status NOT IN ('SUCCESS', 'FAILURE', 'CANCELED')"
_STATUS_LOOK_SECONDS, _STATUS_SECONDS = 0.05, 5.0
_SOON = "ASSET_MATERIALIZATION"
_SOON_SECONDS = 4.0  # after which the partitions of a run that goes on are news
_DEAF_SECONDS = 4.0  # the longest wait of those that nobody would wake
_RETRY_SECONDS = 5.0
_log = logging.getLogger(__name__)


class Notices:
    """How often something happened, and which folders of landing it happened in."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._count = 0
        self._landed: set[str] = set()
        self.is_over = threading.Event()
        self.is_hearing = False  # of runs, and of what a store tells the API
        self.is_watching = False  # landing

    @property
    def count(self) -> int:
        """How often something has happened."""
        return self._count

    def tell(self, folders: Iterable[str] = ()) -> None:
        """Something happened, in some folders of landing if it did there."""
        with self._changed:
            self._count += 1
            self._landed.update(folders)
            self._changed.notify_all()

    def end(self) -> None:
        """Nobody is to wait any more."""
        self.is_over.set()
        self.tell()

    def wait(self, count: int, seconds: float) -> None:
        """Wait until something has happened that was not counted yet, for some seconds at most."""
        longest = seconds if self.is_hearing else min(seconds, _DEAF_SECONDS)
        with self._changed:
            self._changed.wait_for(lambda: self._count != count or self.is_over.is_set(), longest)

    def take_landed(self) -> set[str]:
        """The folders of landing in which something happened since they were taken last."""
        with self._changed:
            taken, self._landed = self._landed, set()
        return taken


_heard: list[Notices] = []


def notices() -> Notices | None:
    """What this process hears of; None where it does not listen."""
    return _heard[0] if _heard else None


def listen(settings: Settings) -> None:
    """Hear of what happens from now on, until this process is told to end."""
    heard = Notices()
    _heard.append(heard)
    reader, writer = os.pipe2(os.O_CLOEXEC)
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    _start(lambda: _end_after(reader, heard))
    _start(lambda: _hear_of_runs(settings, heard))
    if settings.s3_bucket is None:
        _start(lambda: _watch(settings.home, heard))


def _start(work: Callable[[], None]) -> None:
    threading.Thread(target=work, daemon=True, name="notices").start()


def _end_after(signals: int, heard: Notices) -> None:
    os.read(signals, 1)
    heard.end()


def _hear_of_runs(settings: Settings, heard: Notices) -> None:
    while not heard.is_over.is_set():
        try:
            with closing(psycopg2.connect(database_url(settings))) as connection:
                connection.autocommit = True
                for _ in _news(connection):
                    heard.is_hearing = True
                    heard.tell()
        except Exception as error:  # the server is away, or starts: until it is back the sensors look by themselves
            _log.warning("Notices of runs are not heard for now: %s", error)
        heard.is_hearing = False
        heard.is_over.wait(_RETRY_SECONDS)


def _news(connection: Any) -> Iterator[None]:
    """One at first, one when a run ends or a store tells, and one some seconds after a run that goes on made a day."""
    with connection.cursor() as cursor:
        cursor.execute(f"SET idle_session_timeout = 0; LISTEN {_CHANNEL}; LISTEN {LANDED}")
        yield
        due: float | None = None
        ending: dict[str, float] = {}  # the runs whose end is an event, and until when their status is waited for
        while True:
            wait = _STATUS_LOOK_SECONDS if ending else None if due is None else max(due - time.monotonic(), 0)
            ready, _, _ = select.select([connection], [], [], wait)
            kinds, ended = _read(connection, cursor) if ready else (set(), set())
            ending |= dict.fromkeys(ended, time.monotonic() + _STATUS_SECONDS)
            left = _find_unfinished(cursor, ending)
            is_over, ending = len(left) < len(ending), left
            if is_over or LANDED in kinds or (due is not None and time.monotonic() >= due):
                due = None
                yield
            elif _SOON in kinds and due is None:
                due = time.monotonic() + _SOON_SECONDS


def _read(connection: Any, cursor: Any) -> tuple[set[str], set[str]]:
    """The kinds of the events of runs that were told of, `LANDED` where a store told of objects; the runs that end."""
    connection.poll()
    notices = list(connection.notifies)
    connection.notifies.clear()
    landed = {LANDED} if any(notice.channel == LANDED for notice in notices) else set()
    numbers = [int(notice.payload.rpartition("_")[2]) for notice in notices if notice.channel == _CHANNEL]
    if not numbers:
        return landed, set()
    cursor.execute(_KINDS, (numbers,))
    found = cursor.fetchall()
    return landed | {kind for kind, _ in found}, {run for kind, run in found if kind in _ENDS}


def _find_unfinished(cursor: Any, ending: Mapping[str, float]) -> dict[str, float]:
    """Those of the runs that end whose status does not say so yet, and is still waited for."""
    if not ending:
        return {}
    cursor.execute(_UNFINISHED, (list(ending),))
    return {run: ending[run] for (run,) in cursor.fetchall() if time.monotonic() < ending[run]}


def _watch(home: Path, heard: Notices) -> None:
    landing = home / "landing"
    landing.mkdir(parents=True, exist_ok=True)
    try:
        for changes in watchfiles.watch(
            landing, watch_filter=_is_there, stop_event=heard.is_over, rust_timeout=1000, yield_on_timeout=True
        ):
            heard.is_watching = True  # not before: what lands until then is nobody's news
            if changes:
                heard.tell(_folders(home, (path for _, path in changes)))
    except Exception as error:
        _log.warning("%s cannot be watched, and is looked at every few seconds: %s", landing, error)
    heard.is_watching = False


def _is_there(change: watchfiles.Change, _: str) -> bool:
    return change is not watchfiles.Change.deleted


def _folders(home: Path, paths: Iterable[str]) -> Iterator[str]:
    """The folders of days, as `landing/<source>/<day>/`, that some paths are in, or are."""
    for path in paths:
        parts = Path(path).relative_to(home).parts
        if len(parts) >= 3:
            yield "/".join(parts[:3]) + "/"
