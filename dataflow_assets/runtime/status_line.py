"""What `dataflow up` shows in a terminal: a line that stays at the bottom, and one above it for each run that ended.

Here: reading the runs, and drawing. Not here: the processes (see `up`), and what they say themselves, which is kept in
a file meanwhile. The runs are read from Dagster's tables: with Dagster the process that only waits has 100 MiB more.
"""

import contextlib
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

import psycopg2

from dataflow_assets.core.formatting import one_line, visible
from dataflow_assets.runtime.tags import IN_PROCESS, partitions_of

_MOST_RUNS = 200  # that are read at once
_CLEAR = "\r\x1b[2K"
_DONE, _FAILED = "SUCCESS", ("FAILURE", "CANCELED")
_UNDER_WAY = "SELECT count(*) FROM runs WHERE status IN ('STARTING', 'STARTED', 'CANCELING')"
_ENDED = """
    SELECT run_id, pipeline_name, status, coalesce(end_time - start_time, 0),
        coalesce((SELECT jsonb_object_agg(key, value) FROM run_tags WHERE run_tags.run_id = runs.run_id), '{}')
    FROM runs WHERE status = ANY(%s) AND update_timestamp > %s ORDER BY id DESC LIMIT %s"""


@dataclass(frozen=True)
class _Run:
    """A run that ended."""

    id: str
    job: str
    status: str
    seconds: float
    tags: dict[str, str]


@contextlib.contextmanager
def status_line(url: str, page: str, log: Path) -> Iterator["StatusLine"]:
    """The line of this process's terminal, and the file of what the processes say meanwhile."""
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists():
        log.replace(log.with_name(f"{log.name}.1"))
    with log.open("w", encoding="utf-8") as file:
        line = StatusLine(url, sys.stdout, page, file)
        try:
            yield line
        finally:
            line.close()


class StatusLine:
    """The line of one terminal, about the runs that ended since this was made.

    Args:
        url: of the database that has the runs.
        terminal: where it is drawn.
        page: the address of the UI.
        log: the file that takes what the processes say.
    """

    def __init__(self, url: str, terminal: TextIO, page: str, log: TextIO) -> None:
        self._url, self._terminal, self._page, self.log = url, terminal, page, log
        self._connection: Any = None
        self._start, self._since = time.monotonic(), datetime.now(UTC).replace(tzinfo=None)
        self._told: set[str] = set()
        self._shown = ""
        self._counts: Counter[str] = Counter()

    def look(self) -> None:
        """Tell of the runs that ended since the last look, and draw the line again."""
        ended = self._read(_ENDED, [_DONE, *_FAILED], self._since, _MOST_RUNS)
        for run in (_Run(*row) for row in reversed(ended)):
            if run.id not in self._told and IN_PROCESS not in run.tags:
                self._told.add(run.id)
                self._counts[run.status] += 1
                self.tell(_sentence(run, self._page))
        ((under_way,),) = self._read(_UNDER_WAY)
        failed = sum(self._counts[status] for status in _FAILED)
        minutes = int(time.monotonic() - self._start) // 60
        self.show(
            f"{self._page} · up {minutes // 60}:{minutes % 60:02} · {under_way:,} running · "
            f"{self._counts[_DONE]:,} done · {failed:,} failed · Ctrl-C"
        )

    def tell(self, sentence: str) -> None:
        """Print a sentence above the line."""
        self._write(f"{_CLEAR}{visible(sentence)}\n{self._shown}")

    def show(self, text: str) -> None:
        """Draw the line, as much of it as fits."""
        fitting = one_line(visible(text), self._width() - 1)
        if fitting != self._shown:
            self._shown = fitting
            self._write(_CLEAR + fitting)

    def close(self) -> None:
        """Take the line away."""
        if self._connection:
            self._connection.close()
        self._write(_CLEAR)

    def _read(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        if self._connection is None or self._connection.closed:
            self._connection = psycopg2.connect(self._url)
            self._connection.autocommit = True
        with self._connection.cursor() as cursor:
            cursor.execute(statement, values)
            rows: list[tuple[Any, ...]] = cursor.fetchall()
            return rows

    def _width(self) -> int:
        with contextlib.suppress(OSError):
            return os.get_terminal_size(self._terminal.fileno()).columns or 80
        return 80

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError):  # the terminal may be gone
            self._terminal.write(text)
            self._terminal.flush()


def _sentence(run: _Run, page: str) -> str:
    """What became of a run: of what, how fast, and where to read why it failed."""
    of = f" {partitions}" if (partitions := partitions_of(run.tags)) else ""
    ended = f"{datetime.now().astimezone():%H:%M:%S} {run.job}{of}"
    if run.status == _DONE:
        return f"{ended}: done in {run.seconds:.1f} s"
    return f"{ended}: {run.status.lower().replace('failure', 'failed')}, see {page}/runs/{run.id}"
