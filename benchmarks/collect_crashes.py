"""Collectors that are killed at random moments, two at a time: collecting again brings each file once, and whole.

    python -m benchmarks.collect_crashes --kills 50

Files are added to a server and others are written over. Two processes collect them at once, on two days. Each gets
SIGKILL at a moment drawn evenly from the time that it takes to look and to bring. Then one collects to its end. Prints
figures as JSON; ends with 1 where landing does not hold each file once as it is there, or ever held something that
never was.

Here: that, for SFTP and FTP. Not here: the servers and the process (see the tests).
"""

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from benchmarks import common
from dataflow_assets.landing.storage import open_storage
from dataflow_assets.settings import Settings
from dataflow_assets.sources.base import Source
from dataflow_assets.sources.origins.base import Origin
from dataflow_assets_tests.collectors import ftp_server, sftp_server, sftp_source
from dataflow_assets_tests.collectors.builders import Platform, arriving, write
from dataflow_assets_tests.loading import Worker

_NEW, _CHANGED = 8, 4  # files of each trial
_FIRST_DAY = date(2021, 12, 1)
_MODIFIED = 1_600_000_000.0
_SECRETS = {sftp_server.VARIABLE: sftp_server.PASSWORD, ftp_server.VARIABLE: ftp_server.PASSWORD}


def collect(report: Callable[[str], None], settings: Settings, origin: Origin, today: date) -> int:
    """Collect once, as a process of its own; how many files landed."""
    tempfile.tempdir = str(settings.home)
    os.environ.update(_SECRETS)
    url = settings.database_url
    assert url
    platform = Platform(open_storage(settings), url.get_secret_value(), today)
    collecting = replace(platform.collecting, progress=lambda what: report(what.split(" ")[0]))
    source = arriving(origin)
    found = collecting.collect(source, platform.record(source))
    if found.error or found.failed:
        raise AssertionError(found)
    return len(found.landed)


class Trial:
    """Files on a server, all versions that they ever had, and what is wrong in landing."""

    def __init__(self, settings: Settings, source: Source, folder: Path, chance: random.Random) -> None:
        assert source.arrives
        assert settings.database_url
        self._settings, self._source, self._folder, self._chance = settings, source, folder, chance
        self._origin: Origin = source.arrives
        self._platform = Platform(open_storage(settings), settings.database_url.get_secret_value())
        self._versions: dict[str, list[bytes]] = {}
        self._number = 0
        self.faults: list[str] = []
        self.killed: Counter[str] = Counter()
        self.late = 0
        self.change()
        self.seconds = self.collect_to_the_end()

    def change(self) -> None:
        """Add some files, and write over others."""
        self._number += 1
        changed = self._chance.sample(sorted(self._versions), min(_CHANGED, len(self._versions)))
        for name in [*changed, *(f"{self._number}/{number}.csv" for number in range(_NEW))]:
            content = os.urandom(self._chance.randrange(10, 400_000))
            self._versions.setdefault(name, []).append(content)
            write(self._folder, name, content, modified=_MODIFIED + self._number)

    def disturb(self) -> int:
        """Let two processes collect, and kill each at a moment of its own; how many were killed at work."""
        workers = [Worker(), Worker()]
        moments = sorted(self._chance.random() * 2 * self.seconds for _ in workers)  # two take longer
        done = 0
        try:
            for ahead, worker in enumerate(workers):
                today = _FIRST_DAY + timedelta(days=self._number + ahead)
                worker.begin(collect, self._settings, self._origin, today)
            for worker in workers:
                _await_start(worker)
            start = time.monotonic()
            for worker, moment in zip(workers, moments, strict=True):
                if worker.is_done(max(0.0, start + moment - time.monotonic())):
                    self.late += 1
                else:
                    self.killed[worker.phase] += 1
                    done += 1
                worker.kill()
        finally:
            for worker in workers:
                worker.kill()
        self._look("after the kill", is_whole=False)
        return done

    def collect_to_the_end(self) -> float:
        """Collect once more; the seconds that it took, of which none is the process's start."""
        worker = Worker()
        try:
            worker.begin(collect, self._settings, self._origin, _FIRST_DAY + timedelta(days=self._number + 2))
            _await_start(worker)
            start = time.monotonic()
            worker.result(120)
            seconds = time.monotonic() - start
        finally:
            worker.kill()
        self._look("at the end", is_whole=True)
        return seconds

    def _look(self, moment: str, *, is_whole: bool) -> None:
        landed = [(key.split("/", 1)[1], body) for key, body in self._platform.landed(self._source).items()]
        twice = [name for name, count in Counter(name for name, _ in landed).items() if count > 1]
        wrong = [name for name, body in landed if body not in self._versions.get(name, [])]
        old = {name: versions[-1] for name, versions in self._versions.items()} != dict(landed)
        for what, found in (("twice", twice), ("never so", wrong), ("not as there", [old] if is_whole and old else [])):
            if found:
                self.faults.append(f"{moment} {self._number}: {what}: {found[:3]}")


def _await_start(worker: Worker) -> None:
    """Wait until a process has connected to the database, and begins to look."""
    while worker.phase == "start" and not worker.is_done(0.005):
        pass


@contextmanager
def sftp_source_of(folder: Path) -> Iterator[Source]:
    """A source on an SFTP server of a folder."""
    with sftp_server.serve(folder) as server:
        yield sftp_source.source_at(server, "**/*.csv")


@contextmanager
def ftp_source_of(folder: Path) -> Iterator[Source]:
    """A source on an FTP server of a folder."""
    with ftp_server.serve_ftp(ftp_server.FtpServer(folder)) as server:
        yield ftp_server.source_at(server, "**/*.csv")


SERVERS = {"sftp": sftp_source_of, "ftp": ftp_source_of}


def run(kind: str, kills: int, seed: int | None = None) -> dict[str, Any]:
    """Kill so many processes at moments drawn from a seed; the figures. All is well if `faults` is empty."""
    seed = random.randrange(2**32) if seed is None else seed
    start = time.perf_counter()
    with common.server() as (home, url):
        common.empty_warehouse(url)
        settings = Settings.model_validate({"DATAFLOW_HOME": home / "home", "DATABASE_URL": url})
        with SERVERS[kind](home / "remote") as source:
            trial = Trial(settings, source, home / "remote", random.Random(seed))
            done = 0
            while done < kills:
                trial.change()
                done += trial.disturb()
                trial.collect_to_the_end()
    return {
        "kind": kind,
        "kills": done,
        "killed_during": dict(trial.killed),
        "done_before_the_moment": trial.late,
        "seed": seed,
        "faults": trial.faults,
        "seconds": round(time.perf_counter() - start, 1),
    }


def main() -> None:
    """Run and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--kinds", nargs="+", choices=SERVERS, default=list(SERVERS))
    parser.add_argument("--seed", type=int)
    arguments = parser.parse_args()
    figures = [run(kind, arguments.kills, arguments.seed) for kind in arguments.kinds]
    print(json.dumps(figures, indent=2))  # noqa: T201
    sys.exit(any(found["faults"] for found in figures))


if __name__ == "__main__":
    main()
