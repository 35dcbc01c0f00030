"""Runs go to Celery workers, whatever becomes of these and of Redis.

Here: workers with the smallest code location, asked as Dagster's daemon asks them; the tests share Redis and a
database. Not here: a whole platform (see `test_platform_on_workers`).
"""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest

from dataflow_assets.core.ports import free_port
from dataflow_assets.orchestration.runs import on_workers
from dataflow_assets.runtime.celery import launcher
from dataflow_assets.runtime.celery import worker as worker_program
from dataflow_assets.runtime.celery.queues import queue_of
from dataflow_assets.runtime.celery.signs import connect, read_workers
from dataflow_assets.runtime.code_version import code_version
from dataflow_assets.runtime.instance import open_instance
from dataflow_assets.settings import Settings, load_settings, variable_names
from dataflow_assets_tests.faults.postgres import IMMEDIATE, own_server
from dataflow_assets_tests.processes import kill, processes_of
from dataflow_assets_tests.redis_server import redis
from dataflow_assets_tests.runtime import tiny_definitions
from dataflow_assets_tests.runtime.celery.workers import OLDER, kill_group, working
from dataflow_assets_tests.runtime.test_forks import HEAVY
from dataflow_assets_tests.runtime.test_run_server import begin_slow_run, launch, process_of, status, wait_for
from dataflow_assets_tests.waiting import wait_until

_CANCELED, _FAILURE, _SUCCESS = dg.DagsterRunStatus.CANCELED, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.SUCCESS


@dataclass(frozen=True)
class Running:
    """An instance of Dagster whose runs go to Celery workers, and its Redis."""

    settings: Settings
    instance: dg.DagsterInstance
    port: int
    server: ExitStack = field(default_factory=ExitStack)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start_redis(self) -> None:
        self.server.enter_context(redis(self.port))

    def run(self, run_id: str) -> dg.DagsterRun:
        run = self.instance.get_run_by_id(run_id)
        assert run
        return run

    def health(self, run_id: str) -> str:
        return str(self.instance.run_launcher.check_run_worker_health(self.run(run_id)).status.value)

    def most_runs(self) -> int:
        config = self.instance.get_concurrency_config().run_queue_config
        assert config
        return config.max_concurrent_runs

    def is_answered(self) -> bool:
        """Whether a worker hears what it is asked over Redis."""
        celery = self.instance.run_launcher.celery  # type: ignore[attr-defined]
        with celery.connection_for_write() as connection:
            return bool(celery.control.ping(timeout=2, limit=1, connection=connection))

    def begin_slow_run(self) -> str:
        """Launch a run, and wait until its code works and has no more to store."""
        return begin_slow_run(self.instance, self.settings.home)


@contextmanager
def running_with(database_url: str, home: Path) -> Iterator[Running]:
    port = free_port()
    with pytest.MonkeyPatch.context() as environment:
        for name in variable_names():
            environment.delenv(name, raising=False)
        environment.setenv("DATAFLOW_HOME", str(home))
        environment.setenv("DATABASE_URL", database_url)
        environment.setenv("REDIS_URL", f"redis://127.0.0.1:{port}/0")
        settings = load_settings()
        with open_instance(settings) as instance:
            running = Running(settings, instance, port)
            with running.server:
                running.start_redis()
                yield running


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, module_database_url: str) -> Iterator[Running]:
    with running_with(module_database_url, tmp_path_factory.mktemp("celery") / "home") as running:
        yield running


@pytest.fixture(scope="module")
def worker(running: Running) -> Iterator[Any]:
    """A worker that makes one run at once; what ends it comes last."""
    with working(running.settings, running.url) as process:
        yield process


def test_its_processes_tell_of_which_home_they_are(running: Running, worker: Any) -> None:
    launched = launch(running.instance, "quick_job")
    wait_for(running.instance, launched, _SUCCESS)
    assert {worker.pid, process_of(running.instance, launched)} <= {*processes_of(running.settings.home)}


def test_one_process_makes_run_after_run_and_each_once(running: Running, worker: Any) -> None:
    runs = [launch(running.instance, "quick_job") for _ in range(2)]
    again = SimpleNamespace(dagster_run=running.run(runs[1]), workspace=None)
    running.instance.run_launcher.launch_run(again)  # type: ignore[arg-type] # as a second daemon would
    runs.append(launch(running.instance, "quick_job"))
    for run in runs:
        wait_for(running.instance, run, _SUCCESS)
    assert len({process_of(running.instance, run) for run in runs}) == 1
    assert len(running.instance.all_logs(runs[1], of_type=dg.DagsterEventType.RUN_START)) == 1


def test_runs_are_canceled_under_way_and_while_they_wait(running: Running, worker: Any) -> None:
    under_way = running.begin_slow_run()
    waiting, following = launch(running.instance, "slow_job"), launch(running.instance, "quick_job")
    for run in (waiting, under_way):
        assert running.instance.run_launcher.terminate(run)
    wait_for(running.instance, under_way, _CANCELED)
    wait_for(running.instance, following, _SUCCESS)
    assert status(running.instance, waiting) is _CANCELED
    assert not running.instance.run_launcher.terminate(under_way)


def test_a_run_whose_process_is_killed_has_failed_and_the_next_one_is_made(running: Running, worker: Any) -> None:
    killed = running.begin_slow_run()
    kill(process_of(running.instance, killed))
    wait_for(running.instance, killed, _FAILURE)
    said = [entry.message for entry in running.instance.all_logs(killed)]
    assert any("SIGKILL" in message for message in said), said
    wait_for(running.instance, launch(running.instance, "quick_job"), _SUCCESS)


def test_a_run_that_its_living_worker_makes_no_more_is_lost(
    running: Running, worker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = launch(running.instance, "quick_job")
    wait_for(running.instance, run, _SUCCESS)
    assert running.health(run) == "RUNNING"  # the worker may not have named it yet
    monkeypatch.setattr(launcher, "MISSED_SECONDS", 0.0)
    wait_until(lambda: running.health(run) == "FAILED")  # once the worker says that it makes another run, or none


def test_redis_may_go_and_come_back_empty(running: Running, worker: Any) -> None:
    under_way = running.begin_slow_run()
    assert running.health(under_way) == "RUNNING"
    running.server.close()
    assert running.health(under_way) == "RUNNING"
    wait_until(lambda: running.most_runs() == 0)  # nothing is launched until it is back
    running.start_redis()
    assert running.health(under_way) == "RUNNING"  # Redis does not know the worker yet
    wait_until(lambda: running.most_runs() == 1)
    wait_until(running.is_answered)  # it hears again what Dagster asks for
    following = launch(running.instance, "quick_job")
    assert running.instance.run_launcher.terminate(under_way)
    wait_for(running.instance, following, _SUCCESS)


def test_a_worker_of_older_code_is_given_no_run(running: Running, worker: Any) -> None:
    with working(running.settings, running.url, 3, start=("-c", OLDER)):
        assert {one.code for one in read_workers(connect(running.url))} == {"0-0-1-older", code_version()}
        assert running.most_runs() == 1
        for run in [launch(running.instance, "quick_job") for _ in range(3)]:
            wait_for(running.instance, run, _SUCCESS)
            (by,) = (one for one in read_workers(connect(running.url)) if one.code == code_version())
            assert running.run(run).tags["dataflow/worker"] == by.name


def test_a_worker_that_ends_lets_its_run_end_and_takes_no_other(running: Running, worker: Any) -> None:
    under_way = running.begin_slow_run()
    worker.send_signal(signal.SIGTERM)
    wait_until(lambda: running.most_runs() == 0)
    assert running.health(under_way) == "RUNNING"
    waiting = launch(running.instance, "quick_job")
    Path(running.settings.home, "end-slow-runs").touch()
    wait_for(running.instance, under_way, _SUCCESS)
    assert worker.wait(300) == 0
    assert status(running.instance, waiting) is dg.DagsterRunStatus.STARTING
    Path(running.settings.home, "end-slow-runs").unlink()


def test_a_worker_that_is_killed_with_its_run_is_lost(running: Running) -> None:
    with working(running.settings, running.url) as lost:
        run = running.begin_slow_run()
        kill_group(lost)
    wait_until(lambda: running.health(run) == "FAILED")


def test_a_worker_and_its_run_go_on_once_postgresql_is_back(tmp_path: Path) -> None:
    with (
        own_server(tmp_path / "server") as server,
        running_with(server.url, tmp_path / "home") as running,
        working(running.settings, running.url),
    ):
        under_way = running.begin_slow_run()
        server.restart(IMMEDIATE)
        Path(running.settings.home, "end-slow-runs").touch()
        wait_for(running.instance, under_way, _SUCCESS)
        wait_for(running.instance, launch(running.instance, "quick_job"), _SUCCESS)


def test_a_command_gives_up_a_run_that_no_worker_begins(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_workers, "START_SECONDS", 0.0)
    monkeypatch.setattr(on_workers, "HEALTH_SECONDS", 0.0)
    wait_until(lambda: not read_workers(connect(running.url)))
    job = dg.build_reconstructable_job(tiny_definitions.__name__, "quick_job")
    [(number, run)] = on_workers.run_on_workers(running.instance, job, [dg.AssetKey("quick")], [{}], 1)
    assert (number, run.status) == (0, _FAILURE)
    assert "Workers that live: none" in on_workers.explain_failed_run(running.instance, run)


def test_what_a_worker_copies_has_no_threads_that_would_be_missing_in_the_copy() -> None:
    program = f"import sys, {worker_program.__name__}; print(*({HEAVY} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=300)
    assert done.stdout.strip() == ""


def test_the_queue_of_a_run_is_the_layer_that_it_makes() -> None:
    def of(*keys: str, job: str = "__ASSET_JOB") -> str:
        selection = {dg.AssetKey(key.split("/")) for key in keys} or None
        return queue_of(dg.DagsterRun(job_name=job, asset_selection=selection))

    assert of("lake/streams") == "lake"
    assert of("warehouse/streams", "warehouse/users") == "warehouse"
    assert of("analytics/engaged_users", "published/engaged_users") == "analytics"
    assert of("lake/streams", "warehouse/streams") == "other"
    assert of("landing/streams") == "other"
    assert of(job="lake") == "lake"
    assert of(job="housekeeping") == "other"
