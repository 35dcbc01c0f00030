"""The answers sensor on a real warehouse: what follows from what was loaded, and what does not."""

from datetime import date

import dagster as dg
import pytest

from dataflow_assets.lake.delta.table import rows_table
from dataflow_assets.landing.storage import open_storage
from dataflow_assets.orchestration.automation import answers_sensor
from dataflow_assets.postgres.connection import connect
from dataflow_assets.runtime.tags import IN_PROCESS
from dataflow_assets.sources import find_source
from dataflow_assets.sources.base import Events
from dataflow_assets.warehouse.answers import making_answers
from dataflow_assets.warehouse.bootstrap import open_warehouse
from dataflow_assets.warehouse.events import load_day
from dataflow_assets_tests.orchestration.builders import Platform, key, movies_csv, session, streams_csv, wanted

QUIET = "Nothing changed in the warehouse."
WAITING = "Answers are being made; the next ones wait."


SESSIONS = streams_csv(*(session(f"2021-12-0{day}T10:00") for day in (4, 5, 6)))


def prepare(platform: Platform) -> None:
    platform.land("movies", "2021-12-30", movies_csv("Rust"))
    assert platform.run("lake/movies warehouse/movies", "2021-12-30").success
    platform.land("streams", "2021-12-31", SESSIONS)
    assert platform.run("lake/streams", "2021-12-31").success
    assert platform.run("warehouse/streams", "2021-12-04", "2021-12-06").success


@pytest.fixture
def december(copied: Platform) -> Platform:
    """A platform with movies, a session on each of the days 4, 5 and 6 December, and no answers."""
    return copied


@pytest.fixture
def answered(platform: Platform) -> Platform:
    """The same platform with all answers."""
    movies = platform.land("movies", "2021-12-30", movies_csv("Rust"))
    platform.materialize(movies, platform.land("streams", "2021-12-31", SESSIONS))
    return platform


def ingest(platform: Platform, day: str, hour: int = 12) -> None:
    """Land one more session of a day and take it into the lake."""
    platform.land("streams", "2021-12-31", streams_csv(session(f"{day}T{hour}:00")), f"of {day}.csv")
    assert platform.run("lake/streams", "2021-12-31").success


def load(platform: Platform, *days: str) -> None:
    """Bring one more session of each of some days into the warehouse."""
    for day in days:
        ingest(platform, day)
        assert platform.run("warehouse/streams", day).success


def asked(platform: Platform, cursor: str | None = None) -> dict[str, tuple[str, str]]:
    """The answers that are asked for, and the first and the last partition of each."""
    found = {}
    for request in platform.tick("answers_sensor", cursor).requests:
        assets, first, last = wanted(request)
        names = [asset.split("/") for asset in assets.split()]
        for name in {name for _, name in names}:
            assert ["analytics", name] in names
            assert ["published", name] in names
            assert name not in found, "asked for by two runs"
            found[name] = (first, last)
    return found


def all_of(first: str, last: str, month: str) -> dict[str, tuple[str, str]]:
    """What reads the streams of one day: the day, the two that a session may last, the six after it."""
    day = date.fromisoformat(first)
    in_progress, engaged = (day.replace(day=day.day + reach).isoformat() for reach in (2, 8))
    assert engaged == last
    same = dict.fromkeys(("average_session", "book_based_share", "median_session_size"), (first, first))
    windows = {"sessions_in_progress": (first, in_progress), "engaged_users": (first, engaged)}
    return {**same, **windows, "movies_by_author_nationality": (month, month)}


def test_what_was_answered_before_the_first_tick_is_not_asked_for(answered: Platform) -> None:
    first = answered.tick("answers_sensor")
    assert (first.requests, first.reason) == ([], QUIET)
    load(answered, "2021-12-05")
    assert asked(answered) == asked(answered, first.cursor) == all_of("2021-12-05", "2021-12-13", "2021-12-01")


def test_what_was_never_answered_is_asked_for_at_the_first_tick(platform: Platform) -> None:
    load(platform, "2021-12-05")
    assert asked(platform) == all_of("2021-12-05", "2021-12-13", "2021-12-01")


def test_the_same_change_asks_by_the_same_keys_and_once(december: Platform) -> None:
    load(december, "2021-12-05")
    first, again = december.tick("answers_sensor"), december.tick("answers_sensor")
    keys = [[request.run_key for request in tick.requests] for tick in (first, again)]
    assert keys[0] == keys[1]
    assert len(set(keys[0])) == 4
    assert asked(december, first.cursor) == {}
    ingest(december, "2021-12-05", hour=13)
    assert december.run("warehouse/streams", "2021-12-05").success
    later = {request.run_key for request in december.tick("answers_sensor", first.cursor).requests}
    assert len(later - set(keys[0])) == 4


def test_many_days_are_one_run_of_each_kind(december: Platform) -> None:
    cursor = december.tick("answers_sensor").cursor
    days = [f"2021-12-{day:02}" for day in range(8, 12)]
    sessions = streams_csv(*(session(f"{day}T10:00") for day in days))
    december.land("streams", "2021-12-31", sessions, "many.csv")
    assert december.run("lake/streams", "2021-12-31").success
    assert december.run("warehouse/streams", days[0], days[-1]).success
    assert asked(december, cursor) == {
        **dict.fromkeys(("average_session", "book_based_share", "median_session_size"), (days[0], days[-1])),
        "sessions_in_progress": (days[0], "2021-12-13"),
        "engaged_users": (days[0], "2021-12-19"),
        "movies_by_author_nationality": ("2021-12-01", "2021-12-01"),
    }


def test_a_snapshot_asks_for_every_day_if_it_changed_and_for_none_if_not(december: Platform) -> None:
    def asked_after_dump(day: str, *titles: str) -> dict[str, tuple[str, str]]:
        before = december.tick("answers_sensor").cursor
        december.land("movies", day, movies_csv(*titles))
        assert december.run("lake/movies warehouse/movies", day).success
        return asked(december, before)

    assert asked_after_dump("2021-12-31", "Rust") == {}
    assert asked_after_dump("2022-01-01", "Rust", "Heat") == {"engaged_users": ("2021-12-04", "2021-12-14")}
    assert asked_after_dump("2022-01-02", "Rust", "Heat") == {}


def test_a_day_that_was_left_as_it_was_asks_for_nothing(december: Platform) -> None:
    cursor = december.tick("answers_sensor").cursor
    assert december.run("warehouse/streams", "2021-12-04", "2021-12-06").success
    assert asked(december, cursor) == {}


def test_a_day_whose_rows_were_withdrawn_is_asked_for(december: Platform) -> None:
    cursor = december.tick("answers_sensor").cursor
    december.land("streams", "2021-12-31", streams_csv(session("2021-12-04T10:00"), session("2021-12-06T10:00")))
    assert december.run("lake/streams", "2021-12-31").success
    assert december.run("warehouse/streams", "2021-12-05").success
    assert december.metadata("warehouse/streams", "2021-12-05")["rows"] == 0
    assert asked(december, cursor) == all_of("2021-12-05", "2021-12-13", "2021-12-01")


def test_a_load_that_was_killed_before_it_could_tell_is_told_by_the_next(december: Platform) -> None:
    cursor = december.tick("answers_sensor").cursor
    ingest(december, "2021-12-05")
    streams = find_source("streams")
    assert isinstance(streams, Events)
    table = rows_table(open_storage(december.settings), streams)
    with connect(open_warehouse(december.settings)) as connection:
        load_day(connection, streams, table.scan(), table.open().version(), date(2021, 12, 5), "UTC")
    assert asked(december, cursor) == {}
    assert december.run("warehouse/streams", "2021-12-05").success
    assert december.metadata("warehouse/streams", "2021-12-05")["is_changed"] == 0
    assert asked(december, cursor) == all_of("2021-12-05", "2021-12-13", "2021-12-01")


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED])
def test_while_answers_are_made_the_next_wait(december: Platform, status: dg.DagsterRunStatus) -> None:
    cursor = december.tick("answers_sensor").cursor
    load(december, "2021-12-05")
    run = december.instance.create_run_for_job(
        december.definitions.resolve_job_def("answers_daily"),
        status=status,
        asset_selection=frozenset([key("analytics/average_session")]),
    )
    waiting = december.tick("answers_sensor", cursor)
    assert (waiting.requests, waiting.reason, waiting.cursor) == ([], WAITING, cursor)
    load(december, "2021-12-06")
    december.instance.report_run_failed(run)
    assert asked(december, waiting.cursor)["average_session"] == ("2021-12-05", "2021-12-06")


@pytest.mark.parametrize("job", ["lake", "warehouse"])
def test_what_changed_waits_for_what_is_on_its_way_but_not_long(
    december: Platform, monkeypatch: pytest.MonkeyPatch, job: str
) -> None:
    cursor = december.tick("answers_sensor").cursor
    load(december, "2021-12-05")
    run = december.instance.create_run_for_job(
        december.definitions.resolve_job_def(job), status=dg.DagsterRunStatus.STARTED
    )
    monkeypatch.setattr(answers_sensor, "_PATIENCE_SECONDS", 1e9)
    waiting = december.tick("answers_sensor", cursor)
    assert (waiting.requests, waiting.cursor) == ([], cursor)
    monkeypatch.setattr(answers_sensor, "_PATIENCE_SECONDS", 0.0)
    assert asked(december, waiting.cursor) == all_of("2021-12-05", "2021-12-13", "2021-12-01")
    monkeypatch.setattr(answers_sensor, "_PATIENCE_SECONDS", 1e9)
    december.instance.report_run_failed(run)
    assert asked(december, waiting.cursor) == all_of("2021-12-05", "2021-12-13", "2021-12-01")


def test_they_wait_for_a_process_that_makes_answers_as_long_as_it_lives(answered: Platform) -> None:
    load(answered, "2021-12-05")
    with making_answers(open_warehouse(answered.settings)):
        waiting = answered.tick("answers_sensor")
        assert (waiting.reason, waiting.cursor is None) == (WAITING, False)
    # What is made by hand meanwhile is later than the change and may still not know of it.
    assert answered.run("analytics/average_session", "2021-12-06").success
    answered.instance.create_run_for_job(
        answered.definitions.resolve_job_def("answers_daily"),
        tags={IN_PROCESS: "true"},
        status=dg.DagsterRunStatus.STARTED,
    )
    assert asked(answered, waiting.cursor) == all_of("2021-12-05", "2021-12-13", "2021-12-01")
