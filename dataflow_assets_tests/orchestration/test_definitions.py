"""What Dagster is told: every asset, what it says of itself, its jobs and sensors, and loading them."""

import select
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from dataflow_assets.definitions import build_definitions
from dataflow_assets.orchestration.assets.collected import COLLECTORS
from dataflow_assets.orchestration.maintenance.analyze import ANALYZE
from dataflow_assets.runtime.instance import POOLS
from dataflow_assets.settings import load_settings
from dataflow_assets_tests.orchestration.builders import Platform, session, streams_csv
from dataflow_assets_tests.processes import environment_with

SNAPSHOTS = ("authors", "books", "movies", "reviews", "users")
DAILY = ("average_session", "book_based_share", "engaged_users", "median_session_size", "sessions_in_progress")
ANSWERS = (*DAILY, "movies_by_author_nationality")
KEYS = {
    *(f"{layer}/{name}" for layer in ("landing", "lake", "warehouse") for name in (*SNAPSHOTS, "streams")),
    *(f"{layer}/{name}" for layer in ("analytics", "published") for name in ANSWERS),
    *("lake/streams_days", "lake/rejects"),
}
EXTERNAL = {key for key in KEYS if key.startswith("landing/")} | {"lake/streams_days", "lake/rejects"}
_LOAD = """
from dataflow_assets.definitions import defs
print(*(spec.key.to_user_string() for spec in defs().resolve_all_asset_specs()))
"""


@pytest.fixture
def definitions(clean_environment: pytest.MonkeyPatch) -> dg.Definitions:
    """Those of settings that name nothing: no server is needed to look at them."""
    return build_definitions(load_settings())


def executables(definitions: dg.Definitions) -> Iterator[tuple[str, dg.AssetsDefinition]]:
    for asset in definitions.assets or ():
        if isinstance(asset, dg.AssetsDefinition) and asset.is_executable:
            yield asset.key.to_user_string(), asset


def test_these_assets_and_no_others(definitions: dg.Definitions) -> None:
    assert {spec.key.to_user_string() for spec in definitions.resolve_all_asset_specs()} == KEYS
    assert {name for name, _ in executables(definitions)} == KEYS - EXTERNAL


def test_the_group_of_an_asset_is_its_layer(definitions: dg.Definitions) -> None:
    specs = definitions.resolve_all_asset_specs()
    assert [spec.key for spec in specs if spec.group_name != spec.key.path[0]] == []
    assert {spec.group_name for spec in specs} == {"landing", "lake", "warehouse", "analytics", "published"}


def test_every_asset_says_what_it_is_and_whose(definitions: dg.Definitions) -> None:
    for spec in definitions.resolve_all_asset_specs():
        assert spec.description, spec.key
        assert spec.owners, spec.key
        assert spec.kinds, spec.key
        assert spec.partitions_def, spec.key


def test_every_asset_that_runs_says_its_columns(definitions: dg.Definitions) -> None:
    for name, asset in executables(definitions):
        schema = asset.specs_by_key[asset.key].metadata["dagster/column_schema"]
        assert schema.columns, name
        assert all(column.type for column in schema.columns), name


def test_every_asset_that_runs_takes_a_backfill_as_one_run(definitions: dg.Definitions) -> None:
    policies = {name: asset.backfill_policy for name, asset in executables(definitions)}
    assert {name: policy for name, policy in policies.items() if policy != dg.BackfillPolicy.single_run()} == {}


def test_every_asset_that_runs_is_in_the_pool_of_what_it_writes_or_reads(definitions: dg.Definitions) -> None:
    pools = {name.split("/")[0]: asset.op.pool for name, asset in executables(definitions)}
    assert pools == {"lake": "object_store", **dict.fromkeys(("warehouse", "analytics", "published"), "database")}


def test_the_pools_that_are_shown_are_those_that_are_used(definitions: dg.Definitions) -> None:
    assert {asset.op.pool for _, asset in executables(definitions)} | {COLLECTORS} == set(POOLS)


def test_every_job_schedule_and_sensor_says_what_it_does(definitions: dg.Definitions) -> None:
    repository = definitions.get_repository_def()
    jobs = [job for job in repository.get_all_jobs() if not job.name.startswith("__")]
    says = {one.name: one.description for one in repository.schedule_defs}
    says |= {one.name: one.description for one in repository.sensor_defs}
    says |= {one.name: one.description for one in jobs}
    assert [name for name, description in says.items() if not description] == []
    ops = [node.definition for job in jobs for node in job.nodes if not job.asset_layer.executable_asset_keys]
    assert [op.name for op in ops if not op.description] == []


def test_the_definitions_are_loadable(definitions: dg.Definitions) -> None:
    dg.Definitions.validate_loadable(definitions)


def test_every_job_resolves_and_holds_one_grain(definitions: dg.Definitions) -> None:
    jobs = {job.name: definitions.resolve_job_def(job.name) for job in definitions.jobs or ()}
    grains = {
        name: {type(job.asset_layer.get(key).partitions_def) for key in _run_by(job)} for name, job in jobs.items()
    }
    day, month = dg.DailyPartitionsDefinition, dg.MonthlyPartitionsDefinition
    assert grains == {
        **{name: {day} for name in ("lake", "warehouse", "answers_daily")},
        "answers_monthly": {month},
    }


def test_the_event_tables_are_analyzed_every_night(platform: Platform) -> None:
    (schedule,) = (known for known in platform.definitions.schedules or () if known.name == f"{ANALYZE}_nightly")
    assert isinstance(schedule, dg.ScheduleDefinition)
    assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("0 3 * * *", platform.settings.timezone)
    platform.land("streams", "2021-12-04", streams_csv(session("2021-12-04T10:00")))
    for asset in ("lake/streams", "warehouse/streams"):
        assert platform.run(asset, "2021-12-04").success
    known = "SELECT reltuples FROM pg_class WHERE oid = 'warehouse.streams'::regclass"
    assert platform.query(known) == [(-1,)]
    job = platform.definitions.resolve_job_def(schedule.job_name)
    assert job.execute_in_process(instance=platform.instance).success
    assert platform.query(known) == [(1,)]


def test_every_asset_that_runs_is_in_one_job(definitions: dg.Definitions) -> None:
    jobs = [definitions.resolve_job_def(job.name) for job in definitions.jobs or ()]
    assert sorted(key.to_user_string() for job in jobs for key in _run_by(job)) == sorted(KEYS - EXTERNAL)


def _run_by(job: dg.JobDefinition) -> set[dg.AssetKey]:
    return set(job.asset_layer.executable_asset_keys) & job.asset_layer.selected_asset_keys


def test_the_sensors_are_on_by_default(definitions: dg.Definitions) -> None:
    sensors = [sensor for sensor in definitions.sensors or () if isinstance(sensor, dg.SensorDefinition)]
    assert [sensor.name for sensor in sensors] == ["landing_sensor", "warehouse_sensor", "answers_sensor"]
    assert {sensor.default_status for sensor in sensors} == {dg.DefaultSensorStatus.RUNNING}


def _load_elsewhere(folder: Path, **variables: str) -> set[str]:
    """The asset keys that a fresh interpreter finds, working in an empty folder."""
    repository = str(Path(__file__).parents[2])
    loaded = subprocess.run(
        [sys.executable, "-B", "-c", _LOAD],
        cwd=folder,
        env=environment_with(PYTHONPATH=repository) | variables,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert loaded.returncode == 0, loaded.stderr
    return set(loaded.stdout.split())


def test_loading_makes_no_file_and_starts_no_server(tmp_path: Path) -> None:
    assert _load_elsewhere(tmp_path, TZ="Pacific/Apia", HOME=str(tmp_path), TMPDIR=str(tmp_path)) == KEYS
    assert list(tmp_path.rglob("*")) == []


def test_loading_connects_to_nothing(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        found = _load_elsewhere(
            tmp_path,
            DATABASE_URL=f"postgresql://somebody@{address}/warehouse",
            S3_BUCKET="bucket",
            AWS_ENDPOINT_URL=f"http://{address}",
            DATAFLOW_TIMEZONE="Asia/Kolkata",
        )
        assert found == KEYS
        assert select.select([listener], [], [], 0)[0] == []


def test_settings_decide_where_things_lie(clean_environment: pytest.MonkeyPatch) -> None:
    clean_environment.setenv("S3_BUCKET", "bucket")
    specs = build_definitions(load_settings()).resolve_all_asset_specs()
    landing = {spec.key.path[-1]: spec.kinds for spec in specs if spec.group_name == "landing"}
    assert landing["streams"] == {"csv", "s3"}
    assert landing["authors"] == {"json", "s3"}
