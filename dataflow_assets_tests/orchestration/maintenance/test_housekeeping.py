"""Housekeeping changes nothing that the platform knows or does, and says what it freed."""

import json
from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest
from typer.testing import CliRunner

from dataflow_assets.cli import app
from dataflow_assets.definitions import build_definitions
from dataflow_assets.orchestration.maintenance.housekeeping import HOUSEKEEPING
from dataflow_assets.runtime.instance import open_instance
from dataflow_assets.settings import Settings
from dataflow_assets_tests.orchestration.builders import Platform, postgres, session, streams_csv

SENSORS = ("landing_sensor", "warehouse_sensor", "answers_sensor")


@pytest.fixture
def kept(settings: Settings) -> Iterator[Platform]:
    """A platform whose instance is in the database."""
    with open_instance(settings) as instance:
        yield Platform(settings, build_definitions(settings), instance)


def said(*arguments: str) -> Any:
    """What a command says of the platform, as JSON."""
    return json.loads(CliRunner().invoke(app, [*arguments, "--json"], catch_exceptions=False).stdout)


def everything_said() -> list[Any]:
    doctor = {finding["name"]: finding["state"] for finding in said("doctor")}
    explained = said("explain", "--source", "streams", "--key", "Rust")
    return [said("deliveries"), said("deliveries", "--rebuild"), said("rejects"), explained, doctor]


def test_all_is_as_it_was_and_no_sensor_starts_anything(kept: Platform) -> None:
    for hour in (11, 12):
        sessions = [session(f"2021-12-04T{found}:00") for found in (10, hour)]
        kept.materialize(kept.land("streams", "2021-12-04", streams_csv(*sessions, "?")))
    cursors = {sensor: kept.tick(sensor).cursor for sensor in SENSORS}
    with postgres(kept.settings) as cursor:
        cursor.execute("UPDATE event_logs SET timestamp = timestamp - interval '31 days'")
        cursor.execute("UPDATE runs SET end_time = end_time - 31 * 86400")
        cursor.execute("UPDATE asset_check_executions SET evaluation_event_timestamp = now() - interval '31 days'")
    before, tables, runs = everything_said(), kept.tables(), kept.instance.get_runs_count()
    found = said("housekeeping", "--dry-run")
    table = CliRunner().invoke(app, ["housekeeping", "--dry-run"], env={"COLUMNS": "80"}).stdout
    assert "printed logs of runs" in table
    assert max(map(len, table.splitlines())) <= 80

    job = kept.definitions.resolve_job_def(HOUSEKEEPING).execute_in_process(instance=kept.instance)
    freed: dict[str, Any] = {}
    for event in job.all_events:
        if event.is_successful_output:
            freed |= {name: value.value for name, value in event.step_output_data.metadata.items()}
    assert {entry["what"]: entry["count"] for entry in found}.items() <= freed.items()
    removed = ("events of runs", "runs", "printed logs of runs", "evaluations of checks")
    assert min(freed[what] for what in (*removed, "days merged into months, streams")) > 0
    assert kept.instance.get_runs_count() == runs + 1 - freed["runs"]
    assert (everything_said(), kept.tables()) == (before, tables)
    assert [kept.tick(sensor, cursor).requests for sensor, cursor in cursors.items()] == [[], [], []]
    assert [kept.tick(sensor, None).requests for sensor in SENSORS[1:]] == [[], []]
    assert kept.partitions("lake/streams") == ["2021-12-04"]
    assert {entry["count"] for entry in said("housekeeping")} == {0}


def test_it_runs_every_night(platform: Platform) -> None:
    (schedule,) = (known for known in platform.definitions.schedules or () if known.name == f"{HOUSEKEEPING}_nightly")
    assert isinstance(schedule, dg.ScheduleDefinition)
    assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("30 3 * * *", platform.settings.timezone)
