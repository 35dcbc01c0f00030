"""Runs of single assets on a real warehouse: what they write, what they say of it, and what one bad day does."""

import shutil
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from dataflow_assets.errors import LostRowsError
from dataflow_assets.lake.delta.table import rows_table
from dataflow_assets.lake.staging import Staging
from dataflow_assets.landing.storage import open_storage
from dataflow_assets.orchestration.assets import warehouse_run
from dataflow_assets.settings import load_settings
from dataflow_assets.sources import all_sources, find_source
from dataflow_assets.warehouse.bootstrap import open_server_of
from dataflow_assets.warehouse.rebuild import rebuild_warehouse
from dataflow_assets_tests.orchestration import builders
from dataflow_assets_tests.orchestration.builders import Platform, movies_csv, postgres, reasons, session, streams_csv

ROWS = "dagster/partition_row_count"
THREE_DAYS = streams_csv(
    session("2021-12-01T10:00"),
    session("2021-12-02T10:00"),
    session("2021-12-02T11:00"),
    session("2021-12-02T11:00"),
    session("2021-12-03T10:00"),
)


def prepare(platform: Platform) -> None:
    platform.land("streams", "2021-12-31", THREE_DAYS)
    assert platform.run("lake/streams", "2021-12-31").success


@pytest.fixture
def loaded(copied: Platform) -> Platform:
    """A platform whose lake holds three days of sessions."""
    return copied


def test_days_of_deliveries_are_one_run_with_figures_for_each(platform: Platform) -> None:
    platform.land("movies", "2021-12-01", movies_csv("Rust"))
    platform.land("movies", "2021-12-03", movies_csv("Rust", "Amarcord"), "one.csv")
    platform.land("movies", "2021-12-03", movies_csv("Heat", ""), "two.csv")
    result = platform.run("lake/movies warehouse/movies", "2021-12-01", "2021-12-03")
    assert result.success
    assert len(platform.instance.get_runs()) == 1
    days = ("2021-12-01", "2021-12-02", "2021-12-03")
    assert platform.partitions("lake/movies") == platform.partitions("warehouse/movies") == list(days)
    lake = [platform.metadata("lake/movies", day) for day in days]
    assert [(said["objects"], said["delivered"], said["rejected"], said[ROWS]) for said in lake] == [
        (1, 1, 0, 1),
        (0, 0, 0, 0),
        (2, 4, 1, 3),
    ]
    warehouse = [platform.metadata("warehouse/movies", day) for day in days]
    assert [(said[ROWS], said["table_rows"]) for said in warehouse] == [(1, 3), (0, 3), (3, 3)]


def test_new_small_files_of_several_days_are_one_commit_and_the_time_is_shared(platform: Platform) -> None:
    days = [f"2021-12-0{day}" for day in range(1, 6)]
    for day in days:
        platform.land("streams", day, streams_csv(session(f"{day}T10:00"), "sorry" if day == days[1] else ""))
    assert platform.run("lake/streams", days[0], days[-1]).success
    said = [platform.metadata("lake/streams", day) for day in days]
    assert [(one["lake_version"], one["accepted"], one["rejected"], one["objects"]) for one in said] == [
        (1, 1, int(day == days[1]), 1) for day in days
    ]
    seconds = [one["seconds"] for one in said]
    assert max(seconds) < 3 * min(seconds), seconds
    assert platform.partitions("lake/streams_days") == days
    with postgres(platform.settings) as cursor:
        cursor.execute("SELECT lake_version, state, rejected FROM ledger.deliveries ORDER BY day")
        assert cursor.fetchall() == [(1, "accepted", int(day == days[1])) for day in days]
        cursor.execute("SELECT day::text, raw FROM ledger.rejects")
        assert cursor.fetchall() == [(days[1], "sorry")]


def test_of_small_files_taken_together_a_bad_one_fails_alone(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    days = [f"2021-12-0{day}" for day in range(1, 5)]
    landed = [platform.land("streams", day, streams_csv(session(f"{day}T10:00"))) for day in days]
    read = Staging.read

    def lose_one(self: Staging, path: Path) -> None:
        read(self, path)
        if self.delivery.object == landed[2].object:
            raise LostRowsError("a row was lost")

    with monkeypatch.context() as patch:
        patch.setattr(Staging, "read", lose_one)
        assert not platform.run("lake/streams", days[0], days[-1]).success
    assert platform.partitions("lake/streams") == [days[0], days[1], days[3]]
    assert platform.run("lake/streams", days[2]).success
    rows = rows_table(open_storage(platform.settings), find_source("streams")).scan()
    assert rows.select("object").collect()["object"].sort().to_list() == [one.object for one in landed]


def test_a_delivery_is_told_with_its_bytes_its_speed_and_where_its_rejects_are(platform: Platform) -> None:
    landed = platform.land("movies", "2021-12-01", movies_csv("Rust", ""), "some.csv")
    assert platform.run("lake/movies", "2021-12-01").success
    said = platform.metadata("lake/movies", "2021-12-01")
    assert (said["bytes"], said["seconds"] > 0) == (landed.size, True)
    assert said["bytes_per_second"] == pytest.approx(landed.size / said["seconds"], rel=0.1)
    assert said["landed"] == "- `landing/movies/2021-12-01/some.csv`"
    assert "/assets/lake/rejects?view=partitions&partition=2021-12-01)" in said["rejects"]
    assert platform.run("lake/movies", "2021-12-01").success
    again = platform.metadata("lake/movies", "2021-12-01")
    assert (again["delivered"], again["bytes"]) == (2, 0)
    assert again.keys().isdisjoint({"bytes_per_second", "rows_per_second"})


def test_the_days_of_an_older_version_are_told_until_that_is_recorded(platform: Platform) -> None:
    def told_after(day: int) -> list[str]:
        before = {run.run_id for run in platform.instance.get_runs()}
        platform.land("streams", "2021-12-31", streams_csv(session(f"2021-12-0{day}T10:00")))
        assert platform.run("lake/streams", "2021-12-31").success
        runs = [run for run in platform.instance.get_runs() if run.run_id not in before]
        return [told[-1] for told in platform.partitions("lake/streams_days", runs)]

    assert [told_after(day) for day in (1, 2, 3)] == [["1"], ["1", "2"], ["2", "3"]]
    with postgres(platform.settings) as cursor:
        # As if the process had been killed each time after the first, before it told anything.
        cursor.execute("DELETE FROM ledger.deliveries WHERE lake_version > 1")
    assert told_after(4) == ["1", "2", "3", "4"]
    assert told_after(5) == ["4", "5"]


def test_days_of_events_are_one_run_with_figures_for_each(loaded: Platform) -> None:
    assert loaded.partitions("lake/streams_days") == ["2021-12-01", "2021-12-02", "2021-12-03"]
    assert loaded.run("warehouse/streams", "2021-12-01", "2021-12-03").success
    said = [loaded.metadata("warehouse/streams", f"2021-12-0{day}") for day in (1, 2, 3)]
    assert [(day["accepted"], day["superseded"], day[ROWS]) for day in said] == [(1, 0, 1), (3, 1, 2), (1, 0, 1)]
    assert loaded.query("SELECT event_day, count(*) FROM warehouse.streams GROUP BY 1 ORDER BY 1") == [
        (date(2021, 12, 1), 1),
        (date(2021, 12, 2), 2),
        (date(2021, 12, 3), 1),
    ]


def test_days_of_answers_are_one_run_with_figures_for_each(loaded: Platform) -> None:
    loaded.run("warehouse/streams", "2021-12-01", "2021-12-03")
    assets = "analytics/sessions_in_progress published/sessions_in_progress"
    assert loaded.run(assets, "2021-12-01", "2021-12-04").success
    for asset in assets.split():
        said = [loaded.metadata(asset, f"2021-12-0{day}")[ROWS] for day in (1, 2, 3, 4)]
        assert said == [1, 2, 1, 0], asset
        shown = [loaded.metadata(asset, f"2021-12-0{day}").get("preview") for day in (1, 2, 3, 4)]
        names = ["day", "hour", "movie_title", "sessions", "users"]
        assert shown == [None, None, None, f"| {' | '.join(names)} |\n|{' --- |' * 5}"], asset
    hours = "SELECT sum(sessions) FROM published.sessions_in_progress"
    assert loaded.published(hours) == [(4,)]


def test_what_was_deleted_from_landing_still_counts(platform: Platform) -> None:
    platform.land("movies", "2021-12-01", movies_csv("Rust", "Heat"), "one.csv")
    two = platform.land("movies", "2021-12-01", movies_csv("Amarcord"), "two.csv")
    assert platform.run("lake/movies warehouse/movies", "2021-12-01").success
    (platform.settings.home / two.object).unlink()
    assert platform.run("lake/movies warehouse/movies", "2021-12-01").success
    assert platform.metadata("lake/movies", "2021-12-01")[ROWS] == 3
    assert platform.query("SELECT count(*) FROM warehouse.movies") == [(3,)]


def test_rejects_say_how_many_of_each_code(platform: Platform) -> None:
    broken = streams_csv(session("2021-12-01T10:00"), "Rust,a@b.example,1,never,never", "too few", ",a@b.example,,,")
    platform.land("streams", "2021-12-31", broken)
    platform.land("movies", "2021-12-31", movies_csv("", "Rust"))
    platform.run("lake/streams", "2021-12-31")
    platform.run("lake/movies", "2021-12-31")
    said = platform.metadata("lake/rejects", "2021-12-31")
    assert said == {
        "movies: title.nullability": 1,
        "streams: csv.missing_columns": 1,
        "streams: movie_title.nullability": 1,
        "streams: start_at.time": 1,
        "rows": 4,
        ROWS: 4,
    }


def test_corrected_rejects_count_no_longer(platform: Platform) -> None:
    platform.land("movies", "2021-12-31", movies_csv("", "Rust"))
    platform.run("lake/movies", "2021-12-31")
    platform.land("movies", "2021-12-31", movies_csv("Heat", "Rust"))
    platform.run("lake/movies", "2021-12-31")
    assert platform.metadata("lake/rejects", "2021-12-31") == {"rows": 0, ROWS: 0}


def test_a_refused_file_is_recorded_and_the_run_goes_on(platform: Platform) -> None:
    platform.land("movies", "2021-12-01", "no such header\n")
    platform.land("movies", "2021-12-02", movies_csv("Rust"))
    assert platform.run("lake/movies warehouse/movies", "2021-12-01", "2021-12-02").success
    assert platform.query("SELECT day, state FROM ledger.deliveries ORDER BY day") == [
        (date(2021, 12, 1), "rejected"),
        (date(2021, 12, 2), "accepted"),
    ]
    assert platform.metadata("lake/rejects", "2021-12-01")["movies: file.format"] == 1
    assert platform.query("SELECT title FROM warehouse.movies") == [("Rust",)]


def test_an_event_of_a_day_without_a_partition_is_rejected(platform: Platform) -> None:
    now = datetime.now(ZoneInfo("UTC"))
    today, tomorrow, later = (now + timedelta(days=days) for days in (0, 1, 3))  # it may be midnight soon
    starts = ["2021-10-31T10:00", tomorrow.isoformat(), later.isoformat()]
    day = today.date().isoformat()
    platform.land("streams", day, streams_csv(*map(session, starts)))
    assert platform.run("lake/streams", day).success
    assert platform.partitions("lake/streams_days") == [tomorrow.date().isoformat()]
    codes = platform.metadata("lake/rejects", day)
    assert (codes["streams: start_at.too_early"], codes["streams: start_at.too_late"]) == (1, 1)


def test_what_was_repaired_is_counted(platform: Platform) -> None:
    platform.land("movies", "2021-12-01", "\ufeff" + movies_csv("Rust") + movies_csv("Heat"), "one.csv")
    platform.land("movies", "2021-12-01", movies_csv("Jaws").rstrip() + "\r\n", "two.csv")
    platform.land("movies", "2021-12-01", movies_csv("Alien") + movies_csv(), "three.csv")
    assert platform.run("lake/movies", "2021-12-01").success
    said = platform.metadata("lake/movies", "2021-12-01")
    assert {name: said[name] for name in said if name.startswith("repaired_")} == {
        "repaired_byte_order_mark": 1,
        "repaired_header_again": 2,
        "repaired_line_ends": 1,
    }


def _break_day(platform: Platform) -> None:
    """Put an object in the way of the table of 2 December."""
    with postgres(platform.settings) as cursor:
        cursor.execute("CREATE TABLE warehouse_days.streams_20211202 (x int)")


def test_a_bad_day_fails_alone(loaded: Platform) -> None:
    _break_day(loaded)
    result = loaded.run("warehouse/streams", "2021-12-01", "2021-12-03")
    assert not result.success
    assert "1 of 3 partitions failed, the others are written. 2021-12-02:" in reasons(result)
    assert loaded.query("SELECT DISTINCT event_day FROM warehouse.streams ORDER BY 1") == [
        (date(2021, 12, 1),),
        (date(2021, 12, 3),),
    ]
    assert loaded.partitions("warehouse/streams") == ["2021-12-01", "2021-12-03"]
    assert loaded.metadata("warehouse/streams", "2021-12-03")[ROWS] == 1


def test_a_corrected_day_is_loaded_by_the_next_run(loaded: Platform) -> None:
    _break_day(loaded)
    loaded.run("warehouse/streams", "2021-12-01", "2021-12-03")
    with postgres(loaded.settings) as cursor:
        cursor.execute("DROP TABLE warehouse_days.streams_20211202")
    assert loaded.run("warehouse/streams", "2021-12-02").success
    assert loaded.query("SELECT count(*) FROM warehouse.streams") == [(4,)]


def test_a_bad_day_of_an_answer_fails_alone(loaded: Platform) -> None:
    loaded.run("warehouse/streams", "2021-12-01", "2021-12-03")
    with postgres(loaded.settings) as cursor:
        cursor.execute("ALTER TABLE analytics.average_session ADD CHECK (day <> '2021-12-02')")
    result = loaded.run("analytics/average_session published/average_session", "2021-12-01", "2021-12-03")
    assert "1 of 3 partitions failed" in reasons(result)
    assert loaded.partitions("analytics/average_session") == ["2021-12-01", "2021-12-03"]
    assert loaded.query("SELECT count(*) FROM analytics.average_session") == [(2,)]
    assert loaded.partitions("published/average_session") == []


def test_materializing_twice_gives_the_same_tables(platform: Platform) -> None:
    prepare(platform)
    platform.land("movies", "2021-12-31", movies_csv("Rust", "Heat"))
    first = _everything(platform, "engaged_users")
    assert len(first["published"]) == 3
    assert _everything(platform, "engaged_users") == first


def _everything(platform: Platform, answer: str) -> dict[str, list[tuple[object, ...]]]:
    assert platform.run("lake/streams lake/movies warehouse/movies", "2021-12-31").success
    for assets in ("warehouse/streams", f"analytics/{answer} published/{answer}"):
        assert platform.run(assets, "2021-12-01", "2021-12-03").success
    return {**platform.tables(), "published": platform.published(f"FROM published.{answer} ORDER BY ALL")}


def test_a_day_whose_answer_becomes_empty_loses_its_rows(platform: Platform) -> None:
    answers = "analytics/average_session published/average_session"
    platform.land("streams", "2021-12-31", streams_csv(session("2021-12-01T10:00"), session("2021-12-02T10:00")))
    platform.run("lake/streams", "2021-12-31")
    platform.run("warehouse/streams", "2021-12-01", "2021-12-02")
    platform.run(answers, "2021-12-01", "2021-12-02")
    platform.land("streams", "2021-12-31", streams_csv(session("2021-12-02T10:00")))
    platform.run("lake/streams", "2021-12-31")
    platform.run("warehouse/streams", "2021-12-01", "2021-12-02")
    assert platform.run(answers, "2021-12-01").success
    assert platform.query("SELECT day FROM analytics.average_session") == [(date(2021, 12, 2),)]
    assert platform.published("SELECT day FROM published.average_session") == [(date(2021, 12, 2),)]
    assert platform.metadata("published/average_session", "2021-12-01")[ROWS] == 0


def test_a_long_session_before_a_short_day_is_seen_on_its_last_day(paris: Platform) -> None:
    paris.land("streams", "2022-03-31", streams_csv(session("2022-03-26T23:30+01:00", hours=48)))
    paris.run("lake/streams", "2022-03-31")
    paris.run("warehouse/streams", "2022-03-26")
    for day in ("2022-03-29", "2022-03-30"):
        assert paris.run("analytics/sessions_in_progress", day).success
    assert paris.query("SELECT day, hour FROM analytics.sessions_in_progress") == [
        (date(2022, 3, 29), datetime(2022, 3, 28, 22, tzinfo=ZoneInfo("UTC")))
    ]


@pytest.mark.parametrize("ahead", [0, 31])
def test_a_month_that_is_not_over_can_be_answered(platform: Platform, ahead: int) -> None:
    month = (datetime.now(ZoneInfo("UTC")).date().replace(day=1) + timedelta(days=ahead)).replace(day=1).isoformat()
    result = platform.run("analytics/movies_by_author_nationality", month)
    assert result.success, reasons(result)


def test_a_month_before_the_first_day_is_over_can_be_answered(
    platform: Platform, clean_environment: pytest.MonkeyPatch
) -> None:
    clean_environment.setenv("DATAFLOW_FIRST_DAY", "2021-11-20")
    with builders.platform(load_settings()) as later:
        result = later.run("analytics/movies_by_author_nationality", "2021-11-01")
        assert result.success, reasons(result)


def test_a_late_run_does_not_replace_what_a_newer_one_wrote(loaded: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded.run("warehouse/streams", "2021-12-01")
    monkeypatch.setattr(warehouse_run, "require_tables", lambda *_: None)  # it looked before the newer one wrote
    with postgres(loaded.settings) as cursor:
        cursor.execute("UPDATE ledger.event_days SET lake_version = lake_version + 1")
        cursor.execute("TRUNCATE warehouse.streams")
    assert loaded.run("warehouse/streams", "2021-12-01").success
    assert loaded.query("SELECT count(*) FROM warehouse.streams") == [(0,)]


def test_tables_can_be_made_anew_as_the_readme_says(platform: Platform) -> None:
    prepare(platform)
    platform.land("movies", "2021-12-31", movies_csv("Rust", "Heat"))
    assets = ("lake/movies warehouse/movies", "lake/streams")
    for _ in range(3):
        assert all(platform.run(asset, "2021-12-31").success for asset in assets)
        assert platform.run("warehouse/streams", "2021-12-01", "2021-12-03").success
    before = platform.tables()
    for name in ("movies", "streams"):
        shutil.rmtree(platform.settings.home / "lake" / name)
    assert "The lake's table movies is gone" in reasons(platform.run("lake/movies", "2021-12-31"))
    url, storage, settings = open_server_of(platform.settings), open_storage(platform.settings), platform.settings
    list(rebuild_warehouse(url, storage, all_sources(), settings.timezone, settings.first_day))
    assert platform.query("SELECT count(*) FROM warehouse.streams") == [(0,)]
    assert all(platform.run(asset, "2021-12-31").success for asset in assets)
    assert platform.partitions("lake/streams_days", platform.instance.get_runs(limit=1)) == [
        *("2021-12-01", "2021-12-02", "2021-12-03"),
    ]
    assert platform.run("warehouse/streams", "2021-12-01", "2021-12-03").success
    assert platform.tables() == before
