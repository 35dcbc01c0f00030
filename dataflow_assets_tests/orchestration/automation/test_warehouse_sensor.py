"""The warehouse sensor on a real lake and warehouse: which days it asks for, and that it asks once."""

import dagster as dg
import pytest

from dataflow_assets.orchestration.automation import warehouse_sensor
from dataflow_assets.orchestration.planning import shares
from dataflow_assets.runtime.tags import STRETCHES
from dataflow_assets_tests.orchestration.builders import Platform, key, movies_csv, session, streams_csv, wanted


def ingest(platform: Platform, *days: int, delivered: str = "2021-12-31") -> None:
    """Land a session on each of some days of December 2021 and take it into the lake."""
    platform.land("streams", delivered, streams_csv(*(session(f"2021-12-{day:02}T10:00") for day in days)))
    assert platform.run("lake/streams", delivered).success


def asked(platform: Platform, cursor: str | None = None) -> list[tuple[str, str, str]]:
    return [wanted(request) for request in platform.tick("warehouse_sensor", cursor).requests]


def streams(first: int, last: int) -> tuple[str, str, str]:
    return "warehouse/streams", f"2021-12-{first:02}", f"2021-12-{last:02}"


def test_the_touched_days_and_no_others_are_asked_for_in_one_run(platform: Platform) -> None:
    ingest(platform, 1, 2, 3, 5)
    first, again = platform.tick("warehouse_sensor"), platform.tick("warehouse_sensor")
    assert [wanted(request) for request in first.requests] == [streams(1, 5)]
    assert first.requests[0].tags[STRETCHES] == "2021-12-01 to 2021-12-03, 2021-12-05"
    assert platform.run("warehouse/streams", "2021-12-01", "2021-12-05", tags=first.requests[0].tags).success
    assert platform.partitions("warehouse/streams") == [f"2021-12-0{day}" for day in (1, 2, 3, 5)]
    assert platform.query("SELECT count(*) FROM ledger.event_days") == [(4,)]
    keys = [[request.run_key for request in tick.requests] for tick in (first, again)]
    assert keys[0] == keys[1]
    assert None not in keys[0]


def test_many_touched_days_are_shared_out_among_workers_but_a_snapshot_is_made_by_one(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warehouse_sensor, "count_slots", lambda _: 2)
    monkeypatch.setattr(shares, "LEAST_BYTES", shares.PART_BYTES)
    ingest(platform, 1, 2, 3, 4)
    for day in ("2021-12-30", "2021-12-31"):
        platform.land("movies", day, movies_csv("Rust"))
    assert platform.run("lake/movies", "2021-12-30", "2021-12-31").success
    assert asked(platform) == [
        ("warehouse/movies", "2021-12-30", "2021-12-31"),
        *(streams(1, 2), streams(3, 3), streams(4, 4)),
    ]


def test_what_was_asked_for_is_not_asked_for_again(platform: Platform) -> None:
    ingest(platform, 1, 2)
    first = platform.tick("warehouse_sensor")
    nothing = platform.tick("warehouse_sensor", first.cursor)
    assert (nothing.requests, nothing.reason) == ([], "Nothing in the lake is newer than the warehouse.")
    ingest(platform, 2, 9, delivered="2022-01-01")
    later = platform.tick("warehouse_sensor", nothing.cursor)
    assert [request.tags[STRETCHES] for request in later.requests] == ["2021-12-02, 2021-12-09"]
    keys = {request.run_key for tick in (first, later) for request in tick.requests}
    assert len(keys) == 2


def test_what_the_warehouse_holds_is_not_asked_for(platform: Platform) -> None:
    platform.land("movies", "2021-12-31", movies_csv("Rust"))
    assert platform.run("lake/movies warehouse/movies", "2021-12-31").success
    ingest(platform, 5)
    assert platform.run("warehouse/streams", "2021-12-05").success
    assert asked(platform) == []
    ingest(platform, 5, 6)
    assert platform.run("warehouse/streams", "2021-12-05").success
    assert asked(platform) == [streams(6, 6)]


def test_the_same_object_dropped_again_asks_for_nothing(platform: Platform) -> None:
    for _ in range(2):
        ingest(platform, 5)
        platform.land("movies", "2021-12-30", movies_csv("Rust"))
        assert platform.run("lake/movies", "2021-12-30").success
        assert asked(platform) in ([("warehouse/movies", "2021-12-30", "2021-12-30"), streams(5, 5)], [])
        assert platform.run("warehouse/streams", "2021-12-05").success
        assert platform.run("warehouse/movies", "2021-12-30").success
        assert asked(platform) == []
    assert platform.partitions("lake/streams_days") == ["2021-12-05"] * 2


def test_a_slow_run_of_an_older_lake_does_not_hide_a_newer_one(platform: Platform) -> None:
    ingest(platform, 5)
    assert platform.run("warehouse/streams", "2021-12-05").success
    ingest(platform, 5, delivered="2022-01-01")
    older = dg.AssetMaterialization(key("warehouse/streams"), partition="2021-12-05", metadata={"lake_version": 1})
    platform.instance.report_runless_asset_event(older)
    assert asked(platform) == [streams(5, 5)]


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED])
def test_while_a_table_is_loaded_what_is_newer_waits(platform: Platform, status: dg.DagsterRunStatus) -> None:
    ingest(platform, 5)
    platform.land("movies", "2021-12-30", movies_csv("Rust"))
    assert platform.run("lake/movies", "2021-12-30").success
    run = platform.instance.create_run_for_job(
        platform.definitions.resolve_job_def("warehouse"),
        status=status,
        asset_selection=frozenset([key("warehouse/streams")]),
    )
    waiting = platform.tick("warehouse_sensor")
    movies = ("warehouse/movies", "2021-12-30", "2021-12-30")
    assert [wanted(request) for request in waiting.requests] == [movies]
    ingest(platform, 6, delivered="2022-01-01")
    platform.instance.report_run_failed(run)
    assert asked(platform, waiting.cursor) == [streams(5, 6)]


def test_one_load_of_a_snapshot_tells_of_every_day_that_it_brought(platform: Platform) -> None:
    for day, titles in (("2021-12-01", "A"), ("2021-12-09", "AB"), ("2021-12-20", "AB")):
        platform.land("movies", day, movies_csv(*titles))
        assert platform.run("lake/movies", day).success
    assert platform.run("warehouse/movies", "2021-12-09").success
    assert platform.partitions("warehouse/movies") == ["2021-12-01", "2021-12-09", "2021-12-20"]
    assert asked(platform) == []
    assert [platform.metadata("warehouse/movies", day)["rows"] for day in ("2021-12-01", "2021-12-20")] == [1, 2]
    platform.land("movies", "2021-12-01", movies_csv("C"))
    assert platform.run("lake/movies", "2021-12-01").success
    assert platform.run("warehouse/movies", "2021-12-20").success
    twice = ["2021-12-01", "2021-12-01", "2021-12-09", "2021-12-20", "2021-12-20"]
    assert platform.partitions("warehouse/movies") == twice, "what did not change is not told again"


def test_days_without_a_partition_are_left_out(platform: Platform) -> None:
    for day in ("2001-01-01", "2021-12-05"):
        event = dg.AssetMaterialization(key("lake/streams_days"), partition=day, metadata={"lake_version": 1})
        platform.instance.report_runless_asset_event(event)
    assert asked(platform) == [streams(5, 5)]
