"""From landed objects to answers: which partitions follow from a delivery (the numbers: see `test_cli`)."""

import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

import pytest

from dataflow_assets.errors import RunFailedError
from dataflow_assets.landing.deliveries import Delivery, Landing
from dataflow_assets.ledger.settled import find_settled
from dataflow_assets.orchestration.assets import warehouse_run
from dataflow_assets.orchestration.resources import open_stores
from dataflow_assets.orchestration.runs.in_process import Materializer
from dataflow_assets.sources import find_source
from dataflow_assets_tests.orchestration.builders import Platform, key, movies_csv, postgres, session, streams_csv

LAYERS = ("analytics", "published")


def days(first: int, last: int) -> list[str]:
    """Days of December 2021."""
    return [f"2021-12-{day:02}" for day in range(first, last + 1)]


def a_session_on(first: int, last: int) -> str:
    return streams_csv(*(session(f"{day}T10:00") for day in days(first, last)))


def made_by(platform: Platform, *deliveries: Delivery) -> dict[str, list[str]]:
    """The partitions of each asset that materializing deliveries makes, for the assets that it makes at all."""
    before = {run.run_id for run in platform.instance.get_runs()}
    platform.materialize(*deliveries)
    runs = [run for run in platform.instance.get_runs() if run.run_id not in before]
    assets = [spec.key.to_user_string() for spec in platform.definitions.resolve_all_asset_specs()]
    found = {asset: platform.partitions(asset, runs) for asset in assets}
    return {asset: partitions for asset, partitions in found.items() if partitions}


def prepare(platform: Platform) -> None:
    movies = platform.land("movies", "2021-12-31", movies_csv("Rust"))
    platform.materialize(movies, platform.land("streams", "2021-12-31", a_session_on(4, 6)))


@pytest.fixture
def december(copied: Platform) -> Platform:
    """A platform with movies, and a session on each of the days 4, 5 and 6 December."""
    return copied


def test_a_late_delivery_makes_its_day_and_what_reaches_it_and_no_others(december: Platform) -> None:
    late = december.land("streams", "2021-12-31", streams_csv(session("2021-12-05T23:00")), "late.csv")
    found = made_by(december, late)
    both = {f"{layer}/{answer}": partitions for layer in LAYERS for answer, partitions in _REACHED.items()}
    assert found == {
        "lake/streams": ["2021-12-31"],
        "lake/rejects": ["2021-12-31"],
        "lake/streams_days": ["2021-12-05"],
        "warehouse/streams": ["2021-12-05"],
        **both,
    }
    assert december.query("SELECT sessions FROM analytics.average_session WHERE day = '2021-12-05'") == [(2,)]


_REACHED = {
    "average_session": ["2021-12-05"],
    "median_session_size": ["2021-12-05"],
    "book_based_share": ["2021-12-05"],
    "sessions_in_progress": days(5, 7),
    "engaged_users": days(5, 13),
    "movies_by_author_nationality": ["2021-12-01"],
}


def test_a_late_delivery_of_the_first_day_of_a_month(december: Platform) -> None:
    late = december.land("streams", "2021-12-31", streams_csv(session("2021-12-01T23:00")), "late.csv")
    found = made_by(december, late)
    assert found["analytics/average_session"] == ["2021-12-01"]
    assert found["analytics/movies_by_author_nationality"] == ["2021-12-01"]
    assert found["published/sessions_in_progress"] == days(1, 3)


def test_deliveries_of_two_firsts_of_months_make_no_days_between(platform: Platform) -> None:
    sessions = streams_csv(session("2021-12-01T10:00"), session("2022-01-01T10:00"))
    found = made_by(platform, platform.land("streams", "2022-01-31", sessions))
    firsts = ["2021-12-01", "2022-01-01"]
    assert found["analytics/average_session"] == found["analytics/movies_by_author_nationality"] == firsts
    monthly = {key(f"{layer}/movies_by_author_nationality") for layer in LAYERS}
    selections = [run.asset_selection or frozenset() for run in platform.instance.get_runs()]
    assert [selection for selection in selections if selection & monthly not in (set(), selection)] == []


def test_what_was_made_before_is_not_made_again(platform: Platform) -> None:
    materializer = Materializer(platform.settings, lambda: platform.definitions, platform.instance, lambda _: None)
    materializer.materialize([platform.land("streams", "2021-12-31", streams_csv(session("2021-12-05T10:00")))])
    later = platform.land("streams", "2021-12-31", streams_csv(session("2021-12-09T10:00")), "later.csv")
    materializer.materialize([later])
    assert platform.partitions("warehouse/streams") == ["2021-12-05", "2021-12-09"]


def test_runs_of_a_command_belong_to_the_code_location_and_are_not_made_again(december: Platform) -> None:
    for run in december.instance.get_runs():
        assert run.remote_job_origin
        repository = run.remote_job_origin.repository_origin
        assert repository.code_location_origin.location_name == "dataflow_assets"
        assert run.tags[".dagster/repository"] == "__repository__@dataflow_assets"
        assert run.tags["dagster/max_retries"] == "0"


def test_an_object_that_changes_withdraws_what_it_gave(december: Platform) -> None:
    found = made_by(december, december.land("streams", "2021-12-31", a_session_on(4, 5)))
    assert found["warehouse/streams"] == days(4, 6)
    for table in ("warehouse.streams", "analytics.average_session", "analytics.sessions_in_progress"):
        day = "event_day" if table == "warehouse.streams" else "day"
        assert december.query(f"SELECT max({day}), count(*) FROM {table}") == [(date(2021, 12, 5), 2)], table
    assert december.published("SELECT max(day), count(*) FROM published.average_session") == [(date(2021, 12, 5), 2)]
    assert december.query("SELECT users FROM analytics.engaged_users WHERE day = '2021-12-12'") == [(0,)]


def test_a_changed_snapshot_makes_the_answers_that_read_it(december: Platform) -> None:
    found = made_by(december, december.land("movies", "2021-12-31", movies_csv("Rust", "Heat")))
    assert found == {
        "lake/movies": ["2021-12-31"],
        "lake/rejects": ["2021-12-31"],
        "warehouse/movies": ["2021-12-31"],
        "analytics/engaged_users": days(4, 14),
        "published/engaged_users": days(4, 14),
    }


def test_a_delivery_that_came_before_makes_nothing_again_that_follows_from_it(december: Platform) -> None:
    found = made_by(december, december.land("streams", "2021-12-31", a_session_on(4, 6)))
    assert found == {
        "lake/streams": ["2021-12-31"],
        "lake/rejects": ["2021-12-31"],
        "lake/streams_days": days(4, 6),
    }


def test_the_same_version_of_an_object_is_not_even_taken_in_again(platform: Platform) -> None:
    movies = platform.land("movies", "2021-12-31", movies_csv("Rust"))
    streams = platform.land("streams", "2021-12-31", a_session_on(4, 6))
    platform.materialize(movies, streams)
    assert made_by(platform, movies, streams) == {}


def test_what_is_stale_after_an_object_is_made_though_the_object_is_not_taken_in_again(platform: Platform) -> None:
    movies = platform.land("movies", "2021-12-31", movies_csv("Rust"))
    streams = platform.land("streams", "2021-12-31", a_session_on(4, 6))
    platform.materialize(movies, streams)
    with postgres(platform.settings) as cursor:
        cursor.execute("UPDATE ledger.snapshots SET lake_version = 0 WHERE source = 'movies'")
        cursor.execute("UPDATE ledger.event_days SET lake_version = 0 WHERE event_day = '2021-12-05'")
        cursor.execute("DELETE FROM ledger.answers WHERE answer = 'average_session' AND partition = '2021-12-06'")
    found = made_by(platform, movies, streams)
    assert [asset for asset in found if asset.startswith("lake/")] == []
    assert found["warehouse/movies"] == ["2021-12-31"]
    assert found["warehouse/streams"] == days(5, 5)
    assert found["analytics/average_session"] == found["published/average_session"] == days(6, 6)


def test_rows_that_somebody_deleted_are_made_again(platform: Platform) -> None:
    streams = platform.land("streams", "2021-12-31", a_session_on(4, 7))
    platform.materialize(streams)
    before = platform.tables()
    with postgres(platform.settings) as cursor:
        cursor.execute("DELETE FROM warehouse.streams WHERE event_day = '2021-12-05'")
        cursor.execute("DROP TABLE warehouse_days.streams_20211207")
        cursor.execute("DELETE FROM analytics.average_session WHERE day = '2021-12-06'")
    found = made_by(platform, streams)
    assert found == {
        "warehouse/streams": ["2021-12-05", "2021-12-07"],
        "analytics/average_session": days(6, 6),
        "published/average_session": days(6, 6),
    }
    assert platform.tables() == before


def test_a_dump_that_was_quarantined_is_judged_again_as_it_is_declared_now(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform.materialize(platform.land("movies", "2021-12-29", movies_csv("Rust", "Heat", "Alien")))
    small = platform.land("movies", "2021-12-30", movies_csv("Rust"))
    platform.materialize(small)
    present = "SELECT count(*) FROM warehouse.movies WHERE missing_since IS NULL"
    assert platform.query(present) == [(3,)]
    monkeypatch.setitem(vars(find_source("movies")), "smallest_share", 0.1)
    platform.materialize(small)
    assert platform.query(present) == [(1,)]


def test_an_object_whose_record_is_lost_is_taken_in_again(december: Platform) -> None:
    late = december.land("streams", "2021-12-31", a_session_on(5, 5), "late.csv")
    december.materialize(late)
    with postgres(december.settings) as cursor:
        cursor.execute("DELETE FROM ledger.deliveries WHERE object LIKE '%late.csv'")
    assert "lake/streams" in made_by(december, late)
    assert december.query("SELECT state FROM ledger.deliveries WHERE object LIKE '%late.csv'") == [("accepted",)]


def test_an_object_that_would_be_read_otherwise_now_is_not_settled(december: Platform) -> None:
    late, stores = (
        december.land("streams", "2021-12-31", a_session_on(5, 5), "late.csv"),
        open_stores(december.settings),
    )
    december.materialize(late)
    first_day = december.settings.first_day
    assert find_settled(stores.url, stores.storage, [late], "UTC", first_day) == [late]
    assert find_settled(stores.url, stores.storage, [late], "UTC", first_day + timedelta(days=1)) == []


def test_a_snapshot_that_says_what_it_said_before_makes_no_answer_again(december: Platform) -> None:
    found = made_by(december, december.land("movies", "2021-12-31", movies_csv("Rust")))
    assert {asset for asset in found if not asset.startswith("lake/")} == {"warehouse/movies"}


def test_what_could_not_be_published_is_published_by_the_next_try(december: Platform) -> None:
    published = december.settings.published_file
    whole = published.read_bytes()
    late = december.land("streams", "2021-12-31", streams_csv(session("2021-12-05T23:00")), "late.csv")
    published.write_text("no database")
    with pytest.raises(RunFailedError, match=r"is not a DuckDB database\. Remove it"):
        december.materialize(late)
    assert december.query(f"{_SESSIONS} analytics.average_session {_OF_THE_FIFTH}") == [(2,)]
    published.write_bytes(whole)
    assert december.published(f"{_SESSIONS} published.average_session {_OF_THE_FIFTH}") == [(1,)]
    december.materialize(late)
    assert december.published(f"{_SESSIONS} published.average_session {_OF_THE_FIFTH}") == [(2,)]


_SESSIONS, _OF_THE_FIFTH = "SELECT sessions FROM", "WHERE day = '2021-12-05'"


def test_a_published_file_that_was_removed_is_made_again(december: Platform) -> None:
    december.settings.published_file.unlink()
    december.materialize(december.land("streams", "2021-12-31", a_session_on(4, 6)))
    assert december.published("SELECT count(*) FROM published.average_session") == [(3,)]


def test_a_published_file_that_was_removed_and_begun_anew_is_filled_again(platform: Platform) -> None:
    streams = platform.land("streams", "2021-12-31", a_session_on(4, 6))
    platform.materialize(streams)
    platform.settings.published_file.unlink()
    platform.materialize(platform.land("streams", "2021-12-31", streams_csv(session("2021-12-05T23:00")), "late.csv"))
    assert platform.published("SELECT day FROM published.average_session") == [(date(2021, 12, 5),)]
    platform.materialize(streams)
    assert platform.published("SELECT count(*) FROM published.average_session") == [(3,)]


def test_deliveries_of_many_days_take_a_run_for_each_stretch(platform: Platform) -> None:
    delivered = ("2021-12-01", "2021-12-02", "2021-12-03", "2021-12-08", "2021-12-09")
    platform.materialize(*(platform.land("users", day, _USERS) for day in delivered))
    assert len(platform.instance.get_runs()) == 2
    assert platform.partitions("warehouse/users") == list(delivered)


def test_deliveries_of_one_event_table_take_a_run_for_all_their_days(platform: Platform) -> None:
    delivered = [platform.land("streams", f"2021-12-{day}", a_session_on(day - 5, day - 5)) for day in (15, 18, 19)]
    found = made_by(platform, *delivered)
    assert found["lake/streams"] == ["2021-12-15", "2021-12-18", "2021-12-19"]
    assert found["warehouse/streams"] == ["2021-12-10", "2021-12-13", "2021-12-14"]
    selections = [
        sorted(key.to_user_string() for key in run.asset_selection or ()) for run in platform.instance.get_runs()
    ]
    assert [one for one in selections if len(one) == 1] == [["warehouse/streams"], ["lake/streams"]]


_USERS = "first_name,last_name,email\nAda,Berg,a@b.example\n"


def test_an_object_that_keeps_changing_keeps_no_other_day_from_its_answers(platform: Platform) -> None:
    restless = platform.land("streams", "2021-12-30", a_session_on(1, 1))
    calm = platform.land("streams", "2021-12-31", a_session_on(2, 2))
    with kept_changing(platform.settings.home / restless.object), pytest.raises(RunFailedError, match="kept changing"):
        platform.materialize(restless, calm)
    assert platform.query("SELECT day FROM analytics.average_session") == [(date(2021, 12, 2),)]
    platform.materialize(restless)
    assert len(platform.query("SELECT day FROM analytics.average_session")) == 2


@contextmanager
def kept_changing(path: Path) -> Iterator[None]:
    """Replace a file by an equal one each time that somebody has seen which version it is."""
    current, draft = Landing.current, path.with_suffix(".draft")

    def replacing(landing: Landing, key: str) -> Delivery | None:
        found = current(landing, key)
        if path.match(key):
            shutil.copyfile(path, draft)
            draft.replace(path)
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Landing, "current", replacing)
        yield


def test_one_bad_day_does_not_keep_the_others_from_their_answers(platform: Platform) -> None:
    with postgres(platform.settings) as cursor:
        cursor.execute("CREATE TABLE warehouse_days.streams_20211202 (x int)")
    delivery = platform.land("streams", "2021-12-31", a_session_on(1, 3))
    with pytest.raises(RunFailedError, match=r"1 of 3 partitions failed.* 2021-12-02: "):
        platform.materialize(delivery)
    answered = "SELECT day FROM analytics.average_session ORDER BY day"
    assert platform.query(answered) == [(date(2021, 12, 1),), (date(2021, 12, 3),)]
    with postgres(platform.settings) as cursor:
        cursor.execute("DROP TABLE warehouse_days.streams_20211202")
    platform.materialize(delivery)
    assert len(platform.query(answered)) == 3


def test_who_interrupts_a_run_stops_all_that_would_follow(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warehouse_run, "load_day", lambda *_: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        platform.materialize(platform.land("streams", "2021-12-31", a_session_on(1, 1)))
    assert platform.partitions("lake/streams") == ["2021-12-31"]
    assert platform.partitions("analytics/average_session") == []
