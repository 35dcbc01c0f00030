"""A whole platform whose runs are made by Celery workers: the reference data gives the known answers, whatever dies.

Here: `dataflow up` and `dataflow worker` as a user starts them, once. Not here: a worker alone (see `test_workers`).
"""

import json
import os
import subprocess
import sysconfig
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import dagster as dg
import psycopg2
import pytest

from dataflow_assets.cli.inspect import print_answers
from dataflow_assets.definitions import find_job
from dataflow_assets.doctor.workers import workers
from dataflow_assets.landing.deliveries import Landing
from dataflow_assets.landing.storage import open_storage
from dataflow_assets.orchestration.automation.jobs import UNFINISHED
from dataflow_assets.orchestration.runs.backfill import Backfill, find_asset
from dataflow_assets.runtime.celery.signs import KEPT_SECONDS
from dataflow_assets.runtime.dagster_home import build_environment
from dataflow_assets.runtime.instance import open_instance
from dataflow_assets.runtime.slots import count_slots
from dataflow_assets.runtime.tags import WORKER, partitions_of
from dataflow_assets.settings import Settings, load_settings
from dataflow_assets.sources import all_sources
from dataflow_assets_tests.known_answers import require_known_answers
from dataflow_assets_tests.live_platform import up
from dataflow_assets_tests.loading import uneven_days
from dataflow_assets_tests.processes import kill
from dataflow_assets_tests.redis_server import restarting_redis
from dataflow_assets_tests.runtime.celery.workers import kill_group, names
from dataflow_assets_tests.waiting import wait_until

_NOTICED_SECONDS = 60  # the longest that it takes on a machine that is not busy
_STARTED, _FAILURE = dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.FAILURE
_SUCCESS = dg.DagsterRunStatus.SUCCESS


def _were_made_again(lost: set[str], runs: Sequence[dg.DagsterRun]) -> bool:
    return all(_was_made_again(run, runs) for run in runs if run.run_id in lost)


def _was_made_again(lost: dg.DagsterRun, runs: Sequence[dg.DagsterRun]) -> bool:
    """By Dagster, as its retry, or by the sensor that asked for it.

    A daemon passed a lost run over where it looked at the event of its failure before that was the run's status (see
    `EventLog`), which two daemons did more often than one.
    """
    others = [run for run in runs if run.run_id != lost.run_id and run.asset_selection == lost.asset_selection]
    same = [run for run in others if partitions_of(run.tags) == partitions_of(lost.tags)]
    return any(run.parent_run_id == lost.run_id or run.status is _SUCCESS for run in same)


@contextmanager
def working(folder: Path, concurrency: int) -> Iterator[subprocess.Popen[bytes]]:
    """`dataflow worker` for so many runs at once, once it gives signs of life; its group gets SIGKILL at the end."""
    redis_url = os.environ["REDIS_URL"]
    before = names(redis_url)
    process = subprocess.Popen(
        [Path(sysconfig.get_path("scripts")) / "dataflow", "worker", "--concurrency", str(concurrency)],
        cwd=folder,
        stderr=(folder / "worker").open("a"),
        env=dict(os.environ),
        start_new_session=True,
    )
    try:
        wait_until(lambda: bool(names(redis_url) - before))
        yield process
    finally:
        kill_group(process)


def _land(settings: Settings, data: Path) -> None:
    landing = Landing(open_storage(settings))
    for source in all_sources():
        (path,) = data.glob(f"*/{source.name}{source.reader.suffix}")
        landing.put(source.name, date(2021, 12, 31), path)


def test_the_reference_data_gives_the_known_answers_though_workers_and_redis_die(
    settings: Settings,
    reference_data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with restarting_redis() as restart_redis, open_instance(load_settings()) as instance, up(tmp_path):
        settings = load_settings()
        assert workers(settings).state == "problem"
        with working(tmp_path, concurrency=4) as worker:
            assert workers(settings).state == "ok", workers(settings)
            with _no_delivery_recorded(settings):
                _land(settings, reference_data)
                wait_until(lambda: len(under_way(instance)) == 4)  # in the middle; they have every slot of their pool
                lost = {run.run_id for run in under_way(instance)}
                kill_group(worker)
        restart_redis()  # which forgets all that it held
        with working(tmp_path, concurrency=2), _second_daemon(settings):
            wait_until(lambda: not under_way(instance, lost))
            wait_until(lambda: _were_made_again(lost, instance.get_runs()), seconds=600)
            wait_until(lambda: _is_quiet(instance) and _has_known_answers(settings, capsys), seconds=600)
            days = _backfill(settings, instance)
            assert (sum(days), len(days) > 1) == (30, True), f"a month is shared out among two: {days}"
            assert _has_known_answers(settings, capsys)
        runs = instance.get_runs()
        assert lost <= {run.run_id for run in runs if run.status is _FAILURE}
        assert all(_starts(instance, run) <= 1 for run in runs), "a run was made by two"
        assert KEPT_SECONDS + instance.run_monitoring_poll_interval_seconds < _NOTICED_SECONDS
    assert uneven_days(settings) == []


@contextmanager
def _no_delivery_recorded(settings: Settings) -> Iterator[None]:
    """Let no run record a delivery until the block ends: it waits in the middle, and what it has done so far stands."""
    assert settings.database_url
    connection = psycopg2.connect(settings.database_url.get_secret_value())
    try:
        with connection.cursor() as cursor:
            cursor.execute("LOCK TABLE ledger.deliveries IN EXCLUSIVE MODE")
        yield
    finally:
        connection.close()


@contextmanager
def _second_daemon(settings: Settings) -> Iterator[None]:
    """Another daemon of the same instance, as nobody should start it, beside that of `dataflow up`."""
    scripts, workspace = Path(sysconfig.get_path("scripts")), settings.home / "workspace.yaml"
    environment = os.environ | build_environment(settings)
    process = subprocess.Popen([scripts / "dagster-daemon", "run", "-w", workspace], env=environment)
    try:
        yield
        assert process.poll() is None, "the second daemon ended"
    finally:
        kill(process.pid)
        process.wait()


def _starts(instance: dg.DagsterInstance, run: dg.DagsterRun) -> int:
    return len(instance.all_logs(run.run_id, of_type=dg.DagsterEventType.RUN_START))


def _backfill(settings: Settings, instance: dg.DagsterInstance) -> list[int]:
    """Have the workers make a month of the warehouse again, as the command does; how many days each run made."""
    wanted = Backfill(
        settings, find_asset("warehouse/streams"), date(2021, 12, 1), date(2021, 12, 30), count_slots(settings)
    )
    days: list[int] = []
    wanted.run_on_workers(
        dg.build_reconstructable_job(find_job.__module__, find_job.__name__, (wanted.job,)),
        instance,
        wanted.ranges(only_stale=False),
        lambda _: None,
        lambda _, made: days.append(made.partitions),
    )
    return days


def under_way(instance: dg.DagsterInstance, of: set[str] | None = None) -> list[dg.DagsterRun]:
    """The runs that a worker has begun and not ended, of all or of some."""
    runs = instance.get_runs(dg.RunsFilter(run_ids=sorted(of) if of else None, statuses=[_STARTED]))
    return [run for run in runs if WORKER in run.tags]


def _is_quiet(instance: dg.DagsterInstance) -> bool:
    time.sleep(2)
    return not instance.get_runs(dg.RunsFilter(statuses=UNFINISHED))


def _has_known_answers(settings: Settings, capsys: pytest.CaptureFixture[str]) -> bool:
    capsys.readouterr()
    print_answers(settings, {}, as_json=True)
    try:
        require_known_answers(json.loads(capsys.readouterr().out), "UTC")
    except AssertionError:
        return False
    return True
