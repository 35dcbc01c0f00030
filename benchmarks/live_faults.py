"""A burst of deliveries against a live `dataflow up` that something happens to: at the end every table is right.

    python -m benchmarks.live_faults killed all daemons workers

`killed`: the daemon gets SIGKILL, at random moments, and `dataflow up` is started again. `all`: every process of the
home does, with PostgreSQL and the workers of runs. `daemons`: a second daemon works on the same instance by mistake.
`workers`: a Celery worker of four runs at once gets SIGKILL with its children and is started again, and Redis comes
back empty each time. Each is compared with the same files, taken in in one process. Prints figures as JSON; ends with 1
where anything differs.

Here: the burst, the faults, and the comparison. Not here: how `dataflow up` starts and stops (see `test_platform`).
"""

import argparse
import json
import os
import random
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg

from benchmarks.crashes import people, sessions
from dataflow_assets.analytics import all_answers
from dataflow_assets.definitions import build_definitions
from dataflow_assets.lake.delta.table import rejects_table, rows_table
from dataflow_assets.landing.deliveries import Landing
from dataflow_assets.landing.storage import open_storage
from dataflow_assets.orchestration.automation.jobs import UNFINISHED
from dataflow_assets.postgres import embedded
from dataflow_assets.runtime.instance import open_instance
from dataflow_assets.settings import Settings, load_settings
from dataflow_assets.sources import find_source
from dataflow_assets.warehouse.bootstrap import open_warehouse
from dataflow_assets_tests.loading import Landed, uneven_days
from dataflow_assets_tests.orchestration import builders
from dataflow_assets_tests.orchestration.builders import Platform, movies_csv
from dataflow_assets_tests.processes import kill, kill_all, processes_of
from dataflow_assets_tests.redis_server import restarting_redis
from dataflow_assets_tests.runtime.celery.workers import kill_group

_DAY = date(2021, 12, 10)
_QUIET_SECONDS = 1200.0  # a run whose message Redis lost fails after 600, and is made again
_MOST_STARTS = 10
_LOOK_SECONDS, _QUIET_LOOKS = 5.0, 6  # a sensor looks every 10 seconds, and one follows the other
SECOND_VERSION = Landed("streams", _DAY, "0.csv", sessions((3, 9), megabytes=50, rows=150))
BURST = [
    Landed("movies", _DAY, "movies.csv", movies_csv("Movie 1", "Movie 2", "Heat")),
    *(Landed("streams", _DAY, f"{n}.csv", sessions((2 + n % 4, 3 + n % 5), megabytes=n, rows=200)) for n in range(8)),
    Landed("users", _DAY, "users.csv", people(changed=7, gone=31)),
    SECOND_VERSION,
    Landed("users", date(2021, 12, 11), "users.csv", people(changed=9, gone=29)),
    *(Landed("streams", date(2021, 12, 11 + n), "z.csv", sessions((6, 7), megabytes=n, rows=100)) for n in range(4)),
]


class Live:
    """A home whose `dataflow up` is started again whenever it has ended."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.starts = 0
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it, unless it runs, and return when it says that it does."""
        while self._process is None or self._process.poll() is not None:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = str(probe.getsockname()[1])
            self.starts += 1
            self._process = subprocess.Popen(
                [_script("dataflow"), "up", "--port", port, "--api-port", "0"],
                stdout=subprocess.PIPE,
                stderr=(self.home.parent / "stderr").open("a"),
                text=True,
                env=os.environ | {"DATAFLOW_HOME": str(self.home)},
            )
            assert self._process.stdout
            if port not in self._process.stdout.readline():
                self._process.wait(60)
            assert self.starts < _MOST_STARTS, (self.home.parent / "stderr").read_text()[-2000:]

    def stop(self) -> None:
        """Stop it as Ctrl-C does."""
        if self._process and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(60)

    def kill_daemon(self) -> None:
        """SIGKILL the daemon; what stands around it ends by itself."""
        found = [process for process, command in processes_of(self.home).items() if "dataflow up: daemon" in command]
        for process in found:
            kill(process)
        if self._process:
            self._process.wait(60)

    def kill_all(self) -> None:
        """SIGKILL everything, and wait only then."""
        for process in processes_of(self.home):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        kill_all(self.home)
        if self._process:
            self._process.wait(60)


def _script(name: str) -> str:
    return str(Path(sysconfig.get_path("scripts")) / name)


def _killing(kill_some: Callable[[Live], None], chance: random.Random, times: int = 3) -> Callable[[Live], None]:
    def disturb(live: Live) -> None:
        for _ in range(times):
            time.sleep(chance.uniform(1, 25))
            kill_some(live)
            live.start()

    return disturb


def second_daemon(live: Live) -> None:
    """Let another daemon work on the same instance for a minute."""
    told = subprocess.run([_script("dataflow"), "env", "--json"], check=True, capture_output=True, text=True)
    command = [_script("dagster-daemon"), "run", "-w", str(live.home / "workspace.yaml")]
    with (live.home.parent / "second").open("w") as log:
        second = subprocess.Popen(command, env=os.environ | json.loads(told.stdout), stdout=log, stderr=log)
        time.sleep(60)
        assert second.poll() is None, "the second daemon ended"
        second.terminate()
        second.wait(60)


def _losing_workers(chance: random.Random, restart_redis: Callable[[], None], times: int = 3) -> Callable[[Live], None]:
    command = [_script("dataflow"), "worker", "--concurrency", "4"]

    def disturb(live: Live) -> None:
        with (live.home.parent / "workers").open("a") as log:
            for _ in range(times):
                worker = subprocess.Popen(command, stderr=log, start_new_session=True)
                time.sleep(chance.uniform(10, 40))
                kill_group(worker)
                restart_redis()
            subprocess.Popen(command, stderr=log)  # until everything ends

    return disturb


def undisturbed(home: Path) -> dict[str, Any]:
    """What the burst leaves when it is taken in by this process."""
    with _settings(home) as settings, builders.platform(settings) as platform:
        second = BURST.index(SECOND_VERSION)
        for some in (BURST[:second], BURST[second:]):
            landed = [platform.land(file.source, file.day.isoformat(), file.text, file.name) for file in some]
            platform.materialize(*landed)
        return _everything(platform)


def disturbed(home: Path, fault: str, chance: random.Random) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the burst leaves in a live platform that something happens to, and figures of it."""
    os.environ["DATAFLOW_HOME"] = str(home)
    began = time.perf_counter()
    with (
        restarting_redis() if fault == "workers" else nullcontext(lambda: None) as restart_redis,
        _live(home) as live,
    ):
        faults: dict[str, Callable[[Live], None]] = {
            "killed": _killing(Live.kill_daemon, chance),
            "all": _killing(Live.kill_all, chance),
            "daemons": second_daemon,
            "workers": _losing_workers(chance, restart_redis),
        }
        with _disturbing(faults[fault], live):
            for file in BURST:
                _land(home, file)
                time.sleep(chance.uniform(0, 4))
        with _settings(home) as settings, open_instance(settings) as instance:
            _wait_until_quiet(instance)
            platform = Platform(settings, build_definitions(settings), instance)
            runs = instance.get_runs()
            statuses = Counter(f"{run.job_name} {run.status.value}" for run in runs)
            keys = Counter(run.tags.get("dagster/run_key", run.run_id) for run in runs if run.parent_run_id is None)
            figures = {
                "starts": live.starts,
                "runs": dict(sorted(statuses.items())),
                "run_keys_that_came_twice": sum(count > 1 for count in keys.values()),
                "uneven_days": len(uneven_days(settings)),
                "seconds": round(time.perf_counter() - began, 1),
            }
            return _everything(platform), figures


@contextmanager
def _live(home: Path) -> Iterator[Live]:
    """`dataflow up` of a home, until the block ends and no process of it is left."""
    live = Live(home)
    try:
        live.start()
        yield live
    finally:
        live.stop()
        kill_all(home.parent)


@contextmanager
def _settings(home: Path) -> Iterator[Settings]:
    """The settings of a home whose embedded server runs, as the environment says them too."""
    os.environ["DATAFLOW_HOME"] = str(home)
    with embedded.acquire(home) as lease:
        open_warehouse(load_settings())  # makes the tables, which it does on a server of its own alone
        os.environ["DATABASE_URL"] = lease.url
        try:
            yield load_settings()
        finally:
            del os.environ["DATABASE_URL"]
        embedded.release(home)


@contextmanager
def _disturbing(fault: Callable[[Live], None], live: Live) -> Iterator[None]:
    """Let something happen beside the block; return when it has."""
    with ThreadPoolExecutor(1, "fault") as pool:
        happening = pool.submit(fault, live)
        yield
        happening.result()


def _land(home: Path, file: Landed) -> None:
    path = home / "incoming"
    path.write_text(file.text)
    Landing(open_storage(load_settings())).put(file.source, file.day, path, file.name)


def _wait_until_quiet(instance: dg.DagsterInstance) -> None:
    """Return when nothing runs, and every sensor has looked after the last run and found nothing to do."""
    deadline = time.monotonic() + _QUIET_SECONDS
    quiet = 0
    while quiet < _QUIET_LOOKS:
        assert time.monotonic() < deadline, "it does not come to rest"
        before = len(instance.get_runs())
        time.sleep(_LOOK_SECONDS)
        is_quiet = not instance.get_runs(dg.RunsFilter(statuses=UNFINISHED)) and len(instance.get_runs()) == before
        quiet = quiet + 1 if is_quiet else 0


def _everything(platform: Platform) -> dict[str, Any]:
    """All that people query, and the lake."""
    storage = open_storage(platform.settings)
    lake = [rows_table(storage, find_source(name)) for name in ("streams", "users", "movies")]
    found: dict[str, Any] = {f"lake.{table.name}": sorted(table.scan().collect().rows()) for table in lake}
    found["lake.rejects"] = sorted(map(repr, rejects_table(storage).scan().drop("run").collect().rows()))
    for answer in all_answers():
        rows = platform.published(f"FROM published.{answer.name}")
        found[f"published.{answer.name}"] = sorted(map(repr, rows))
    return found | platform.tables()


def main() -> None:
    """Run and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("faults", nargs="+", choices=("killed", "all", "daemons", "workers"))
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    options = parser.parse_args()
    chance, found = random.Random(options.seed), {}
    os.environ.pop("DATABASE_URL", None)
    with tempfile.TemporaryDirectory(prefix="dataflow-bench-") as folder:
        Path(folder).chmod(0o755)
        expected = undisturbed(_home(folder, "undisturbed"))
        for fault in options.faults:
            left, figures = disturbed(_home(folder, fault), fault, chance)
            differs = [name for name, rows in expected.items() if left.get(name) != rows]
            found[fault] = {**figures, "differs": differs}
    print(json.dumps({"seed": options.seed, **found}, indent=2))  # noqa: T201
    sys.exit(any(figures["differs"] or figures["uneven_days"] for figures in found.values()))


def _home(folder: str, name: str) -> Path:
    home = Path(folder) / name / "home"
    home.mkdir(parents=True)
    return home


if __name__ == "__main__":
    main()
