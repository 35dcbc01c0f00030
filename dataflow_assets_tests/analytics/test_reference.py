"""Every published number of the reference data, in both time zones."""

from datetime import date
from typing import Any

import polars as pl
import pytest

from dataflow_assets.analytics import compute_partition, find_answer
from dataflow_assets.analytics.questions import answer_questions, parse_questions
from dataflow_assets.core.time_windows import Window
from dataflow_assets_tests.analytics.builders import ZONES

UTC, PARIS = "UTC", "Europe/Paris"
Frames = dict[str, pl.DataFrame]


def _partition(frames: Frames, answer: str, day: date, zone: str) -> list[dict[str, Any]]:
    lazy = {source: frame.lazy() for source, frame in frames.items()}
    return compute_partition(find_answer(answer), lazy, day, zone).collect().to_dicts()


def test_rows(reference_frames: Frames) -> None:
    assert {source: frame.height for source, frame in reference_frames.items()} == {
        "authors": 200,
        "books": 103,
        "movies": 91,
        "reviews": 501,
        "streams": 9652,
        "users": 783,
    }


@pytest.mark.parametrize(("zone", "outage", "engaged", "first"), [(UTC, 5, 725, "11-30"), (PARIS, 4, 728, "12-01")])
def test_all_rows(reference_frames: Frames, zone: str, outage: int, engaged: int, first: str) -> None:
    offset = "+01:00" if zone == PARIS else "+00:00"
    assert answer_questions(reference_frames, parse_questions(zone, {})) == {
        "timezone": zone,
        "from": f"2021-{first}T00:00:00{offset}",
        "to": f"2021-12-31T00:00:00{offset}",
        "sessions": 9652,
        "book_based_share": {"streamed": 91, "based_on_books": 85, "share": 85 / 91},
        "outage": {
            "movie": "Unforgiven",
            "from": f"2021-12-25T07:00:00{offset}",
            "to": f"2021-12-25T12:00:00{offset}",
            "users": outage,
        },
        "movies_by_author_nationality": {"nationality": "singaporeans", "movies": 3},
        "average_session_seconds": pytest.approx(43336.010160, abs=5e-7),
        "median_session_gigabytes": pytest.approx(0.935901, abs=5e-7),
        "engaged_users": {
            "from": f"2021-12-25T00:00:00{offset}",
            "to": f"2022-01-01T00:00:00{offset}",
            "users": engaged,
        },
    }


@pytest.mark.parametrize(("zone", "users"), [(UTC, 746), (PARIS, 747)])
def test_engaged_users_of_eight_days_as_published(reference_frames: Frames, zone: str, users: int) -> None:
    window = Window.of_days(date(2021, 12, 24), date(2021, 12, 31), zone)
    given = {"engaged_from": window.start.isoformat(), "engaged_to": window.end.isoformat()}
    questions = parse_questions(zone, given)
    assert answer_questions(reference_frames, questions)["engaged_users"]["users"] == users


@pytest.mark.parametrize(("zone", "users"), [(UTC, 725), (PARIS, 728)])
def test_engaged_users_of_the_last_day(reference_frames: Frames, zone: str, users: int) -> None:
    day = date(2021, 12, 31)
    assert _partition(reference_frames, "engaged_users", day, zone) == [{"day": day, "users": users}]


@pytest.mark.parametrize(
    ("zone", "day", "sessions", "average", "median", "based", "streamed"),
    [
        (UTC, date(2021, 11, 30), 11, 31089.67, 0.862456, 11, 11),
        (PARIS, date(2021, 12, 1), 308, 43596.04, 0.940378, 83, 89),
        (PARIS, date(2021, 12, 15), 334, 44624.96, 0.960856, 79, 85),
        (PARIS, date(2021, 12, 30), 303, 44183.49, 1.081615, 83, 89),
    ],
)
def test_days(
    reference_frames: Frames,
    zone: str,
    day: date,
    sessions: int,
    average: float,
    median: float,
    based: int,
    streamed: int,
) -> None:
    assert _partition(reference_frames, "average_session", day, zone) == [
        {"day": day, "sessions": sessions, "average_session_seconds": pytest.approx(average, abs=5e-3)}
    ]
    assert _partition(reference_frames, "median_session_size", day, zone) == [
        {"day": day, "sessions": sessions, "median_session_gigabytes": pytest.approx(median, abs=5e-7)}
    ]
    assert _partition(reference_frames, "book_based_share", day, zone) == [
        {"day": day, "streamed": streamed, "based_on_books": based, "share": based / streamed}
    ]


@pytest.mark.parametrize("zone", [UTC, PARIS])
def test_movies_by_author_nationality(reference_frames: Frames, zone: str) -> None:
    month = date(2021, 12, 1)
    rows = _partition(reference_frames, "movies_by_author_nationality", month, zone)
    assert {"month": month, "nationality": "singaporeans", "movies": 3} in rows


@pytest.mark.parametrize("zone", [UTC, PARIS])
def test_unforgiven_in_progress_by_hour_covers_the_outage(reference_frames: Frames, zone: str) -> None:
    rows = _partition(reference_frames, "sessions_in_progress", date(2021, 12, 25), zone)
    hours = [row for row in rows if row["movie_title"] == "Unforgiven" and 7 <= _local_hour(row, zone) < 12]
    most = max(row["users"] for row in hours)
    assert most <= (5 if zone == UTC else 4) <= sum(row["users"] for row in hours)


def _local_hour(row: dict[str, Any], zone: str) -> int:
    hour: int = pl.Series([row["hour"]]).dt.convert_time_zone(zone).dt.hour().item()
    return hour


@pytest.mark.parametrize("zone", ZONES)
def test_the_sessions_of_days_add_up(reference_frames: Frames, zone: str) -> None:
    days = pl.date_range(date(2021, 11, 29), date(2022, 1, 1), eager=True)
    found = [_partition(reference_frames, "average_session", day, zone) for day in days]
    assert sum(row["sessions"] for rows in found for row in rows) == 9652
