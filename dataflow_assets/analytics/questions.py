"""The questions of the business over any window of time, asked at once.

Here: which window a question gets when none is named, how instants are read from text, and the answers as
one JSON-able value or as a table for a terminal. Not here: a formula that a declared answer has, and
reading the warehouse.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
from rich.markup import escape
from rich.table import Table

from dataflow_assets.analytics import (
    average_session,
    book_based_share,
    engaged_users,
    median_session_size,
    movies_by_author_nationality,
)
from dataflow_assets.analytics.sessions import folded, overlaps
from dataflow_assets.core.time_windows import Window, WindowError

ENGAGED_DAYS = engaged_users.ANSWER.trailing_days + 1


@dataclass(frozen=True, kw_only=True)
class Questions:
    """What is asked. Instants are in UTC; a bound that is not given has its default.

    - `start`, `end`: the window of the questions about all sessions; from the day of the first session to
      the day after that of the last.
    - `outage_*`: the users of that movie in that window; 25 December 2021, 07:00 to 12:00.
    - `engaged_*`: the window of the engaged users; the last seven days of the last month with sessions.

    Days, months and hours are those of `timezone`; a session's day is that of its start.
    """

    timezone: str
    start: datetime | None = None
    end: datetime | None = None
    outage_movie: str = "Unforgiven"
    outage_start: datetime | None = None
    outage_end: datetime | None = None
    nationality: str = "singaporeans"
    engaged_start: datetime | None = None
    engaged_end: datetime | None = None


def parse_instant(text: str, timezone: str) -> datetime:
    """An ISO 8601 date or time as an instant in UTC.

    A text without an offset is read in `timezone`; a date is the start of its day, and of two equal local
    times the first is meant.

    Raises:
        WindowError: the text is not a time, or one that clocks skipped.
    """
    with suppress(ValueError, OverflowError):
        return Window.of_day(date.fromisoformat(text), timezone).start
    try:
        given = datetime.fromisoformat(text)
        local = given if given.tzinfo else given.replace(tzinfo=ZoneInfo(timezone))
        instant = local.astimezone(UTC)
        exists = instant.astimezone(local.tzinfo).replace(tzinfo=None) == local.replace(tzinfo=None)
    except (ValueError, OverflowError):
        raise WindowError(f"{text!r} is not a time; write it like 2021-12-25T07:00 or 2021-12-25.") from None
    if not exists:
        raise WindowError(f"{text!r} does not exist in {timezone}: clocks were put forward over it.")
    return instant


def answer_questions(frames: Mapping[str, pl.DataFrame | pl.LazyFrame], questions: Questions) -> dict[str, Any]:
    """Answer the questions from the warehouse's tables.

    Args:
        frames: streams, movies, reviews, books and authors, with the columns of their schemas.
        questions: what is asked.

    Returns:
        Values that JSON can hold: times as ISO texts in the business time zone; averages, medians and
        shares null where there is nothing to take them of; without any session and bounds, times are null too.
    """
    tables = {source: frame.lazy() for source, frame in frames.items()}
    windows = _windows(questions, _days_with_sessions(tables["streams"], questions.timezone))
    asked = _ask(tables, questions, windows)
    found = dict(zip(asked, pl.collect_all(asked.values(), engine="streaming"), strict=True))
    average, share, zone = found["average"], found["share"], ZoneInfo(questions.timezone)
    return {
        "timezone": questions.timezone,
        **_bounds(windows.everything, zone),
        "sessions": _value(average, "sessions", 0),
        "book_based_share": {
            "streamed": _value(share, "streamed", 0),
            "based_on_books": _value(share, "based_on_books", 0),
            "share": _value(share, "share"),
        },
        "outage": {
            "movie": questions.outage_movie,
            **_bounds(windows.outage, zone),
            "users": _value(found["outage"], "users"),
        },
        "movies_by_author_nationality": {
            "nationality": questions.nationality,
            "movies": _value(found["nationality"], "movies", 0),
        },
        "average_session_seconds": _value(average, "average_session_seconds"),
        "median_session_gigabytes": _value(found["median"], "median_session_gigabytes"),
        "engaged_users": {**_bounds(windows.engaged, zone), "users": _value(found["engaged"], "users")},
    }


@dataclass(frozen=True, kw_only=True)
class _Windows:
    """The windows of one set of questions; None: there are neither bounds nor sessions."""

    everything: Window | None
    outage: Window
    engaged: Window | None


def _ask(tables: Mapping[str, pl.LazyFrame], questions: Questions, windows: _Windows) -> dict[str, pl.LazyFrame]:
    """The rows that answer each question, at most one."""
    streams, reviews = tables["streams"], tables["reviews"]
    window = windows.everything or _NEVER
    by_nationality = movies_by_author_nationality.compute(
        streams=streams, reviews=reviews, books=tables["books"], authors=tables["authors"], window=window
    )
    return {
        "average": average_session.compute(streams=streams, window=window),
        "median": median_session_size.compute(streams=streams, window=window),
        "share": book_based_share.compute(streams=streams, reviews=reviews, window=window),
        "nationality": by_nationality.filter(pl.col("nationality") == questions.nationality),
        "outage": _users_in_progress(streams, questions.outage_movie, windows.outage),
        "engaged": engaged_users.compute(streams=streams, movies=tables["movies"], window=windows.engaged or _NEVER),
    }


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NEVER = Window(_EPOCH, _EPOCH)


def _users_in_progress(streams: pl.LazyFrame, movie: str, window: Window) -> pl.LazyFrame:
    """The number of users with a session of the movie in progress in the window: `users`, always one row."""
    sessions = streams.filter(overlaps(window), folded("movie_title") == pl.lit(movie).str.to_lowercase())
    return sessions.select(users=pl.col("user_email").n_unique())


def _days_with_sessions(streams: pl.LazyFrame, timezone: str) -> tuple[date, date] | None:
    """The first and the last local day on which a session starts."""
    first, last = streams.select(first=pl.col("start_at").min(), last=pl.col("start_at").max()).collect().row(0)
    if first is None:
        return None
    zone = ZoneInfo(timezone)
    return first.astimezone(zone).date(), last.astimezone(zone).date()


def _windows(questions: Questions, days: tuple[date, date] | None) -> _Windows:
    return _Windows(
        everything=_window_of_everything(questions, days),
        outage=_outage_window(questions),
        engaged=_engaged_window(questions, days),
    )


def _window_of_everything(questions: Questions, days: tuple[date, date] | None) -> Window | None:
    """The window of the questions about all sessions; a single bound beyond all sessions leaves it empty."""
    start, end = questions.start, questions.end
    if days:
        everything = Window.of_days(*days, questions.timezone)
        start = start or min(everything.start, end or everything.start)
        end = end or max(everything.end, start)
    return _between(start, end)


def _outage_window(questions: Questions) -> Window:
    start = questions.outage_start or parse_instant("2021-12-25T07:00", questions.timezone)
    end = questions.outage_end or parse_instant("2021-12-25T12:00", questions.timezone)
    return Window(start, end)


def _engaged_window(questions: Questions, days: tuple[date, date] | None) -> Window | None:
    start, end = questions.engaged_start, questions.engaged_end
    if days:
        month_end = (days[1].replace(day=1) + timedelta(days=31)).replace(day=1) - timedelta(days=1)
        last = Window.of_days(month_end - timedelta(days=ENGAGED_DAYS - 1), month_end, questions.timezone)
        start, end = start or last.start, end or last.end
    return _between(start, end)


def _between(start: datetime | None, end: datetime | None) -> Window | None:
    """The window of two bounds; empty with one of them, none without any."""
    start, end = start or end, end or start
    return Window(start, end) if start and end else None


def _bounds(window: Window | None, zone: ZoneInfo) -> dict[str, str | None]:
    if window is None:
        return {"from": None, "to": None}
    return {"from": window.start.astimezone(zone).isoformat(), "to": window.end.astimezone(zone).isoformat()}


def _value(rows: pl.DataFrame, column: str, default: int | None = None) -> Any:
    """The value of the only row, or the default where there is none."""
    return rows.item(0, column) if rows.height else default


def render_table(result: Mapping[str, Any]) -> Table:
    """What `answer_questions` returned, for a terminal of 80 columns."""
    share, outage, engaged = result["book_based_share"], result["outage"], result["engaged_users"]
    nationality = result["movies_by_author_nationality"]
    table = Table(title=_period(result), caption=f"Times are those of {result['timezone']}.", width=80)
    table.add_column("Question", overflow="fold")
    table.add_column("Answer", justify="right", overflow="fold")
    table.add_row("Sessions", _number(result["sessions"], ",d"))
    table.add_row(
        "Streamed movies that are based on books",
        f"{share['based_on_books']} of {share['streamed']} ({_number(share['share'], '.1%')})",
    )
    table.add_row(
        escape(f"Streamed movies based on books by authors of nationality {nationality['nationality']}"),
        _number(nationality["movies"], ",d"),
    )
    table.add_row("Average session", f"{_number(result['average_session_seconds'], ',.2f')} seconds")
    table.add_row("Median session size", f"{_number(result['median_session_gigabytes'], '.6f')} GB")
    table.add_row(
        escape(f"Users with {outage['movie']} in progress, {_period(outage)}"),
        _number(outage["users"], ",d"),
    )
    table.add_row(
        f"Users who watched at least half of a movie in one session, {_period(engaged)}",
        _number(engaged["users"], ",d"),
    )
    return table


def _period(bounds: Mapping[str, Any]) -> str:
    if bounds["from"] is None:
        return "no sessions"
    return " to ".join(datetime.fromisoformat(bounds[end]).strftime("%Y-%m-%d %H:%M") for end in ("from", "to"))


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
