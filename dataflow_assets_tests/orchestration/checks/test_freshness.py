"""What the checks of a day say in the morning, and what the runs say that bring it later."""

from datetime import UTC, datetime

import dagster as dg
import pytest

from dataflow_assets.orchestration.alerting.alerts import failed_check
from dataflow_assets.orchestration.automation.freshness import FRESHNESS
from dataflow_assets.orchestration.checks.few_duplicates import CHECK as DUPLICATES
from dataflow_assets.orchestration.checks.fresh_by_06 import CHECK as FRESH
from dataflow_assets.orchestration.checks.volume_as_usual import CHECK as VOLUME
from dataflow_assets_tests.orchestration.builders import Platform, movies_csv, session, streams_csv
from dataflow_assets_tests.orchestration.checks.test_quarantine import evaluated

DAY = "2021-12-10"


def morning(platform: Platform, day: str = DAY) -> dict[str, str | None]:
    """What the job says of each asset of which it evaluates the check that a day is there."""
    job = platform.definitions.resolve_job_def(FRESHNESS)
    run = job.execute_in_process(
        instance=platform.instance, run_config={"ops": {"judge_day": {"config": {"day": day}}}}
    )
    found = [event.event_specific_data for event in run.all_events]
    there = [one for one in found if isinstance(one, dg.AssetCheckEvaluation) and one.check_name == FRESH.name]
    return {one.asset_key.to_user_string(): one.description for one in there}


def sessions(day: str, count: int = 2) -> str:
    return streams_csv(*(session(f"{day}T{hour:02}:00") for hour in range(count)))


@pytest.fixture
def loaded(platform: Platform) -> Platform:
    platform.land("streams", DAY, sessions(DAY))
    platform.land("movies", DAY, movies_csv("Rust"))
    for assets in ("lake/streams lake/movies", "warehouse/streams warehouse/movies", "analytics/average_session"):
        assert platform.run(assets, DAY).success
    return platform


def test_what_came_is_there_and_what_did_not_is_named(loaded: Platform) -> None:
    said = morning(loaded)
    there = {"lake/streams", "warehouse/streams", "lake/movies", "warehouse/movies", "analytics/average_session"}
    assert {asset for asset in there if said[asset]} == set()
    assert said["lake/users"] == f"lake/users of {DAY} is not there as it should be: nothing was delivered."
    assert said["warehouse/users"] == (
        f"warehouse/users of {DAY} is not there as it should be: no dump was loaded yet."
    )
    evaluation = evaluated(loaded, FRESH.name, "lake/users")[DAY]
    assert (evaluation.passed, evaluation.severity) == (False, dg.AssetCheckSeverity.ERROR)


def test_a_newer_backfill_does_not_make_yesterday_fresh(loaded: Platform) -> None:
    said = morning(loaded, "2021-12-11")
    assert "nothing was delivered" in str(said["lake/streams"])
    assert "no event of that day was delivered" in str(said["warehouse/streams"])
    assert f"the newest dump that was loaded is of {DAY}" in str(said["warehouse/movies"])
    assert "there are no events that it could be made from" in str(said["analytics/average_session"])


def test_each_step_that_lags_behind_is_told(loaded: Platform) -> None:
    loaded.land("streams", DAY, sessions(DAY, 3), "more.csv")
    assert "what landed is not taken in yet" in str(morning(loaded)["lake/streams"])
    loaded.run("lake/streams", DAY)
    said = morning(loaded)
    assert said["lake/streams"] is None
    assert "the lake has newer rows of it" in str(said["warehouse/streams"])
    loaded.run("warehouse/streams", DAY)
    said = morning(loaded)
    assert said["warehouse/streams"] is None
    assert "its tables are newer" in str(said["analytics/average_session"])
    loaded.run("analytics/average_session", DAY)
    assert morning(loaded)["analytics/average_session"] is None


@pytest.mark.parametrize(
    ("content", "is_there"), [(streams_csv(), True), ("no,such,columns\n1,2,3\n", False)], ids=["empty", "refused"]
)
def test_a_late_delivery_without_rows_is_there_if_it_was_accepted(
    platform: Platform, content: str, *, is_there: bool
) -> None:
    morning(platform)
    platform.land("streams", DAY, content)
    platform.run("lake/streams", DAY)
    assert evaluated(platform, FRESH.name, "lake/streams")[DAY].passed == is_there
    assert (morning(platform)["lake/streams"] is None) == is_there


def test_what_was_refused_is_not_there(platform: Platform) -> None:
    platform.land("streams", DAY, "no,such,columns\n1,2,3\n")
    platform.run("lake/streams", DAY)
    assert "what was delivered is rejected, and `dataflow deliveries --source streams" in str(
        morning(platform)["lake/streams"]
    )


def test_a_stale_asset_is_told_once_and_judged_again_when_it_comes(platform: Platform) -> None:
    morning(platform)
    records = platform.instance.get_event_records(
        dg.EventRecordsFilter(dg.DagsterEventType.ASSET_CHECK_EVALUATION), limit=500
    )
    alerts = [alert for record in records if (alert := failed_check(record, "http://ui"))]
    [streams] = [alert for alert in alerts if alert.assets == ("lake/streams",)]
    assert (streams.partitions, "nothing was delivered" in streams.reason) == (DAY, True)
    assert streams.link.startswith("http://ui/runs/")
    platform.land("streams", DAY, sessions(DAY))
    for asset in ("lake/streams", "warehouse/streams", "analytics/average_session"):
        platform.run(asset, DAY)
        assert evaluated(platform, FRESH.name, asset)[DAY].passed


def test_the_job_runs_at_six_for_yesterday_of_the_time_zone(platform: Platform) -> None:
    [schedule] = [one for one in platform.definitions.schedules or () if one.name == f"{FRESHNESS}_daily"]
    assert isinstance(schedule, dg.ScheduleDefinition)
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("0 6 * * *", platform.settings.timezone)
    at = datetime(2021, 12, 11, 6, tzinfo=UTC)
    with dg.build_schedule_context(platform.instance, scheduled_execution_time=at) as context:
        [request] = schedule.evaluate_tick(context).run_requests or ()
    assert request.run_config == {"ops": {"judge_day": {"config": {"day": DAY}}}}


def test_a_day_is_compared_with_the_days_before_it(platform: Platform) -> None:
    for number in range(1, 11):
        day = f"2021-12-{number:02}"
        platform.land("streams", day, sessions(day, 5 if number == 9 else 2))
    platform.run("lake/streams", "2021-12-01", DAY)
    found = evaluated(platform, VOLUME.name, "lake/streams")
    assert [day for day, one in sorted(found.items()) if not one.passed] == ["2021-12-09"]
    assert "5 rows, where 2 are usual" in str(found["2021-12-09"].description)
    morning(platform, "2021-12-11")
    missing = evaluated(platform, VOLUME.name, "lake/streams")["2021-12-11"]
    assert "0 rows, where 2 are usual" in str(missing.description)


def test_many_rows_of_the_same_key_are_told(platform: Platform) -> None:
    def load() -> list[dg.AssetCheckEvaluation]:
        platform.run("lake/streams lake/movies", DAY)
        platform.run("warehouse/streams warehouse/movies", DAY)
        return [evaluated(platform, DUPLICATES.name, f"warehouse/{name}")[DAY] for name in ("streams", "movies")]

    platform.land("streams", DAY, sessions(DAY))
    platform.land("movies", DAY, movies_csv("A", "B"))
    assert all(one.passed for one in load())
    platform.land("streams", DAY, sessions(DAY), "again.csv")
    platform.land("movies", DAY, movies_csv("A", "B", "A"), "again.csv")
    assert [one.description for one in load()] == [
        f"streams of {DAY}: 2 of its 4 rows have the key of another row; the latest counts.",
        f"movies of {DAY}: 3 of its 5 rows have the key of another row; the latest counts.",
    ]
