"""Days and months: which there are, how they map onto each other, and how a run is told some of them."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from dataflow_assets.analytics import all_answers, find_answer
from dataflow_assets.core.time_windows import Window
from dataflow_assets.definitions import build_definitions
from dataflow_assets.orchestration.partitions import (
    batched_stretches,
    daily_partitions,
    monthly_partitions,
    stretches,
)
from dataflow_assets.orchestration.planning.inputs import days_before, days_read
from dataflow_assets.runtime.instance import open_instance
from dataflow_assets.runtime.tags import MAX_RUNTIME, STRETCHES, partitions_of, range_tags, stretches_tags, takes
from dataflow_assets.settings import Settings, load_settings
from dataflow_assets_tests.analytics.builders import ZONES
from dataflow_assets_tests.conftest import REPOSITORY
from dataflow_assets_tests.orchestration.builders import key

MONTH = dg.DailyPartitionsDefinition("2021-12-01", end_date="2022-01-01")
HALF_PAST_MIDNIGHT_IN_KOLKATA = datetime(2021, 12, 30, 19, 0, tzinfo=UTC)


def test_days_go_from_the_first_to_tomorrow(clean_environment: pytest.MonkeyPatch) -> None:
    clean_environment.setenv("DATAFLOW_FIRST_DAY", "2021-12-28")
    keys = daily_partitions(load_settings()).get_partition_keys(HALF_PAST_MIDNIGHT_IN_KOLKATA)
    assert keys == ["2021-12-28", "2021-12-29", "2021-12-30", "2021-12-31"]


def test_today_is_that_of_the_time_zone(clean_environment: pytest.MonkeyPatch) -> None:
    clean_environment.setenv("DATAFLOW_TIMEZONE", "Asia/Kolkata")
    assert daily_partitions(load_settings()).get_partition_keys(HALF_PAST_MIDNIGHT_IN_KOLKATA)[-1] == "2022-01-01"


@pytest.mark.parametrize("first_day", ["2021-11-01", "2021-11-15", "2021-11-30"])
@pytest.mark.parametrize("now", [datetime(2021, 12, 30, 12, tzinfo=UTC), datetime(2021, 12, 31, 12, tzinfo=UTC)])
def test_months_cover_the_days(clean_environment: pytest.MonkeyPatch, first_day: str, now: datetime) -> None:
    clean_environment.setenv("DATAFLOW_FIRST_DAY", first_day)
    days = daily_partitions(load_settings()).get_partition_keys(now)
    months = monthly_partitions(load_settings()).get_partition_keys(now)
    assert sorted({day[:7] + "-01" for day in days} - set(months)) == []
    assert months[0] == "2021-11-01"


def test_gaps_part_the_stretches_and_unknown_days_are_left_out() -> None:
    days = [date(2021, 11, 30), date(2021, 12, 1), date(2021, 12, 3), date(2021, 12, 4), date(2022, 1, 1)]
    assert list(stretches(MONTH, days)) == [("2021-12-01", "2021-12-01"), ("2021-12-03", "2021-12-04")]


def test_months_that_follow_each_other_are_one_stretch() -> None:
    months = dg.MonthlyPartitionsDefinition("2021-01-01", end_date="2023-01-01")
    days = [date(2022, 1, 1), date(2021, 11, 1), date(2021, 12, 1), date(2022, 3, 1)]
    assert list(stretches(months, days)) == [("2021-11-01", "2022-01-01"), ("2022-03-01", "2022-03-01")]


@given(st.sets(st.dates(date(2021, 11, 20), date(2022, 1, 10))))
def test_stretches_hold_every_day_once_and_are_as_few_as_can_be(days: set[date]) -> None:
    found = [(date.fromisoformat(first), date.fromisoformat(last)) for first, last in stretches(MONTH, days)]
    held = [first + timedelta(days=number) for first, last in found for number in range((last - first).days + 1)]
    assert held == sorted(day for day in days if day.isoformat()[:7] == "2021-12")
    assert all((after[0] - before[1]).days > 1 for before, after in pairwise(found))


@given(st.sets(st.sampled_from([date(2021, 12, day) for day in range(1, 32)]), min_size=1))
def test_a_run_takes_the_days_of_its_tags_and_no_others(days: set[date]) -> None:
    (together,) = batched_stretches(MONTH, days)
    assert takes(stretches_tags(together), MONTH.get_partition_keys()) == [day.isoformat() for day in sorted(days)]


def test_days_far_apart_are_as_many_runs_as_have_tags_that_postgresql_can_index(settings: Settings) -> None:
    years = dg.DailyPartitionsDefinition("2020-01-01", end_date="2022-01-01")
    days = [day for day in years.get_partition_keys() if date.fromisoformat(day).toordinal() % 3]
    found = list(batched_stretches(years, map(date.fromisoformat, days)))
    assert [day for together in found for day in takes(stretches_tags(together), years.get_partition_keys())] == days
    assert len(found) == 4

    @dg.job
    def nothing() -> None:
        """Has no steps."""

    with open_instance(settings) as instance:
        runs = [instance.create_run_for_job(nothing, tags=stretches_tags(together)) for together in found]
        stored = [instance.get_run_by_id(run.run_id) for run in runs]
    assert [run.tags[STRETCHES] for run in stored if run] == [run.tags[STRETCHES] for run in runs]
    assert partitions_of(runs[0].tags) == "2020-01-01 to 2020-08-26, not all"


def _reach(zone: str, longest: timedelta) -> int:
    """Over how many days an event reaches at most that starts in the last instant of a day of 2021 or 2022."""
    days = [date(2021, 1, 1) + timedelta(days=number) for number in range(730)]
    last_instants = ((day, Window.of_day(day, zone).end - timedelta(microseconds=1)) for day in days)
    in_progress = ((day, start + longest - timedelta(microseconds=1)) for day, start in last_instants)
    return max((last.astimezone(ZoneInfo(zone)).date() - day).days for day, last in in_progress)


@pytest.mark.parametrize("zone", ZONES)
def test_answers_reach_back_far_enough_for_the_longest_session(zone: str) -> None:
    needed = _reach(zone, timedelta(hours=48))
    assert days_before(find_answer("sessions_in_progress"), zone) >= needed
    assert days_before(find_answer("engaged_users"), zone) >= needed + 6


@pytest.mark.parametrize("zone", ["UTC", "Europe/Paris", "America/St_Johns"])
def test_answers_reach_back_no_further_than_needed(zone: str) -> None:
    assert days_before(find_answer("sessions_in_progress"), zone) == _reach(zone, timedelta(hours=48))
    assert days_before(find_answer("average_session"), zone) == 0


def _upstream(zone: str, asset: str, upstream: str, partitions: Sequence[str]) -> list[str]:
    graph = build_definitions(load_settings()).resolve_asset_graph()
    child, parent = graph.get(key(asset)), graph.get(key(upstream))
    assert child.partitions_def
    assert parent.partitions_def
    mapping = graph.get_partition_mapping(child.key, parent.key)
    mapped = mapping.get_upstream_mapped_partitions_result_for_partitions(
        downstream_partitions_subset=child.partitions_def.subset_with_partition_keys(partitions),
        downstream_partitions_def=child.partitions_def,
        upstream_partitions_def=parent.partitions_def,
    )
    return sorted(mapped.partitions_subset.get_partition_keys())


@pytest.mark.parametrize(
    ("asset", "upstream", "partition", "first", "last"),
    [
        ("warehouse/streams", "lake/streams_days", "2021-12-05", "2021-12-05", "2021-12-05"),
        ("warehouse/movies", "lake/movies", "2021-12-05", "2021-12-05", "2021-12-05"),
        ("lake/streams", "landing/streams", "2021-12-05", "2021-12-05", "2021-12-05"),
        ("lake/rejects", "landing/books", "2021-12-05", "2021-12-05", "2021-12-05"),
        ("published/engaged_users", "analytics/engaged_users", "2021-12-05", "2021-12-05", "2021-12-05"),
        ("analytics/average_session", "warehouse/streams", "2021-12-05", "2021-12-05", "2021-12-05"),
        ("analytics/sessions_in_progress", "warehouse/streams", "2021-12-05", "2021-12-03", "2021-12-05"),
        ("analytics/engaged_users", "warehouse/streams", "2021-12-25", "2021-12-17", "2021-12-25"),
        ("analytics/engaged_users", "warehouse/streams", "2021-11-02", "2021-11-01", "2021-11-02"),
        ("analytics/movies_by_author_nationality", "warehouse/streams", "2021-12-01", "2021-12-01", "2021-12-31"),
    ],
)
def test_lineage(
    clean_environment: pytest.MonkeyPatch, asset: str, upstream: str, partition: str, first: str, last: str
) -> None:
    keys = _upstream("UTC", asset, upstream, [partition])
    assert (keys[0], keys[-1]) == (first, last)


@pytest.mark.parametrize("name", [answer.name for answer in all_answers()])
@pytest.mark.parametrize("zone", ["UTC", "Europe/Paris"])
def test_an_answer_reads_the_days_that_its_lineage_says(
    clean_environment: pytest.MonkeyPatch, zone: str, name: str
) -> None:
    clean_environment.setenv("DATAFLOW_TIMEZONE", zone)
    answer, day = find_answer(name), date(2022, 2, 1)
    read = [day.isoformat() for day in days_read(answer, day, zone)]
    assert read == _upstream(zone, f"analytics/{name}", "warehouse/streams", [day.isoformat()])


def test_one_delivery_of_events_may_touch_any_day(clean_environment: pytest.MonkeyPatch) -> None:
    deliveries = _upstream("UTC", "lake/streams_days", "lake/streams", ["2021-12-05"])
    assert deliveries == daily_partitions(load_settings()).get_partition_keys()


def test_a_run_of_several_days_has_more_time_than_dagster_yaml_says() -> None:
    limit = yaml.safe_load((REPOSITORY / "dagster.yaml").read_text())["run_monitoring"]["max_runtime_seconds"]
    assert MAX_RUNTIME not in range_tags("2021-12-01", "2021-12-01")
    assert int(range_tags("2021-12-01", "2021-12-02")[MAX_RUNTIME]) > limit > 0
