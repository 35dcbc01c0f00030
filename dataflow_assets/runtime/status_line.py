"""What `dataflow up` shows in a terminal: a line that stays at the bottom, and one above it for each run that ended.

Here: reading the runs, and drawing. Not here: the processes (see `up`), and what they say themselves, which is kept in
a file meanwhile.
"""

import contextlib
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from dagster import DagsterInstance, DagsterRunStatus, RunRecord, RunsFilter

from dataflow_assets.core.formatting import one_line, visible
from dataflow_assets.runtime.tags import IN_PROCESS, partitions_of

_MOST_RUNS = 200  # that are read at once
_CLEAR = "\r\x1b[2K"
_FAILED = (DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED)
_ENDED = (DagsterRunStatus.SUCCESS, *_FAILED)
_UNDER_WAY = (DagsterRunStatus.STARTING, DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING)


@contextlib.contextmanager
def status_line(instance: DagsterInstance, page: str, log: Path) -> Iterator["StatusLine"]:
    """The line of this process's terminal, and the file of what the processes say meanwhile."""
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists():
        log.replace(log.with_name(f"{log.name}.1"))
    with log.open("w", encoding="utf-8") as file:
        line = StatusLine(instance, sys.stdout, page, file)
        try:
            yield line
        finally:
            line.close()


class StatusLine:
    """The line of one terminal, about the runs that ended since this was made.

    Args:
        instance: knows the runs.
        terminal: where it is drawn.
        page: the address of the UI.
        log: the file that takes what the processes say.
    """

    def __init__(self, instance: DagsterInstance, terminal: TextIO, page: str, log: TextIO) -> None:
        self._instance, self._terminal, self._page, self.log = instance, terminal, page, log
        self._start, self._since = time.monotonic(), datetime.now(UTC)
        self._told: set[str] = set()
        self._shown = ""
        self._counts: Counter[DagsterRunStatus] = Counter()

    def look(self) -> None:
        """Tell of the runs that ended since the last look, and draw the line again."""
        ended = RunsFilter(statuses=list(_ENDED), updated_after=self._since)
        for record in reversed(self._instance.get_run_records(ended, limit=_MOST_RUNS)):
            run = record.dagster_run
            if run.run_id not in self._told and IN_PROCESS not in run.tags:
                self._told.add(run.run_id)
                self._counts[run.status] += 1
                self.tell(_sentence(record, self._page))
        under_way = self._instance.get_runs_count(RunsFilter(statuses=list(_UNDER_WAY)))
        failed = sum(self._counts[status] for status in _FAILED)
        minutes = int(time.monotonic() - self._start) // 60
        self.show(
            f"{self._page} · up {minutes // 60}:{minutes % 60:02} · {under_way:,} running · "
            f"{self._counts[DagsterRunStatus.SUCCESS]:,} done · {failed:,} failed · Ctrl-C"
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
        self._write(_CLEAR)

    def _width(self) -> int:
        with contextlib.suppress(OSError):
            return os.get_terminal_size(self._terminal.fileno()).columns or 80
        return 80

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError):  # the terminal may be gone
            self._terminal.write(text)
            self._terminal.flush()


def _sentence(record: RunRecord, page: str) -> str:
    """What became of a run: of what, how fast, and where to read why it failed."""
    run = record.dagster_run
    seconds = (record.end_time or 0.0) - (record.start_time or record.end_time or 0.0)
    of = f" {partitions}" if (partitions := partitions_of(run.tags)) else ""
    ended = f"{datetime.now().astimezone():%H:%M:%S} {run.job_name}{of}"
    if run.status is DagsterRunStatus.SUCCESS:
        return f"{ended}: done in {seconds:.1f} s"
    return f"{ended}: {run.status.value.lower().replace('failure', 'failed')}, see {page}/runs/{run.run_id}"
