"""The backfills of the night ask for what is stale, in ranges, and for nothing where all is well."""

from datetime import UTC, datetime

import dagster as dg
import pytest

from dataflow_assets.orchestration.planning import ranges as cuts
from dataflow_assets_tests.orchestration.builders import Platform, movies_csv, session, streams_csv, wanted

NIGHT = datetime(2021, 12, 30, 1, 30, tzinfo=UTC)
DAYS = [f"2021-12-{day:02}" for day in (3, 4, 5, 20)]


def asked(platform: Platform, job: str, night: datetime = NIGHT) -> list[tuple[str, str, str]]:
    (found,) = (known for known in platform.definitions.schedules or () if known.name == f"{job}_nightly")
    assert isinstance(found, dg.ScheduleDefinition)
    with dg.build_schedule_context(
        platform.instance, scheduled_execution_time=night, resources=platform.resources_of(found)
    ) as context:
        return [wanted(request) for request in found.evaluate_tick(context).run_requests or ()]


def test_a_night_asks_for_what_is_stale_step_by_step(platform: Platform) -> None:
    platform.land("streams", "2021-12-20", streams_csv(*[session(f"{day}T10:00") for day in DAYS]))
    platform.land("movies", "2021-12-21", movies_csv("Rust"))
    assert asked(platform, "lake") == [
        ("lake/movies", "2021-12-21", "2021-12-21"),
        ("lake/streams", "2021-12-20", "2021-12-20"),
    ]
    assert platform.run("lake/streams", "2021-12-20").success
    assert asked(platform, "warehouse") == [
        ("warehouse/streams", "2021-12-03", "2021-12-05"),
        ("warehouse/streams", "2021-12-20", "2021-12-20"),
    ]
    assert platform.run("warehouse/streams", "2021-12-03", "2021-12-05").success
    assert asked(platform, "answers_monthly") == [
        ("analytics/movies_by_author_nationality published/movies_by_author_nationality", "2021-12-01", "2021-12-01")
    ]
    daily = asked(platform, "answers_daily")
    assert ("analytics/average_session published/average_session", "2021-12-03", "2021-12-05") in daily
    assert ("analytics/engaged_users published/engaged_users", "2021-12-03", "2021-12-13") in daily


def test_a_night_after_everything_was_made_asks_for_nothing(platform: Platform) -> None:
    platform.materialize(platform.land("streams", "2021-12-20", streams_csv(session("2021-12-05T10:00"))))
    assert [asked(platform, job) for job in ("lake", "warehouse", "answers_daily", "answers_monthly")] == [[]] * 4


def test_a_night_looks_only_so_far_back_and_asks_for_short_ranges(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cuts, "MOST_DAYS", 2)
    platform.land("streams", "2021-12-20", streams_csv(*[session(f"{day}T10:00") for day in DAYS]))
    assert platform.run("lake/streams", "2021-12-20").success
    assert [ends[1:] for ends in asked(platform, "warehouse")] == [
        ("2021-12-03", "2021-12-04"),
        ("2021-12-05", "2021-12-05"),
        ("2021-12-20", "2021-12-20"),
    ]
    assert asked(platform, "warehouse", datetime(2022, 2, 14, tzinfo=UTC)) == []
