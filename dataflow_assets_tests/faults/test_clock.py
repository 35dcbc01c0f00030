"""The clock is set an hour back: nothing is missed, nothing comes twice, and nothing waits for an hour."""

import time
from collections.abc import Callable

import dagster as dg
import pytest

from dataflow_assets.landing import discovery, listing
from dataflow_assets.landing.discovery import DiscoveryCursor
from dataflow_assets.orchestration.automation import materialization_feed
from dataflow_assets_tests.orchestration.automation.test_landing_sensor import execute, is_quiet, requests
from dataflow_assets_tests.orchestration.automation.test_materialization_feed import given, report
from dataflow_assets_tests.orchestration.builders import Platform, movies_csv, wanted
from dataflow_assets_tests.orchestration.conftest import platform

__all__ = ["platform"]

HOUR = 3600.0


@pytest.fixture
def set_clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Set the clock of this process so many seconds ahead of the right time."""
    right_time = time.time
    return lambda ahead: monkeypatch.setattr(time, "time", lambda: right_time() + ahead)


def test_events_of_the_future_hold_up_no_later_one(
    set_clock: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(materialization_feed, "_LIMIT", 2)
    with dg.DagsterInstance.ephemeral() as instance:
        set_clock(HOUR)
        report(instance, 1, 2)
        first, cursor = given(instance, None)
        set_clock(0)
        again, cursor = given(instance, cursor)
        report(instance, 3, 4)
        then, cursor = given(instance, cursor)
        last, _ = given(instance, cursor)
    assert (first, again, then, last) == ([1, 2], [], [3, 4], [])


def test_what_failed_in_the_future_is_asked_for_again(set_clock: Callable[[float], None], platform: Platform) -> None:
    platform.land("movies", "2021-12-01", movies_csv("Rust"))
    in_the_way = platform.settings.home / "lake/movies"
    in_the_way.parent.mkdir(exist_ok=True)
    in_the_way.write_text("no folder")
    set_clock(HOUR)
    (first,) = requests(platform)
    assert not execute(platform, first).success
    in_the_way.unlink()
    set_clock(0)
    (second,) = requests(platform)
    assert second.run_key != first.run_key
    assert execute(platform, second).success
    assert is_quiet(platform)


def test_objects_whose_time_goes_back_or_lies_ahead_are_taken_in(platform: Platform) -> None:
    for seconds_ago, title in ((-HOUR, "Rust"), (HOUR, "Heat"), (-2 * HOUR, "Jaws")):
        landed = platform.land("movies", "2021-12-01", movies_csv(title), seconds_ago=seconds_ago)
        assert landed.size == len(movies_csv("Rust"))
        assert execute(platform, *requests(platform)).success
        platform.run("warehouse/movies", "2021-12-01")
        assert platform.query("SELECT title FROM warehouse.movies WHERE missing_since IS NULL") == [(title,)]
        assert is_quiet(platform)


def test_a_late_object_is_found_though_the_last_look_lies_ahead(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discovery, "_FEW_OBJECTS", 1)
    monkeypatch.setattr(listing.base, "PAGE", 1)
    for day in range(1, 10):
        platform.land("movies", f"2021-12-0{day}", movies_csv("Rust"))
    found = platform.tick("landing_sensor", str(DiscoveryCursor(at=time.time() + HOUR)))
    assert [wanted(request) for request in found.requests] == [("lake/movies", "2021-12-01", "2021-12-09")]
