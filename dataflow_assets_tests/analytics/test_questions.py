import json
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from dataflow_assets.analytics import compute_partition, find_answer
from dataflow_assets.analytics.questions import all_options, answer_questions, parse_questions, render_table
from dataflow_assets.core.time_windows import Window, WindowError, parse_instant
from dataflow_assets_tests.analytics.added_files import added_answer
from dataflow_assets_tests.analytics.builders import MOVIES, authors, books, reviews, session, some_sessions, streams

PARIS = "Europe/Paris"
EIGHT = datetime(2021, 12, 25, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)
REST = {
    "movies": MOVIES,
    "reviews": reviews(("RUST", "Oxide")),
    "books": books(("oxide", "Ada Reed")),
    "authors": authors(("ADA REED", "singaporeans")),
}


def _ask(sessions: pl.DataFrame, timezone: str = PARIS, **asked: str | datetime) -> dict[str, Any]:
    """What is answered; options are named as on the command line, and `start` and `end` are its --from and --to."""
    names = {"start": "from", "end": "to"}
    texts = {names.get(name, name): str(value) for name, value in asked.items()}
    return answer_questions({"streams": sessions, **REST}, parse_questions(timezone, texts))


def test_without_sessions_and_bounds_there_is_no_window() -> None:
    result = _ask(streams())
    assert json.loads(json.dumps(result)) == {
        "timezone": PARIS,
        "from": None,
        "to": None,
        "sessions": 0,
        "book_based_share": {"streamed": 0, "based_on_books": 0, "share": None},
        "outage": {
            "movie": "Unforgiven",
            "from": "2021-12-25T07:00:00+01:00",
            "to": "2021-12-25T12:00:00+01:00",
            "users": 0,
        },
        "movies_by_author_nationality": {"nationality": "singaporeans", "movies": 0},
        "average_session_seconds": None,
        "median_session_gigabytes": None,
        "engaged_users": {"from": None, "to": None, "users": 0},
    }


def test_defaults_follow_the_sessions_in_the_business_time_zone() -> None:
    first = datetime(2021, 10, 30, 22, 30, tzinfo=UTC)  # 31 October in Paris, a day of 25 hours
    result = _ask(streams(session("Rust", "a@x", first, HOUR), session("Rust", "a@x", EIGHT, HOUR)))
    assert (result["from"], result["to"]) == ("2021-10-31T00:00:00+02:00", "2021-12-26T00:00:00+01:00")
    assert result["engaged_users"]["from"] == "2021-12-25T00:00:00+01:00"
    assert result["sessions"] == 2
    assert result["movies_by_author_nationality"]["movies"] == 1


def test_a_window_applies_to_the_questions_about_all_sessions() -> None:
    result = _ask(
        streams(session("Rust", "a@x", EIGHT, HOUR), session("Rust", "b@x", EIGHT + HOUR, HOUR)),
        start=EIGHT,
        end=EIGHT + HOUR,
        outage_movie="RUST",
    )
    assert result["sessions"] == 1
    assert result["outage"]["users"] == 2
    assert result["engaged_users"]["users"] == 2


@given(some_sessions(), st.booleans(), st.datetimes(datetime(2021, 10, 1), datetime(2021, 12, 1)))  # noqa: DTZ001
def test_one_bound_is_enough(sessions: pl.DataFrame, is_start: bool, bound: datetime) -> None:
    at = bound.replace(tzinfo=UTC)
    result = _ask(sessions, start=at) if is_start else _ask(sessions, end=at)
    inside = sessions.filter(pl.col("start_at") >= at if is_start else pl.col("start_at") < at)
    assert result["sessions"] == inside.height
    assert datetime.fromisoformat(result["from" if is_start else "to"]) == at


def test_a_window_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(WindowError, match="before it starts"):
        _ask(streams(), start=EIGHT, end=EIGHT - HOUR)


@given(some_sessions(), st.sampled_from(["UTC", PARIS, "Asia/Kolkata"]))
def test_over_one_day_the_answers_are_those_of_its_partition(sessions: pl.DataFrame, zone: str) -> None:
    day = date(2021, 10, 31)
    window, week = Window.of_day(day, zone), Window.of_days(day - timedelta(days=6), day, zone)
    result = _ask(
        sessions,
        timezone=zone,
        start=window.start,
        end=window.end,
        engaged_from=week.start,
        engaged_to=week.end,
    )
    frames = {"streams": sessions.lazy(), **{source: frame.lazy() for source, frame in REST.items()}}
    asked = {
        name: compute_partition(find_answer(name), frames, day, zone).collect()
        for name in ("average_session", "median_session_size", "engaged_users")
    }
    average, median = asked["average_session"], asked["median_session_size"]
    assert result["engaged_users"]["users"] == asked["engaged_users"].item(0, "users")
    assert result["average_session_seconds"] == (average.item(0, 2) if average.height else None)
    assert result["median_session_gigabytes"] == (median.item(0, 2) if median.height else None)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2021-12-25", datetime(2021, 12, 24, 23, tzinfo=UTC)),
        ("2021-12-25T07:00", datetime(2021, 12, 25, 6, tzinfo=UTC)),
        ("2021-12-25 07:00:00.000001", datetime(2021, 12, 25, 6, 0, 0, 1, tzinfo=UTC)),
        ("2021-12-25T07:00Z", datetime(2021, 12, 25, 7, tzinfo=UTC)),
        ("2021-12-25T07:00-05:00", datetime(2021, 12, 25, 12, tzinfo=UTC)),
        ("2021-10-31T02:30", datetime(2021, 10, 31, 0, 30, tzinfo=UTC)),  # the first of two
        ("2021-10-31T02:30+01:00", datetime(2021, 10, 31, 1, 30, tzinfo=UTC)),
    ],
)
def test_parse_instant(text: str, instant: datetime) -> None:
    assert parse_instant(text, PARIS) == instant


def test_a_date_whose_midnight_was_skipped_starts_after_it() -> None:
    assert parse_instant("2018-11-04", "America/Sao_Paulo") == datetime(2018, 11, 4, 3, tzinfo=UTC)


def test_a_time_that_clocks_skipped_is_refused() -> None:
    with pytest.raises(WindowError, match=r"'2021-03-28T02:30' does not exist in Europe/Paris"):
        parse_instant("2021-03-28T02:30", PARIS)


@pytest.mark.parametrize("text", ["", "yesterday", "2021-13-01", "2021-12-25T25:00", "0001-01-01T00:00+14:00"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(WindowError, match="is not a time"):
        parse_instant(text, PARIS)


@given(st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(ZoneInfo(PARIS))))  # noqa: DTZ001
def test_an_instant_written_with_its_offset_is_read_back(at: datetime) -> None:
    assert parse_instant(at.isoformat(), "UTC") == at.astimezone(UTC)


@pytest.mark.parametrize("sessions", [streams(), streams(session("[b]Rust", "a@x", EIGHT, HOUR))])
def test_the_table_fits_80_columns(sessions: pl.DataFrame) -> None:
    result = _ask(sessions, outage_movie="[b]Rust" * 20, nationality="x" * 100)
    console = Console(width=80, file=StringIO())
    with console.capture() as capture:
        console.print(render_table(result))
    text = capture.get()
    assert max(len(line) for line in text.splitlines()) <= 80
    assert "…" not in text
    assert "[b]Rust" in text


def test_a_new_answer_is_asked_by_its_own_option(tmp_path: Path) -> None:
    sessions = streams(*[session("Rust", "a@x", EIGHT + number * HOUR, HOUR) for number in range(4)])
    with added_answer("late_sessions.py", tmp_path):
        assert "late_hour" in [option.name for option in all_options()]
        assert _ask(sessions, late_hour="10")["late"] == {"hour": 10, "sessions": 2}
        console = Console(width=80, file=StringIO())
        with console.capture() as capture:
            console.print(render_table(_ask(sessions)))
        assert "Sessions from 22:00 on" in capture.get()
    assert "late" not in _ask(sessions)


def test_the_options_keep_their_names() -> None:
    assert {option.name for option in all_options()} == {
        *("from", "to", "outage_movie", "outage_from", "outage_to", "nationality", "engaged_from", "engaged_to"),
    }
