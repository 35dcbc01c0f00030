"""A whole platform whose runs are made by Celery workers: the reference data gives the known answers, whatever dies.

Here: `dataflow up` and `dataflow worker` as a user starts them, once. Not here: a worker alone (see `test_workers`).
"""

import json
import os
import subprocess
import sysconfig
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import date
from pathlib import Path

import dagster as dg
import pytest

from dataflow_assets.cli.inspect import print_answers
from dataflow_assets.definitions import find_job
from dataflow_assets.doctor.workers import workers
from dataflow_assets.landing.deliveries import Landing
from dataflow_assets.landing.storage import open_storage
from dataflow_assets.orchestration.automation.jobs import UNFINISHED
from dataflow_assets.orchestration.runs.backfill import Backfill, find_asset
from dataflow_assets.runtime.instance import open_instance
from dataflow_assets.runtime.slots import count_slots
from dataflow_assets.runtime.tags import WORKER
from dataflow_assets.settings import Settings, load_settings
from dataflow_assets.sources import all_sources
from dataflow_assets_tests.known_answers import require_known_answers
from dataflow_assets_tests.live_platform import up
from dataflow_assets_tests.loading import uneven_days
from dataflow_assets_tests.redis_server import free_port, redis
from dataflow_assets_tests.runtime.celery.workers import kill_group, names
from dataflow_assets_tests.runtime.test_run_server import wait_until

_NOTICED_SECONDS = 60
_STARTED, _FAILURE = dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.FAILURE


@contextmanager
def working(folder: Path, redis_url: str) -> Iterator[subprocess.Popen[bytes]]:
    """`dataflow worker` for two runs at once, once it gives signs of life; its group gets SIGKILL at the end."""
    before = names(redis_url)
    process = subprocess.Popen(
        [Path(sysconfig.get_path("scripts")) / "dataflow", "worker", "--concurrency", "2"],
        cwd=folder,
        stderr=(folder / "worker").open("a"),
        env=dict(os.environ),
        start_new_session=True,
    )
    try:
        wait_until(lambda: bool(names(redis_url) - before), seconds=120)
        yield process
    finally:
        kill_group(process)


def _land(settings: Settings, data: Path) -> None:
    landing = Landing(open_storage(settings))
    for source in all_sources():
        (path,) = data.glob(f"*/{source.name}{source.reader.suffix}")
        landing.put(source.name, date(2021, 12, 31), path)


def test_the_reference_data_gives_the_known_answers_though_workers_and_redis_die(
    clean_environment: pytest.MonkeyPatch,
    settings: Settings,
    reference_data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    port = free_port()
    url = f"redis://127.0.0.1:{port}/0"
    clean_environment.setenv("REDIS_URL", url)
    settings = load_settings()
    with ExitStack() as server, open_instance(settings) as instance, up_with_redis(tmp_path, server, port):
        assert workers(settings).state == "problem"
        with working(tmp_path, url) as worker:
            assert workers(settings).state == "ok", workers(settings)
            _land(settings, reference_data)
            wait_until(lambda: len(under_way(instance)) == 2, seconds=120)
            kill_group(worker)
        killed, lost = time.monotonic(), under_way(instance)
        assert lost, "both runs had ended just then"
        server.close()  # Redis too, with all that it held
        server.enter_context(redis(port))
        with working(tmp_path, url):
            wait_until(lambda: not under_way(instance, {run.run_id for run in lost}), seconds=_NOTICED_SECONDS)
            noticed = time.monotonic() - killed
            wait_until(lambda: _is_quiet(instance) and _has_known_answers(settings, capsys), seconds=400)
            days = _backfill(settings, instance)
            assert (sum(days), len(days) > 1) == (30, True), f"a month is shared out among two: {days}"
            assert _has_known_answers(settings, capsys)
    runs = instance.get_runs()
    failed = {run.run_id for run in runs if run.status is _FAILURE}
    assert failed <= {run.run_id for run in lost}
    assert failed <= {run.parent_run_id for run in runs}, "a lost run was not made again"
    assert noticed < _NOTICED_SECONDS
    assert uneven_days(settings) == []


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


@contextmanager
def up_with_redis(folder: Path, server: ExitStack, port: int) -> Iterator[None]:
    """`dataflow up` beside a Redis, which the stack holds."""
    with server:
        server.enter_context(redis(port))
        with up(folder):
            yield


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
