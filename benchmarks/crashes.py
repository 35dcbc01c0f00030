"""Loads that are killed, and servers that are stopped at once, at random moments: running again mends everything.

    python -m benchmarks.crashes --kills 100 --restarts 20

A process lands files, takes them into the lake and loads them. It gets SIGKILL, or PostgreSQL gets SIGQUIT and is
started again, at a moment drawn evenly from the time that the undisturbed process takes. Then the same is run
again, at once. Prints figures as JSON; ends with 1 where anything differs from the undisturbed run.

Here: what is landed and what is broken. Not here: the process and the comparison (see `loading`).
"""

import argparse
import json
import os
import random
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from benchmarks import common
from dataflow_assets.postgres import embedded
from dataflow_assets.postgres.embedded.files import Files
from dataflow_assets.settings import Settings
from dataflow_assets_tests.loading import (
    Landed,
    Worker,
    WorkerError,
    deliver,
    leftover_locks,
    orphan_tables,
    summary,
    uncommitted_files,
    uneven_days,
)

_FIRST, _SECOND = date(2021, 12, 10), date(2021, 12, 11)


def sessions(days: tuple[int, ...], *, megabytes: float, rows: int = 1000) -> str:
    """Lines of streams.csv: sessions on some days of December 2021, the last one of each day twice, and a reject."""
    lines = ["movie_title,user_email,size_mb,start_at,end_at", "Heat,no address,1.0,2021-12-05,2021-12-05"]
    for day in days:
        for number in (*range(rows), rows - 1):
            start = f"2021-12-{day:02}T{number % 23:02}:{number // 23 % 60:02}"
            size = megabytes + len(lines)
            times = f"{start}:00.000+0000,{start}:59.999+0000"
            lines.append(f"Movie {number % 50},user{number}@x.example,{size},{times}")
    return "\n".join(lines) + "\n"


def people(*, changed: int, gone: int, rows: int = 500) -> str:
    """Lines of users.csv: every so manieth has another name, or is missing."""
    names = {number: "Ann" if number % changed else "Eve" for number in range(rows) if number % gone}
    lines = [f"user{number}@x.example,{name}," for number, name in names.items()]
    return "\n".join(["email,first_name,last_name", *lines]) + "\n"


# Each step changes what the one before it left; the first begins with nothing.
STEPS = (
    (  # a first load; the second dump is newer than all before
        Landed("streams", _FIRST, "a.csv", sessions((5, 6, 7), megabytes=1)),
        Landed("users", _FIRST, "users.csv", people(changed=7, gone=31)),
        Landed("users", _SECOND, "users.csv", people(changed=9, gone=29)),
    ),
    (  # an object's newer version, which leaves one day and adds another; a dump of the past changes
        Landed("streams", _FIRST, "a.csv", sessions((5, 7, 8), megabytes=2)),
        Landed("users", _FIRST, "users.csv", people(changed=5, gone=37)),
    ),
    (  # another object with some of the same keys
        Landed("streams", _SECOND, "b.csv", sessions((7, 8), megabytes=3, rows=1500)),
        Landed("users", _SECOND + timedelta(days=1), "users.csv", people(changed=11, gone=41)),
    ),
)


def restart(home: Path, lost: embedded.Lease) -> embedded.Lease:
    """Stop the server without any farewell, as a crash of it would, and start it again."""
    server = int((Files.below(home).data / "postmaster.pid").read_text().split()[0])
    os.kill(server, signal.SIGQUIT)
    while lost.is_served():
        time.sleep(0.001)
    return embedded.acquire(home)


class Trial:
    """The series of steps in one home, undisturbed first: what it leaves and how long each step takes."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._expected: list[Any] = []
        self._seconds: list[float] = []
        for step in range(len(STEPS)):
            self.prepare(step)
            self._seconds.append(self.load(step))
            self._expected.append(summary(settings))
        self.faults: list[dict[str, Any]] = []
        self.uncommitted_files = 0

    def prepare(self, step: int) -> None:
        """Begin with nothing where the first step does."""
        if step == 0:
            for folder in ("landing", "lake"):
                shutil.rmtree(self._settings.home / folder, ignore_errors=True)
            assert self._settings.database_url
            common.empty_warehouse(self._settings.database_url.get_secret_value())

    def load(self, step: int) -> float:
        """Run a step to its end; how long it took."""
        worker = Worker()
        try:
            worker.begin(deliver, self._settings, STEPS[step])
            start = time.perf_counter()
            worker.result()
            return time.perf_counter() - start
        finally:
            worker.kill()

    def disturb(self, step: int, share: float, disturbance: Callable[[], object] | None) -> str | None:
        """Run a step, disturb it when that share of its time has passed (or kill it), run it again and compare.

        Returns:
            What it was about when it was disturbed; None where it was done before.
        """
        worker = Worker()
        try:
            worker.begin(deliver, self._settings, STEPS[step])
            is_late = worker.is_done(share * self._seconds[step])
            if disturbance and not is_late:
                disturbance()
                with suppress(WorkerError):  # it may fail or come through, but it ends
                    worker.result()
        finally:
            worker.kill()
        self._look(step, "before it is run again", uneven=uneven_days(self._settings))
        self.load(step)
        found, expected = summary(self._settings), self._expected[step]
        self._look(
            step,
            "after it was run again",
            mismatches=[name for name in expected if found[name] != expected[name]],
            uneven=uneven_days(self._settings),
            leftover_locks=leftover_locks(self._settings),
            orphan_tables=orphan_tables(self._settings),
        )
        if step == len(STEPS) - 1:
            self.uncommitted_files += len(uncommitted_files(self._settings))
        return None if is_late else worker.phase

    def _look(self, step: int, moment: str, **faults: list[Any]) -> None:
        if any(faults.values()):
            self.faults.append({"step": step, "moment": moment, **faults})


def run(kills: int, restarts: int, seed: int | None = None) -> dict[str, Any]:
    """Kill and restart so many times, at moments drawn from a seed; the figures. All is well if `faults` is empty."""
    seed = random.randrange(2**32) if seed is None else seed
    start, chance = time.perf_counter(), random.Random(seed)
    wanted = [True] * restarts + [False] * kills
    chance.shuffle(wanted)
    phases: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
    late, attempts = 0, 0
    with ExitStack() as stack:
        home, url = stack.enter_context(common.server())
        leases = [stack.enter_context(embedded.acquire(home))]

        def restarted() -> None:
            leases.append(stack.enter_context(restart(home, leases[-1])))

        trial = Trial(Settings.model_validate({"DATAFLOW_HOME": home, "DATABASE_URL": url}))
        while wanted:
            step = attempts % len(STEPS)
            trial.prepare(step)
            phase = trial.disturb(step, chance.random(), restarted if wanted[-1] else None)
            attempts += 1
            if phase is None:
                late += 1
            else:
                phases[wanted.pop()][phase] += 1
    return {
        "kills": kills,
        "restarts": restarts,
        "seed": seed,
        "done_before_the_moment": late,
        "killed_during": dict(phases[False]),
        "restarted_during": dict(phases[True]),
        "mismatches": sum(len(fault.get("mismatches", ())) for fault in trial.faults),
        "uneven_days": sum(len(fault.get("uneven", ())) for fault in trial.faults),
        "orphan_tables": sum(len(fault.get("orphan_tables", ())) for fault in trial.faults),
        "leftover_locks": sum(len(fault.get("leftover_locks", ())) for fault in trial.faults),
        "uncommitted_files": trial.uncommitted_files,
        "faults": trial.faults,
        "seconds": round(time.perf_counter() - start, 1),
    }


def main() -> None:
    """Run and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--restarts", type=int, default=20)
    parser.add_argument("--seed", type=int)
    figures = run(**vars(parser.parse_args()))
    print(json.dumps(figures, indent=2, default=str))  # noqa: T201
    sys.exit(1 if figures["faults"] else 0)


if __name__ == "__main__":
    main()
