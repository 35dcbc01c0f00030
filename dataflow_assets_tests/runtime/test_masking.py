"""No secret stands in what Dagster keeps of runs and ticks, whoever said it: in the database, or in files."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from dataflow_assets.runtime.dagster_home import build_environment
from dataflow_assets.runtime.instance import open_instance
from dataflow_assets.settings import Settings, load_settings
from dataflow_assets_tests.orchestration.builders import postgres
from dataflow_assets_tests.orchestration.ticks import fail_ticks

OURS = "wJalrXUtnFEMI/K7MDENG"  # of the settings
THEIRS = "s3cr3t-of-another"  # of nobody's settings
REASON = f"cannot reach postgresql://reader:{THEIRS}@other.example/db (aws_session_token=a1b2c3d4), key {OURS}"
HIDDEN = (OURS, THEIRS, "a1b2c3d4")


class LoadError(Exception):
    """What a library raises, with its cause."""


@dg.asset(check_specs=[dg.AssetCheckSpec("whole", asset="talkative")])
def talkative(context: dg.AssetExecutionContext) -> Any:
    print(REASON)  # noqa: T201
    print(REASON, file=sys.stderr)  # noqa: T201
    context.log.warning(REASON)
    yield dg.AssetCheckResult(passed=False, description=REASON, metadata={"of": dg.MetadataValue.json({"why": REASON})})
    try:
        raise OSError(REASON)
    except OSError as error:
        raise LoadError(f"while loading: {REASON}") from error


DEFINITIONS = dg.Definitions(assets=[talkative])


@pytest.fixture
def secretive(settings: Settings, clean_environment: pytest.MonkeyPatch) -> Settings:
    clean_environment.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    clean_environment.setenv("AWS_SECRET_ACCESS_KEY", OURS)
    return load_settings()


def kept_in_database(settings: Settings) -> str:
    """All that stands in any table of the database."""
    with postgres(settings) as cursor:
        cursor.execute(
            "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        )
        tables = [name for (name,) in cursor.fetchall()]
        assert {"event_logs", "job_ticks", "runs"} <= set(tables)
        texts = []
        for table in tables:
            cursor.execute(f"SELECT t::text FROM {table} AS t")
            texts += [text for (text,) in cursor.fetchall()]
    return "\n".join(texts)


def kept_in_files(settings: Settings) -> str:
    files = [path for path in settings.dagster_home.rglob("*") if path.suffix in (".out", ".err")]
    assert {path.suffix for path in files} == {".out", ".err"}
    return "\n".join(path.read_text() for path in files)


def require_hidden(kept: str) -> None:
    assert "cannot reach postgresql://reader:********@other.example/db (aws_session_token=********), key ****" in kept
    assert [secret for secret in HIDDEN if secret in kept] == []


def test_what_a_run_raises_logs_prints_and_reports_is_kept_without_secrets(secretive: Settings) -> None:
    with open_instance(secretive) as instance:
        result = DEFINITIONS.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=instance, raise_on_error=False
        )
        events = instance.all_logs(result.run_id)
    assert not result.success
    [failure] = [entry for entry in events if entry.dagster_event and entry.dagster_event.is_step_failure]
    assert failure.dagster_event
    error = failure.dagster_event.step_failure_data.error
    assert error
    assert error.cause
    assert "while loading: cannot reach postgresql://reader:********@" in error.cause.message
    [check] = [
        entry.dagster_event
        for entry in events
        if entry.dagster_event and entry.dagster_event.event_type_value == "ASSET_CHECK_EVALUATION"
    ]
    assert isinstance(check.event_specific_data, dg.AssetCheckEvaluation)
    assert "reader:********@" in str(check.event_specific_data.description)
    require_hidden(kept_in_database(secretive))
    require_hidden(kept_in_files(secretive))


def test_a_run_in_processes_of_its_own_keeps_none_either(secretive: Settings) -> None:
    with open_instance(secretive):
        command = [str(Path(sys.executable).with_name("dagster")), "asset", "materialize", "--select", "talkative"]
        environment = os.environ | build_environment(secretive)
        done = subprocess.run(
            [*command, "-m", __name__], env=environment, capture_output=True, text=True, timeout=180, check=False
        )
    assert done.returncode != 0
    assert [secret for secret in HIDDEN if secret in done.stdout + done.stderr] == []
    require_hidden(kept_in_database(secretive))
    require_hidden(kept_in_files(secretive))


def test_a_tick_that_fails_is_kept_without_secrets(secretive: Settings) -> None:
    with open_instance(secretive) as instance:
        fail_ticks(instance, "landing_sensor", 1, REASON)
    require_hidden(kept_in_database(secretive))


def test_a_password_that_is_a_common_word_changes_no_name(
    secretive: Settings, clean_environment: pytest.MonkeyPatch
) -> None:
    clean_environment.setenv("AWS_SECRET_ACCESS_KEY", "talkative")
    with open_instance(load_settings()) as instance:
        result = DEFINITIONS.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=instance, raise_on_error=False
        )
        planned = instance.all_logs(result.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED)
        assert [entry.get_dagster_event().asset_key for entry in planned] == [dg.AssetKey("talkative")]


def test_a_deployment_stores_by_the_same_class() -> None:
    top = Path(__file__).parents[2]
    files = (top / "dataflow_assets/runtime/dagster.yaml", top / "deploy/dagster.yaml")
    storages = [yaml.safe_load(file.read_text())["storage"] for file in files]
    assert storages[0] == storages[1]
