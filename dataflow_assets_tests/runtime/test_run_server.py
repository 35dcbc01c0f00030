"""Runs go to processes that have imported everything already, one after another, and none is lost with its process.

Here: a run server with the smallest code location, asked as Dagster's launcher asks it. Not here: that `dataflow up`
has one (see `test_up`).
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import pytest

from dataflow_assets.runtime import run_launcher, run_server
from dataflow_assets.runtime.dagster_home import build_environment
from dataflow_assets.runtime.instance import fail_stranded_runs, is_stranded, open_instance
from dataflow_assets.runtime.run_server import is_served
from dataflow_assets.settings import Settings
from dataflow_assets_tests.processes import kill, kill_all, processes_of
from dataflow_assets_tests.runtime import tiny_definitions
from dataflow_assets_tests.waiting import wait_until

_MODULE = tiny_definitions.__name__
_PROCESS = re.compile(r"Started process for run \(pid: (\d+)\)")
_FAILURE, _SUCCESS = dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.SUCCESS


@pytest.fixture
def instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    with open_instance(settings) as instance:
        yield instance


@pytest.fixture
def folder(settings: Settings, instance: dg.DagsterInstance) -> Iterator[str]:
    """DAGSTER_HOME, in which a run server listens until the test ends."""
    with serving(settings) as _:
        yield str(settings.dagster_home)


@contextmanager
def serving(settings: Settings) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", run_server.__name__, str(settings.dagster_home), _MODULE]
    server = subprocess.Popen(command, env=os.environ | build_environment(settings), cwd=Path(__file__).parents[2])
    try:
        wait_until(lambda: is_served(str(settings.dagster_home)))
        yield server
    finally:
        kill(server.pid)
        server.wait()
        while processes_of(settings.home):  # one of them may have started another just now
            kill_all(settings.home)


def launch(instance: dg.DagsterInstance, job: str) -> str:
    """Launch a run of a job, as the daemon does."""
    pointer = dg.reconstructable(getattr(tiny_definitions, job))
    run = instance.create_run_for_job(
        pointer.get_definition(), job_code_origin=pointer.get_python_origin(), status=dg.DagsterRunStatus.STARTING
    )
    instance.run_launcher.launch_run(SimpleNamespace(dagster_run=run, workspace=None))  # type: ignore[arg-type]
    return run.run_id


def status(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRunStatus:
    run = instance.get_run_by_id(run_id)
    assert run
    return run.status


def process_of(instance: dg.DagsterInstance, run_id: str) -> int:
    """The process that makes a run, once it says so."""
    found: list[int] = []

    def is_known() -> bool:
        said = [entry.message for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)]
        found.extend(int(match[1]) for message in said if (match := _PROCESS.search(message)))
        return bool(found)

    wait_until(is_known)
    return found[0]


def wait_for(instance: dg.DagsterInstance, run_id: str, wanted: dg.DagsterRunStatus) -> None:
    wait_until(lambda: status(instance, run_id) is wanted)


def ignores(process: int, number: int) -> bool:
    ignored = re.search(r"SigIgn:\s*(\w+)", Path(f"/proc/{process}/status").read_text())
    assert ignored
    return bool(int(ignored[1], 16) >> (number - 1) & 1)


def begin_slow_run(instance: dg.DagsterInstance, home: Path) -> str:
    """Launch a run, and wait until its code works and has no more to store."""
    at_work = home / "slow-runs"
    at_work.unlink(missing_ok=True)
    run = launch(instance, "slow_job")
    wait_until(at_work.exists)
    return run


def test_one_process_makes_run_after_run(instance: dg.DagsterInstance, folder: str) -> None:
    processes = set()
    for _ in range(3):
        run = launch(instance, "quick_job")
        wait_for(instance, run, _SUCCESS)
        processes.add(process_of(instance, run))
    assert len(processes) == 1


def test_a_run_does_not_wait_for_a_long_one(instance: dg.DagsterInstance, folder: str) -> None:
    long, short = launch(instance, "slow_job"), launch(instance, "quick_job")
    wait_for(instance, short, _SUCCESS)
    assert process_of(instance, long) != process_of(instance, short)
    wait_for(instance, long, dg.DagsterRunStatus.STARTED)


def test_a_run_whose_process_is_killed_has_failed_and_the_next_one_is_made(
    instance: dg.DagsterInstance, folder: str
) -> None:
    killed = launch(instance, "slow_job")
    kill(process_of(instance, killed))
    following = launch(instance, "quick_job")
    wait_for(instance, killed, _FAILURE)
    said = [entry.message for entry in instance.all_logs(killed)]
    assert any("by signal 9 (SIGKILL)" in message for message in said), said
    wait_for(instance, following, _SUCCESS)


def test_a_run_is_canceled_and_its_process_makes_the_next(
    settings: Settings, instance: dg.DagsterInstance, folder: str
) -> None:
    canceled = begin_slow_run(instance, settings.home)
    process = process_of(instance, canceled)
    assert instance.run_launcher.terminate(canceled)
    wait_for(instance, canceled, dg.DagsterRunStatus.CANCELED)
    assert not instance.run_launcher.terminate(canceled)
    wait_until(lambda: ignores(process, signal.SIGINT))  # it is free: no other is started meanwhile
    following = launch(instance, "quick_job")
    wait_for(instance, following, _SUCCESS)
    assert process_of(instance, following) == process


def test_a_run_that_waits_is_canceled(instance: dg.DagsterInstance, folder: str) -> None:
    launch(instance, "slow_job")
    waiting = launch(instance, "slow_job")
    assert instance.run_launcher.terminate(waiting)
    wait_for(instance, waiting, dg.DagsterRunStatus.CANCELED)


def test_a_lost_server_leaves_runs_that_are_known_to_be_stranded(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    with serving(settings) as server:
        run_id = launch(instance, "slow_job")
        wait_for(instance, run_id, dg.DagsterRunStatus.STARTED)
        run = instance.get_run_by_id(run_id)
        assert run
        assert not is_stranded(run)
        kill(server.pid)
        assert is_stranded(run)
    fail_stranded_runs(instance)
    assert status(instance, run_id) is _FAILURE


def test_its_socket_is_for_its_user_alone_and_taken_over_from_one_that_was_killed(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    for _ in range(2):
        with serving(settings):
            mode = (settings.dagster_home / run_server.SOCKET).stat().st_mode
            assert oct(mode & 0o777) == "0o600"
            assert "not_at_all" not in run_server.ask(str(settings.dagster_home), {"cancel": "not_at_all"})


def test_without_a_server_the_code_server_makes_the_run(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[str] = []
    monkeypatch.setattr(
        dg.DefaultRunLauncher, "launch_run", lambda _, context: taken.append(context.dagster_run.run_id)
    )
    assert isinstance(instance.run_launcher, run_launcher.WorkerRunLauncher)
    assert launch(instance, "quick_job") == taken[0]


def test_an_interrupt_between_two_runs_ends_no_worker(instance: dg.DagsterInstance, folder: str) -> None:
    first = launch(instance, "quick_job")
    wait_for(instance, first, _SUCCESS)
    worker = process_of(instance, first)
    wait_until(lambda: ignores(worker, signal.SIGINT))  # a run is a success a moment before its process is free
    os.kill(worker, signal.SIGINT)
    second = launch(instance, "quick_job")
    wait_for(instance, second, _SUCCESS)
    assert process_of(instance, second) == worker
