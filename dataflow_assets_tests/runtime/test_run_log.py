"""What a run writes to standard error: lines of JSON that name run and partition, each once."""

import json
from typing import Any

import dagster as dg
import pytest

from dataflow_assets.runtime.instance import open_instance
from dataflow_assets.runtime.tags import range_tags
from dataflow_assets.settings import Settings
from dataflow_assets_tests.waiting import wait_until


@dg.asset(partitions_def=dg.DailyPartitionsDefinition("2021-12-01", end_date="2022-01-01"))
def talkative(context: dg.AssetExecutionContext) -> None:
    context.log.debug("not severe")
    context.log.info("in general")
    context.log.warning("of one", extra={"partition": "2021-12-02"})
    context.log.info("a\nb", extra={"lines": {"2021-12-01": "a", "2021-12-02": "b"}})
    raise dg.Failure(f"the password is {_PASSWORD}")


_PASSWORD = "open-sesame"


def run(settings: Settings, capfd: pytest.CaptureFixture[str], last: str) -> tuple[str, list[dict[str, Any]]]:
    """The id of a run that fails, and its lines.

    Dagster copies what a step writes by a process of its own, which may start too late for a step as short as this
    one: it is run again until the last line of the step came.
    """
    runs = [_run(settings, capfd)]

    def has_come() -> bool:
        if not (came := last in (line["event"] for line in runs[-1][1])):
            runs.append(_run(settings, capfd))
        return came

    wait_until(has_come)
    return runs[-1]


def _run(settings: Settings, capfd: pytest.CaptureFixture[str]) -> tuple[str, list[dict[str, Any]]]:
    job = dg.Definitions(assets=[talkative]).resolve_implicit_global_asset_job_def()
    tags = range_tags("2021-12-01", "2021-12-02")
    with open_instance(settings) as instance:
        capfd.readouterr()
        result = job.execute_in_process(instance=instance, tags=tags, raise_on_error=False)
        written = capfd.readouterr().err
        levels = {entry.level for entry in instance.all_logs(result.run_id) if entry.user_message == "in general"}
    assert levels == {20}, "the log that the UI shows has other levels"
    return result.run_id, [json.loads(line) for line in written.splitlines()]


def test_a_line_names_its_run_and_its_partition(
    settings: Settings, capfd: pytest.CaptureFixture[str], clean_environment: pytest.MonkeyPatch
) -> None:
    clean_environment.setenv("AWS_SESSION_TOKEN", _PASSWORD)
    run_id, lines = run(settings, capfd, "b")
    assert {(line["run_id"], line["logger"]) for line in lines} == {(run_id, "dagster.run")}
    own = [line for line in lines if line.get("step") == "talkative" and "error" not in line]
    assert [(line["level"], line["event"], line["partition"]) for line in own] == [
        ("info", "in general", "2021-12-01 to 2021-12-02"),
        ("warning", "of one", "2021-12-02"),
        ("info", "a", "2021-12-01"),
        ("info", "b", "2021-12-02"),
    ]
    failed = [line for line in lines if "error" in line]
    assert failed[0]["level"] == "error"
    assert "the password is ********" in failed[0]["error"]
    assert not any(_PASSWORD in json.dumps(line) for line in lines)


def test_the_least_severe_message_is_a_setting(
    settings: Settings, capfd: pytest.CaptureFixture[str], clean_environment: pytest.MonkeyPatch
) -> None:
    clean_environment.setenv("LOG_LEVEL", "WARNING")
    _, lines = run(settings, capfd, "of one")
    assert {line["level"] for line in lines} == {"warning", "error"}
