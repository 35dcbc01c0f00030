from datetime import UTC, date, datetime, timedelta
from random import Random

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow_assets.analytics import (
    all_answers,
    average_session,
    book_based_share,
    compute_partition,
    engaged_users,
    median_session_size,
    movies_by_author_nationality,
    sessions_in_progress,
)
from dataflow_assets.core.time_windows import Window
from dataflow_assets_tests.analytics.builders import (
    AUTUMN,
    MOVIES,
    TITLES,
    ZONES,
    authors,
    books,
    reviews,
    session,
    some_sessions,
    streams,
)

NOON = datetime(2021, 12, 25, 12, tzinfo=UTC)
HOUR, MICROSECOND = timedelta(hours=1), timedelta(microseconds=1)
WINDOW = Window(NOON, NOON + HOUR)
TIES = reviews(("RUST", "Oxide"), ("rust and bone", "Marrow"), ("Rust and Bone", "Oxide"), ("Ørsted", None))
BOOKS = books(("OXIDE", "ada reed"), ("marrow", "Bo Lind"), ("Marrow Again", None))
AUTHORS = authors(("Ada Reed", "finns"), ("Bo Lind", "finns"), ("Cy Ott", None))


@pytest.mark.parametrize(
    ("start", "counts"),
    [(NOON - MICROSECOND, False), (NOON, True), (NOON + HOUR - MICROSECOND, True), (NOON + HOUR, False)],
)
def test_a_session_belongs_to_the_window_in_which_it_starts(start: datetime, counts: bool) -> None:
    found = average_session.compute(streams(session("Rust", "a@x", start, HOUR)).lazy(), WINDOW).collect()
    assert found.rows() == ([(1, 3600.0)] if counts else [])


def test_the_average_is_exact_beyond_64_bits() -> None:
    rows = streams(*[session("Rust", "a@x", NOON, timedelta(days=40_000_000 // 365))] * 1000)
    assert average_session.compute(rows.lazy(), WINDOW).collect().rows() == [(1000, 40_000_000 // 365 * 86_400.0)]


def test_the_median_of_an_even_number_is_midway() -> None:
    rows = streams(*[session("Rust", "a@x", NOON, HOUR, size) for size in (4000.0, 1000.0, 2000.0, 9000.0)])
    assert median_session_size.compute(rows.lazy(), WINDOW).collect().rows() == [(4, 3.0)]


def test_titles_match_without_regard_to_case() -> None:
    rows = streams(*[session(title, "a@x", NOON, HOUR) for title in ("Rust", "rUST", "RUST AND BONE", "ØRSTED")])
    assert book_based_share.compute(rows.lazy(), TIES.lazy(), WINDOW).collect().rows() == [(3, 2, 2 / 3)]


def test_a_movie_counts_once_for_a_nationality() -> None:
    rows = streams(*[session(title, "a@x", NOON, HOUR) for title in TITLES])
    found = movies_by_author_nationality.compute(rows.lazy(), TIES.lazy(), BOOKS.lazy(), AUTHORS.lazy(), WINDOW)
    assert found.collect().rows() == [("finns", 2)]


@pytest.mark.parametrize(
    ("start", "lasts", "users"),
    [
        (NOON, 30 * timedelta(minutes=1), 1),
        (NOON, 30 * timedelta(minutes=1) - MICROSECOND, 0),
        (NOON - HOUR, HOUR + MICROSECOND, 1),  # whole, though only its last instant overlaps
        (NOON - HOUR, HOUR, 0),  # over before the window
        (NOON + HOUR - MICROSECOND, HOUR, 1),
        (NOON + HOUR, HOUR, 0),
    ],
)
def test_an_engaged_user_watched_half_of_a_movie(start: datetime, lasts: timedelta, users: int) -> None:
    rows = streams(session("RUST", "a@x", start, lasts), session("Rust", "b@x", NOON, MICROSECOND))
    assert engaged_users.compute(rows.lazy(), MOVIES.lazy(), WINDOW).collect().item() == users


def test_two_short_sessions_do_not_make_an_engaged_user() -> None:
    rows = streams(*[session("Rust", "a@x", NOON + part * HOUR / 2, HOUR / 3) for part in range(2)])
    assert engaged_users.compute(rows.lazy(), MOVIES.lazy(), WINDOW).collect().item() == 0


def test_hours_are_counted_from_where_the_local_day_starts() -> None:
    rows = streams(session("Rust", "a@x", datetime(2021, 12, 24, 18, tzinfo=UTC), HOUR))
    window = Window.of_day(date(2021, 12, 25), "Asia/Kolkata")
    hours = sessions_in_progress.compute(rows.lazy(), window).collect()["hour"].to_list()
    assert hours == [datetime(2021, 12, 24, 18, 30, tzinfo=UTC)]


@given(some_sessions(), st.integers(0, 3), st.sampled_from(ZONES))
def test_sessions_in_progress_are_those_that_overlap_the_hour(sessions: pl.DataFrame, day: int, zone: str) -> None:
    window = Window.of_day(AUTUMN.date() + timedelta(days=day), zone)
    expected = {}
    hour = window.start
    while hour < window.end:
        end = min(hour + HOUR, window.end)
        for title in sessions["movie_title"].unique():
            overlapping = [
                row["user_email"]
                for row in sessions.iter_rows(named=True)
                if row["movie_title"] == title and row["start_at"] < end and row["end_at"] > hour
            ]
            if overlapping:
                expected[hour, title] = (len(overlapping), len(set(overlapping)))
        hour += HOUR
    found = sessions_in_progress.compute(sessions.lazy(), window).collect()
    assert {(row[0], row[1]): row[2:] for row in found.iter_rows()} == expected
    assert found.height == len(expected)


@given(some_sessions(), st.integers(-1, 4), st.sampled_from(ZONES), st.randoms(use_true_random=False))
def test_answers_depend_neither_on_order_nor_on_chunks(
    sessions: pl.DataFrame, day: int, zone: str, random: Random
) -> None:
    frames = {"streams": sessions, "movies": MOVIES, "reviews": TIES, "books": BOOKS, "authors": AUTHORS}
    shuffled = {source: _shuffled(frame, random) for source, frame in frames.items()}
    for answer in all_answers():
        at = AUTUMN.date().replace(day=1) if answer.grain == "month" else AUTUMN.date() + timedelta(days=day)
        found = [
            compute_partition(answer, {source: frame.lazy() for source, frame in given.items()}, at, zone).collect()
            for given in (frames, shuffled)
        ]
        assert found[0].equals(found[1])
        answer.schema.validate(found[0])


def _shuffled(frame: pl.DataFrame, random: Random) -> pl.DataFrame:
    order = list(range(frame.height))
    random.shuffle(order)
    parts = [frame[[row]] for row in order] or [frame]
    return pl.concat(parts, rechunk=False)


@given(some_sessions(), st.sampled_from(ZONES))
def test_more_rows_and_columns_than_needed_change_nothing(sessions: pl.DataFrame, zone: str) -> None:
    window = Window.of_day(AUTUMN.date() + timedelta(days=1), zone)
    touching = sessions.filter(pl.col("start_at") < window.end, pl.col("end_at") > window.start)
    wide = sessions.with_columns(id=pl.lit("x"), event_day=pl.col("start_at").dt.date())
    for compute in (sessions_in_progress.compute, average_session.compute, median_session_size.compute):
        narrow = compute(streams=touching.lazy(), window=window).collect()
        assert compute(streams=wide.lazy(), window=window).collect().equals(narrow)
