"""The Dagster instance is kept in the warehouse's PostgreSQL and is the same one for every process."""

import gc
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from dataflow_assets.postgres import embedded
from dataflow_assets.postgres.server import database_url
from dataflow_assets.runtime.dagster_home import prepare_home
from dataflow_assets.runtime.instance import keeping_no_output, open_instance, open_quick_instance
from dataflow_assets.settings import Settings, load_settings
from dataflow_assets_tests.processes import kill_all, wait_until_gone
from dataflow_assets_tests.runtime.tiny_definitions import defs
from dataflow_assets_tests.waiting import wait_until
from dataflow_assets_tests.warehouse.builders import ask

_COUNT_RUNS = """
from dataflow_assets.runtime.instance import open_instance
from dataflow_assets.settings import load_settings
with open_instance(load_settings()) as instance:
    print(instance.get_runs_count())
"""

_COUNT_SESSIONS = """
    SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"""


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setenv("DATAFLOW_HOME", str(tmp_path / "home"))
    with embedded.acquire(tmp_path / "home", durable=False):
        yield load_settings()
        embedded.release(tmp_path / "home")
    kill_all(tmp_path)
    assert wait_until_gone(tmp_path) == {}


def count_elsewhere() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _COUNT_RUNS], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    )


def test_a_run_in_this_process_is_seen_by_another(settings: Settings) -> None:
    with open_instance(settings) as instance:
        assert defs.resolve_job_def("quick_job").execute_in_process(instance=instance).success
        ref = instance.get_ref()
    with dg.DagsterInstance.from_ref(ref) as passed_on:
        assert passed_on.get_runs_count() == 1
        assert passed_on.get_latest_materialization_event(dg.AssetKey("quick"))
    seen, _ = count_elsewhere().communicate(timeout=300)
    assert seen.strip() == "1"


def test_processes_that_open_a_new_instance_at_once(settings: Settings) -> None:
    counters = [count_elsewhere() for _ in range(3)]
    assert [counter.communicate(timeout=300)[0].strip() for counter in counters] == ["0", "0", "0"]


def test_the_instance_is_configured(settings: Settings) -> None:
    with open_instance(settings) as instance:
        assert not instance.telemetry_enabled
        assert not instance.nux_enabled
        assert instance.run_monitoring_enabled
        assert instance.run_retries_enabled
        assert not instance.run_retries_retry_on_asset_or_op_failure  # a bad file is no better when it is read again
        assert Path(instance.root_directory) == settings.dagster_home


def test_a_run_in_this_process_takes_no_slot(settings: Settings) -> None:
    with open_instance(settings) as instance:
        instance.event_log_storage.set_concurrency_slots("few", 1)

        @dg.asset(pool="few")
        def taken() -> int:
            return len(instance.event_log_storage.get_concurrency_info("few").claimed_slots)

        job = dg.Definitions(assets=[taken]).resolve_implicit_global_asset_job_def()
        assert job.execute_in_process(instance=instance).output_for_node("taken") == 0


def test_a_named_database_is_used(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", embedded.url(settings.home).replace("postgresql://", "postgres://"))
    with open_instance(load_settings()) as instance:
        assert instance.get_runs_count() == 0


def test_an_instance_that_is_closed_keeps_no_connection(settings: Settings) -> None:
    gc.disable()  # which would close them some day
    try:
        for _ in range(3):
            with open_instance(settings) as instance:
                assert instance.get_runs_count() == 0
                assert instance.all_instigator_state() == []
                assert instance.event_log_storage.get_pool_limits() == []
        wait_until(
            lambda: ask(database_url(settings), _COUNT_SESSIONS) == [(0,)]
        )  # the server's processes end soon after
    finally:
        gc.enable()


def test_instances_of_a_process_share_a_connection(settings: Settings) -> None:
    with open_instance(settings) as first, open_instance(settings) as second:
        for instance in (first, second):
            assert instance.get_runs_count() == 0
            assert instance.all_instigator_state() == []
            assert instance.event_log_storage.get_pool_limits() == []
        wait_until(lambda: ask(database_url(settings), _COUNT_SESSIONS) == [(1,)])


def test_the_home_is_prepared_once(settings: Settings) -> None:
    prepare_home(settings)
    written = (settings.dagster_home / "dagster.yaml").stat().st_mtime_ns
    prepare_home(settings)
    assert (settings.dagster_home / "dagster.yaml").stat().st_mtime_ns == written
    (settings.dagster_home / "dagster.yaml").write_text("telemetry: {enabled: true}")
    prepare_home(settings)
    assert "WarehouseStorage" in (settings.dagster_home / "dagster.yaml").read_text()
    assert [path.name for path in settings.dagster_home.iterdir()] == ["dagster.yaml"]


@dg.asset
def talkative() -> None:
    print("made it")  # noqa: T201


_TALKATIVE = dg.Definitions(assets=[talkative])


def test_what_the_runs_of_a_command_print_is_printed_by_it(
    settings: Settings, capfd: pytest.CaptureFixture[str]
) -> None:
    job = _TALKATIVE.resolve_implicit_global_asset_job_def()
    with open_quick_instance(settings) as instance:
        assert job.execute_in_process(instance=instance).success
    assert "made it\n" in capfd.readouterr().out
    assert list(settings.dagster_home.rglob("*.out")) == []


def test_what_a_run_within_a_run_prints_is_kept_with_the_output_of_that_one(settings: Settings) -> None:
    @dg.asset
    def around(context: dg.AssetExecutionContext) -> None:
        with keeping_no_output(context.instance) as instance:
            assert _TALKATIVE.resolve_implicit_global_asset_job_def().execute_in_process(instance=instance).success

    job = dg.Definitions(assets=[around]).resolve_implicit_global_asset_job_def()
    with open_instance(settings) as instance:
        assert job.execute_in_process(instance=instance).success
        assert instance.get_runs_count() == 2
    assert [kept.read_text() for kept in settings.dagster_home.rglob("*.out")] == ["made it\n"]
