"""Collectors that are killed at random moments, two at a time: collecting again brings each thing once, and whole.

    python -m benchmarks.collect_crashes --kills 50

Things are added to a place and others are changed. Two processes collect them at once, on two days. Each gets
SIGKILL at a moment drawn evenly from the time that it takes to look and to bring, or from less where most were done
before. Then one collects to its end. Prints figures as JSON; ends with 1 where landing does not hold each thing once as
it is there, or ever held something that never was.

Here: collecting and killing. Not here: the places (see `collect_places`; Kafka's is `collect_kafka`) and the process
(see the tests).
"""

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from benchmarks import common
from benchmarks.collect_places import PLACES, Place, source_from
from dataflow_assets.landing.storage import open_storage
from dataflow_assets.settings import Settings
from dataflow_assets.sources.origins.base import Origin
from dataflow_assets_tests.collectors.builders import Platform
from dataflow_assets_tests.loading import Worker

_FIRST_DAY = date(2021, 12, 1)


def collect(
    report: Callable[[str], None], settings: Settings, origin: Origin, secrets: Mapping[str, str], today: date
) -> int:
    """Collect once, as a process of its own; how many things landed."""
    tempfile.tempdir = str(settings.home)
    os.environ.update(secrets)
    url = settings.database_url
    assert url
    platform = Platform(open_storage(settings), url.get_secret_value(), today)
    collecting = replace(platform.collecting, progress=lambda what: report(what.split(" ")[0]))
    source = source_from(origin)
    found = collecting.collect(source, platform.record(source))
    if found.error or found.failed:
        raise AssertionError(found)
    return len(found.landed)


class Trial:
    """A place, who collects from it, and what is wrong in landing."""

    def __init__(self, settings: Settings, place: Place, chance: random.Random) -> None:
        assert settings.database_url
        self._settings, self._place, self._chance = settings, place, chance
        self._platform = Platform(open_storage(settings), settings.database_url.get_secret_value())
        self._number = 0
        self.faults: list[str] = []
        self.killed: Counter[str] = Counter()
        self.late = 0
        self.change()
        self.seconds = self.collect_to_the_end()

    def change(self) -> None:
        """Add some things, and change others."""
        self._number += 1
        self._place.change(self._number, self._chance)

    def _begin(self, worker: Worker, days: int) -> None:
        today = _FIRST_DAY + timedelta(days=self._number + days)
        worker.begin(collect, self._settings, self._place.origin, self._place.secrets, today)

    def disturb(self) -> int:
        """Let two processes collect, and kill each at a moment of its own; how many were killed at work."""
        workers = [Worker(), Worker()]
        moments = sorted(self._chance.random() * 2 * self.seconds for _ in workers)  # two take longer
        done = 0
        try:
            for ahead, worker in enumerate(workers):
                self._begin(worker, ahead)
            for worker in workers:
                _await_start(worker)
            start = time.monotonic()
            for worker, moment in zip(workers, moments, strict=True):
                if worker.is_done(max(0.0, start + moment - time.monotonic())):
                    self.late += 1
                    self.seconds *= 0.9  # so that half of them are killed at work
                else:
                    self.seconds *= 1.1
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
            self._begin(worker, 2)
            _await_start(worker)
            start = time.monotonic()
            worker.result(120)
            seconds = time.monotonic() - start
        finally:
            worker.kill()
        self._look("at the end", is_whole=True)
        return seconds

    def _look(self, moment: str, *, is_whole: bool) -> None:
        landed = self._platform.landed(source_from(self._place.origin))
        found = self._place.faults(landed, is_whole=is_whole)
        self.faults += [f"{moment} {self._number}: {fault}" for fault in found]


def _await_start(worker: Worker) -> None:
    """Wait until a process has connected to the database, and begins to look."""
    while worker.phase == "start" and not worker.is_done(0.005):
        pass


def run(kind: str, kills: int, seed: int | None = None) -> dict[str, Any]:
    """Kill so many processes at moments drawn from a seed; the figures. All is well if `faults` is empty."""
    seed = random.randrange(2**32) if seed is None else seed
    start = time.perf_counter()
    with common.server() as (home, url):
        common.empty_warehouse(url)
        settings = Settings.model_validate({"DATAFLOW_HOME": home / "home", "DATABASE_URL": url})
        with PLACES[kind](home / "remote", url) as place:
            trial = Trial(settings, place, random.Random(seed))
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
    parser.add_argument("--kinds", nargs="+", choices=PLACES, default=list(PLACES))
    parser.add_argument("--seed", type=int)
    arguments = parser.parse_args()
    faults = []
    for kind in arguments.kinds:
        found = run(kind, arguments.kills, arguments.seed)
        print(json.dumps(found, indent=2), flush=True)  # noqa: T201
        faults += found["faults"]
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
