"""Backfills: which partitions are undone, in which runs they are made, and going on after a stop."""

from dataclasses import replace
from datetime import date, timedelta

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow_assets.errors import NotFoundError, RunFailedError
from dataflow_assets.orchestration.planning import ranges as cuts
from dataflow_assets.orchestration.planning import shares
from dataflow_assets.orchestration.planning.ranges import cut_ranges
from dataflow_assets.orchestration.runs.backfill import Backfill, find_asset
from dataflow_assets_tests.orchestration.builders import Platform, key, movies_csv, postgres, session, streams_csv

FIRST, LAST = date(2021, 12, 1), date(2021, 12, 31)
MONTH = dg.DailyPartitionsDefinition("2021-12-01", end_date="2022-01-01")
DAYS = [f"2021-12-{day:02}" for day in range(1, 6)]


def backfill(platform: Platform, asset: str, first: date = FIRST, last: date = LAST) -> Backfill:
    return Backfill(platform.settings, find_asset(asset), first, last)


def missing(platform: Platform, asset: str) -> list[tuple[str, str]]:
    return [(first[8:], last[8:]) for first, last in backfill(platform, asset).ranges(only_stale=True)]


def fill(platform: Platform, asset: str) -> None:
    wanted = backfill(platform, asset)
    found = wanted.ranges(only_stale=True)
    wanted.run(platform.definitions, platform.instance, found, lambda _: None, lambda *_: None)


def streams_of(*days: str, movie: str = "Rust") -> str:
    return streams_csv(*[session(f"{day}T10:00", movie=movie) for day in days])


def test_what_landed_is_missing_until_the_lake_has_it(platform: Platform) -> None:
    platform.land("streams", DAYS[0], streams_of(*DAYS))
    platform.land("streams", DAYS[1], streams_of(*DAYS))
    platform.land("streams", DAYS[3], streams_of(*DAYS))
    assert missing(platform, "lake/streams") == [("01", "02"), ("04", "04")]
    fill(platform, "lake/streams")
    assert missing(platform, "lake/streams") == []
    platform.land("streams", DAYS[1], streams_of(DAYS[0]))
    assert missing(platform, "lake/streams") == [("02", "02")]


def test_an_event_day_is_missing_while_it_is_older_than_what_touched_it(platform: Platform) -> None:
    platform.land("streams", "2021-12-20", streams_of(*DAYS[:2], DAYS[4]))
    fill(platform, "lake/streams")
    assert missing(platform, "warehouse/streams") == [("01", "02"), ("05", "05")]
    fill(platform, "warehouse/streams")
    assert missing(platform, "warehouse/streams") == []
    # What the newer version no longer holds has to go from its days, and what another file adds to come.
    platform.land("streams", "2021-12-20", streams_of(*DAYS[:1]))
    platform.land("streams", "2021-12-21", streams_of(DAYS[3]), name="other.csv")
    fill(platform, "lake/streams")
    assert missing(platform, "warehouse/streams") == [("01", "02"), ("04", "05")]
    fill(platform, "warehouse/streams")
    assert missing(platform, "warehouse/streams") == []
    found = platform.query("SELECT event_day::text, count(*)::int FROM warehouse.streams GROUP BY 1 ORDER BY 1")
    assert found == [(DAYS[0], 1), (DAYS[3], 1)]


def test_a_snapshot_is_missing_while_it_is_older_than_its_dumps(platform: Platform) -> None:
    platform.land("movies", DAYS[0], movies_csv("Rust"))
    platform.land("movies", DAYS[2], movies_csv("Rust", "Heat"))
    fill(platform, "lake/movies")
    assert missing(platform, "warehouse/movies") == [("01", "01"), ("03", "03")]
    fill(platform, "warehouse/movies")
    assert missing(platform, "warehouse/movies") == []


def test_an_answer_is_missing_while_a_table_that_it_reads_is_newer(platform: Platform) -> None:
    platform.land("streams", "2021-12-20", streams_of(DAYS[0], DAYS[3]))
    for asset in ("lake/streams", "warehouse/streams"):
        fill(platform, asset)
    assert missing(platform, "analytics/average_session") == [("01", "01"), ("04", "04")]
    assert missing(platform, "analytics/sessions_in_progress") == [("01", "06")]
    assert missing(platform, "analytics/movies_by_author_nationality") == [("01", "01")]
    for asset in ("average_session", "sessions_in_progress", "movies_by_author_nationality"):
        fill(platform, f"analytics/{asset}")
        assert missing(platform, f"analytics/{asset}") == []
    platform.land("streams", "2021-12-21", streams_of(DAYS[1]))
    for asset in ("lake/streams", "warehouse/streams"):
        fill(platform, asset)
    assert missing(platform, "analytics/average_session") == [("02", "02")]
    assert missing(platform, "analytics/sessions_in_progress") == [("02", "04")]
    assert platform.published("SELECT count(*) FROM published.average_session") == [(2,)]


def test_an_identical_dump_makes_no_answer_old(platform: Platform) -> None:
    platform.land("streams", "2021-12-20", streams_of(DAYS[0]))
    platform.land("movies", "2021-12-20", movies_csv("Rust"))
    for asset in ("lake/streams", "lake/movies", "warehouse/streams", "warehouse/movies", "analytics/engaged_users"):
        fill(platform, asset)
    platform.land("movies", "2021-12-21", movies_csv("Rust"))
    for asset in ("lake/movies", "warehouse/movies"):
        fill(platform, asset)
    assert missing(platform, "analytics/engaged_users") == []
    platform.land("movies", "2021-12-22", movies_csv("Rust", "Heat"))
    for asset in ("lake/movies", "warehouse/movies"):
        fill(platform, asset)
    assert missing(platform, "analytics/engaged_users") == [("01", "09")]


def test_without_only_missing_every_partition_is_made_again(platform: Platform) -> None:
    assert backfill(platform, "warehouse/streams").ranges(only_stale=False) == [("2021-12-01", "2021-12-31")]
    months = backfill(platform, "analytics/movies_by_author_nationality", date(2021, 11, 2), date(2022, 2, 1))
    assert months.ranges(only_stale=False) == [("2021-12-01", "2022-02-01")]


def test_one_bad_day_fails_alone_and_is_taken_up_again(platform: Platform) -> None:
    platform.land("streams", "2021-12-20", streams_of(*DAYS))
    fill(platform, "lake/streams")
    with postgres(platform.settings) as cursor:
        cursor.execute("CREATE TABLE warehouse_days.streams_20211203 (in_the_way int)")
    with pytest.raises(RunFailedError, match="1 of 5 partitions failed"):
        fill(platform, "warehouse/streams")
    assert missing(platform, "warehouse/streams") == [("03", "03")]
    with postgres(platform.settings) as cursor:
        cursor.execute("DROP TABLE warehouse_days.streams_20211203")
    fill(platform, "warehouse/streams")
    assert missing(platform, "warehouse/streams") == []


def test_a_stopped_backfill_goes_on_and_an_ended_one_begins_anew(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cuts, "MOST_DAYS", 2)
    platform.land("streams", "2021-12-20", streams_of(*DAYS))
    fill(platform, "lake/streams")
    wanted = backfill(platform, "warehouse/streams", FIRST, date(2021, 12, 5))
    found = wanted.ranges(only_stale=False)
    assert found == [(DAYS[0], DAYS[1]), (DAYS[2], DAYS[3]), (DAYS[4], DAYS[4])]

    def run(*, stop_at: int = 0) -> list[str]:
        told: list[str] = []

        def report(what: str) -> None:
            told.append(what.split(" ", 1)[1])
            if len(told) == stop_at:
                raise KeyboardInterrupt

        try:
            left = wanted.find_left(platform.instance, found)
            wanted.run(platform.definitions, platform.instance, left, report, lambda *_: None)
        except KeyboardInterrupt:
            told.append("stopped")
        return told

    parts = [f"{first} to {last}" for first, last in found]
    assert run(stop_at=2) == [f"{parts[0]}, 1 of 3", f"{parts[1]}, 2 of 3", "stopped"]
    assert run() == [f"{parts[1]}, 1 of 2", f"{parts[2]}, 2 of 2"]
    everything = [f"{part}, {number} of 3" for number, part in enumerate(parts, start=1)]
    assert run() == everything
    # What was made before the stop is made again where it is stale, or was made by other code.
    assert run(stop_at=3)[-1] == "stopped"
    platform.land("streams", "2021-12-21", streams_of(DAYS[1]))
    fill(platform, "lake/streams")
    assert run(stop_at=2) == [f"{parts[0]}, 1 of 2", f"{parts[2]}, 2 of 2", "stopped"]
    with monkeypatch.context() as patched:
        patched.setattr("dataflow_assets.orchestration.runs.backfill.code_version", lambda: "another")
        assert run(stop_at=2)[0] == f"{parts[0]}, 1 of 3"
    # Stopped as it ended, it has ended.
    left = wanted.find_left(platform.instance, found)
    assert left == found[2:]

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        wanted.run(platform.definitions, platform.instance, left, lambda _: None, interrupt)
    assert run() == everything


@given(
    st.sets(st.dates(date(2021, 11, 25), date(2022, 1, 5))),
    st.dictionaries(st.dates(FIRST, LAST), st.integers(0, 12 << 30)),
)
def test_ranges_hold_every_day_once_and_are_not_too_large(days: set[date], sizes: dict[date, int]) -> None:
    held = []
    for first, last in cut_ranges(MONTH, days, sizes):
        start, end = date.fromisoformat(first), date.fromisoformat(last)
        together = [start + timedelta(days=number) for number in range((end - start).days + 1)]
        assert len(together) == 1 or sum(sizes.get(day, 0) for day in together) <= shares.MOST_BYTES
        held += together
    assert held == sorted(day for day in days if FIRST <= day <= LAST)


def test_a_range_has_only_so_many_days() -> None:
    days = dg.DailyPartitionsDefinition("2021-01-01", end_date="2022-01-01")
    year = [date(2021, 1, 1) + timedelta(days=number) for number in range(365)]
    found = cut_ranges(days, year, {})
    assert (len(found), found[0], found[-1]) == (12, ("2021-01-01", "2021-01-31"), ("2021-12-08", "2021-12-31"))


def test_files_that_wait_are_shared_out_by_their_bytes(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shares, "PART_BYTES", 1)
    monkeypatch.setattr(shares, "LEAST_BYTES", 1)

    def shared_out(*, only_stale: bool) -> list[tuple[str, str]]:
        wanted = replace(backfill(platform, "lake/streams", last=date(2021, 12, 5)), slots=2)
        return wanted.ranges(only_stale=only_stale)

    for day, rows in zip(DAYS[:4], (60, 20, 20, 20), strict=True):
        platform.land("streams", day, streams_of(*[day] * rows))
    one, four = (DAYS[0], DAYS[0]), (DAYS[3], DAYS[3])
    assert shared_out(only_stale=True)[0] == one
    fill(platform, "lake/streams")
    assert shared_out(only_stale=True) == []
    platform.land("streams", DAYS[3], streams_of(*[DAYS[3]] * 20, movie="Heat"))
    assert shared_out(only_stale=True) == [four]
    # What the lake holds may be read again, by another rule.
    assert shared_out(only_stale=False)[0] == one


def test_an_unknown_asset_is_answered_with_those_there_are() -> None:
    assert find_asset("lake/streams") == key("lake/streams")
    with pytest.raises(NotFoundError, match=r"no asset 'landing/streams' .* lake/authors, .* analytics/"):
        find_asset("landing/streams")
