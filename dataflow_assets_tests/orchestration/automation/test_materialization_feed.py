"""New materializations are given once each, those too that appear after others with higher numbers."""

import json
import time
from collections.abc import Callable
from datetime import date
from functools import partial
from typing import Any

import dagster as dg
import pytest

from dataflow_assets.orchestration import event_cursor
from dataflow_assets.orchestration.automation import materialization_feed
from dataflow_assets.orchestration.automation.materialization_feed import MaterializationFeed, cursor_after
from dataflow_assets_tests.orchestration.builders import key

ASSET = key("lake/streams_days")
DAYS = dg.DailyPartitionsDefinition("2021-12-01", end_date="2021-12-09")


def report(instance: dg.DagsterInstance, *days: int) -> None:
    for day in days:
        event = dg.AssetMaterialization(ASSET, partition=f"2021-12-0{day}", metadata={"lake_version": day})
        instance.report_runless_asset_event(event)


def given(instance: dg.DagsterInstance, cursor: str | None) -> tuple[list[int], str]:
    feed = MaterializationFeed(instance, DAYS, cursor)
    return [told.metrics["lake_version"] for told in feed.read(ASSET)], feed.cursor


@pytest.mark.parametrize("seconds", [0, 60])
def test_each_is_given_once(seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_cursor, "_SETTLING_SECONDS", seconds)
    with dg.DagsterInstance.ephemeral() as instance:
        report(instance, 1, 2)
        for partition in (None, "no day", "2021-11-30"):
            instance.report_runless_asset_event(dg.AssetMaterialization(ASSET, partition=partition))
        first, cursor = given(instance, None)
        report(instance, 3)
        then, cursor = given(instance, cursor)
        last, _ = given(instance, cursor)
        assert (first, then, last) == ([1, 2], [3], [])


def test_one_that_appears_late_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        report(instance, 1, 2, 3)
        numbers = [told.number for told in MaterializationFeed(instance, DAYS, None).read(ASSET)]
        unseen = cursor_after({ASSET: 0}).replace("[]", f"[{numbers[0]}, {numbers[2]}]", 1)
        found, cursor = given(instance, unseen)
        assert (found, given(instance, cursor)[0]) == ([2], [])
        # Once they are old, only the last number is kept.
        monkeypatch.setattr(event_cursor, "_SETTLING_SECONDS", 0)
        assert given(instance, cursor) == ([], cursor_after({ASSET: numbers[2]}))


def test_a_cursor_of_an_earlier_build_goes_on() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        report(instance, 1, 2, 3)
        first, *_ = MaterializationFeed(instance, DAYS, None).read(ASSET)
        found, cursor = given(instance, json.dumps({"lake/streams_days": [0, [first.number]]}))
        assert (found, given(instance, cursor)[0]) == ([2, 3], [])


@pytest.mark.parametrize("ahead", [-600.0, 600.0])
def test_one_that_appears_late_is_given_whatever_the_clock_of_its_worker_says(
    ahead: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    right_time = time.time
    with dg.DagsterInstance.ephemeral() as instance:
        monkeypatch.setattr(time, "time", lambda: right_time() + ahead)
        report(instance, 1, 2)
        monkeypatch.setattr(time, "time", right_time)
        with monkeypatch.context() as hidden:
            hidden.setattr(instance, "fetch_materializations", partial(_without_first, instance.fetch_materializations))
            first, cursor = given(instance, None)
        assert (first, given(instance, cursor)[0]) == ([2], [1])


def _without_first(fetch: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    found = fetch(*arguments, **options)
    return type(found)(found.records[1:], cursor=found.cursor, has_more=found.has_more)


def test_more_than_a_tick_takes_are_given_before_they_are_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(materialization_feed, "_LIMIT", 2)
    with dg.DagsterInstance.ephemeral() as instance:
        report(instance, 1, 2, 3)
        first, cursor = given(instance, None)
        assert (first, given(instance, cursor)[0]) == ([1, 2], [3])


def test_a_tick_takes_only_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_cursor, "_SETTLING_SECONDS", 0)
    monkeypatch.setattr(materialization_feed, "_LIMIT", 2)
    with dg.DagsterInstance.ephemeral() as instance:
        report(instance, 1, 2, 3)
        first, cursor = given(instance, None)
        assert (first, given(instance, cursor)[0]) == ([1, 2], [3])


def test_what_was_told_before_is_of_the_same_day_or_of_any() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        report(instance, 1, 2, 3, 2)
        feed = MaterializationFeed(instance, DAYS, None)
        first, *_, last = feed.read(ASSET)
        assert (last.asset, last.day) == (ASSET, date(2021, 12, 2))
        assert feed.metrics_before(last, of_its_day=True) == {"lake_version": 2}
        assert feed.metrics_before(last, of_its_day=False) == {"lake_version": 3}
        assert feed.metrics_before(first, of_its_day=False) == {}
