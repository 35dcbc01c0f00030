import subprocess
import sys
from datetime import UTC, date, datetime, timedelta, timezone

import dataframely as dy
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow_assets.analytics import Answer, all_answers, compute_partition, find_answer
from dataflow_assets.analytics.base import wrong_overlaps, wrong_reads
from dataflow_assets.core.time_windows import Window, WindowError
from dataflow_assets.errors import NotFoundError
from dataflow_assets.sources import Csv, Events, all_sources
from dataflow_assets_tests.analytics.builders import ZONES

HOUR = timedelta(hours=1)
days = st.dates(date(1975, 1, 1), date(2037, 12, 1))
zones = st.sampled_from(ZONES)


@pytest.mark.parametrize(
    ("day", "hours"),
    [(date(2021, 3, 28), 23), (date(2021, 10, 31), 25), (date(2021, 12, 1), 24)],
)
def test_a_day_is_as_long_as_its_clocks_say(day: date, hours: int) -> None:
    window = Window.of_day(day, "Europe/Paris")
    assert window.end - window.start == hours * HOUR


def test_a_day_begins_where_clocks_skip_its_midnight() -> None:
    window = Window.of_day(date(2018, 11, 4), "America/Sao_Paulo")
    assert window == Window(datetime(2018, 11, 4, 3, tzinfo=UTC), datetime(2018, 11, 5, 2, tzinfo=UTC))


def test_a_day_that_the_date_line_skipped_is_empty() -> None:
    window = Window.of_day(date(2011, 12, 30), "Pacific/Apia")
    assert window.start == window.end


@given(days, zones)
def test_consecutive_days_tile_time(day: date, zone: str) -> None:
    today, tomorrow = Window.of_day(day, zone), Window.of_day(day + timedelta(days=1), zone)
    assert today.end == tomorrow.start
    assert Window.of_days(day, day + timedelta(days=1), zone) == Window(today.start, tomorrow.end)


@given(days, zones)
def test_consecutive_months_tile_time(day: date, zone: str) -> None:
    first = day.replace(day=1)
    following = (first + timedelta(days=31)).replace(day=1)
    month = Window.of_month(first, zone)
    assert month.end == Window.of_month(following, zone).start
    assert month == Window.of_days(first, following - timedelta(days=1), zone)


@given(st.datetimes(datetime(1975, 1, 1), datetime(2037, 1, 1)), st.sampled_from(["Europe/Paris", "Asia/Kolkata"]))  # noqa: DTZ001
def test_an_instant_lies_in_the_window_of_its_local_day(instant: datetime, zone: str) -> None:
    at = pl.select(pl.lit(instant).dt.replace_time_zone("UTC").dt.convert_time_zone(zone)).item()
    window = Window.of_day(at.date(), zone)
    assert window.start <= at < window.end


def test_a_window_does_not_end_before_it_starts() -> None:
    now = datetime(2021, 12, 1, tzinfo=UTC)
    with pytest.raises(WindowError, match=r"ends .* before it starts"):
        Window(now, now - HOUR)


@pytest.mark.parametrize("zone", [None, timezone(HOUR)])
def test_a_window_is_in_utc(zone: timezone | None) -> None:
    with pytest.raises(ValueError, match="in UTC"):
        Window(datetime(2021, 12, 1, tzinfo=zone), datetime(2021, 12, 2, tzinfo=zone))


def test_a_month_begins_on_its_first_day() -> None:
    with pytest.raises(ValueError, match="first day"):
        Window.of_month(date(2021, 12, 2), "UTC")


def test_discovery_finds_the_answers() -> None:
    assert [answer.name for answer in all_answers()] == [
        "average_session",
        "book_based_share",
        "engaged_users",
        "median_session_size",
        "movies_by_author_nationality",
        "sessions_in_progress",
    ]
    assert find_answer("engaged_users").trailing_days == 6
    with pytest.raises(NotFoundError, match="average_session"):
        find_answer("nothing")


@pytest.mark.parametrize("answer", all_answers(), ids=lambda answer: answer.name)
def test_an_answer_gives_the_columns_of_its_table(answer: Answer) -> None:
    frames = {source.name: source.schema.create_empty(lazy=True) for source in all_sources()}
    table = compute_partition(answer, frames, date(2021, 12, 1), "Europe/Paris").collect()
    answer.schema.validate(table)
    assert set(answer.reads) <= set(frames)
    allowed = {pl.Int64, pl.Float64, pl.String, pl.Date, pl.Datetime("us", "UTC")}
    assert set(table.schema.values()) <= allowed


def test_only_engaged_users_are_counted_where_there_are_no_sessions() -> None:
    frames = {source.name: source.schema.create_empty(lazy=True) for source in all_sources()}
    rows = {
        answer.name: compute_partition(answer, frames, date(2021, 12, 1), "UTC").collect().rows()
        for answer in all_answers()
    }
    assert rows.pop("engaged_users") == [(date(2021, 12, 1), 0)]
    assert all(not found for found in rows.values())


class _Wrong(dy.Schema):
    users = dy.Int64()


def test_an_answer_must_begin_with_its_day() -> None:
    with pytest.raises(ValueError, match="first column"):
        _answer(schema=_Wrong)


def test_a_month_has_no_trailing_days() -> None:
    with pytest.raises(ValueError, match="trailing"):
        _answer(schema=find_answer("movies_by_author_nationality").schema)


def test_a_type_that_no_table_holds_unchanged_is_refused() -> None:
    wrong = type("Wrong", (dy.Schema,), {"month": dy.Date(), "users": dy.UInt32()})
    with pytest.raises(ValueError, match=r"answer wrong: the column 'users' cannot be .* use dy\.Int64\(min=0\)"):
        _answer(schema=wrong, trailing_days=0)


def test_an_answer_reads_sources_and_nothing_else() -> None:
    month = type("Month", (dy.Schema,), {"month": dy.Date()})
    answers = [_answer(schema=month, trailing_days=0, reads=reads) for reads in ((), ("short", "shorts"), ("open",))]
    assert list(wrong_reads(answers, [OPEN, SHORT])) == [
        "answer wrong: it reads no source, which say when it is made again and who may see it",
        "answer wrong: it reads 'shorts', which is none of the sources open, short",
    ]


def _answer(schema: type[dy.Schema], trailing_days: int = 1, reads: tuple[str, ...] = ()) -> Answer:
    return Answer(
        name="wrong",
        description="",
        owner="team:nobody",
        grain="month",
        schema=schema,
        reads=reads,
        trailing_days=trailing_days,
        compute=pl.LazyFrame,
    )


class Clicks(dy.Schema):
    page = dy.String()
    clicked_at = dy.Datetime(time_zone="UTC")
    left_at = dy.Datetime(time_zone="UTC")


def _clicks(name: str, end_time: str | None, longest: timedelta | None) -> Events:
    return Events(
        name=name,
        singular=f"one_{name}",
        description="Made up.",
        owner="team:tests",
        schema=Clicks,
        reader=Csv(),
        key=("page", "clicked_at"),
        event_time="clicked_at",
        end_time=end_time,
        longest=longest,
    )


INSTANTS, OPEN, SHORT = (
    _clicks("instants", None, None),
    _clicks("open", "left_at", None),
    _clicks("short", "left_at", HOUR),
)


@pytest.mark.parametrize(
    ("reads", "problems"),
    [
        (("short",), []),
        (("short", "instants"), []),  # an instant overlaps no window but its own
        (("instants",), ["events that overlap its window need an end, and none of instants has one"]),
        (("open", "short"), ["how long before its window events of open may have started"]),
        (("open",), ["need an end, and none of open", "events of open may have started that overlap it"]),
        ((), ["need an end"]),
    ],
)
def test_an_answer_that_needs_the_end_of_events_says_so(reads: tuple[str, ...], problems: list[str]) -> None:
    answer = Answer(
        name="lasting",
        description="",
        owner="team:tests",
        grain="day",
        schema=type("Lasting", (dy.Schema,), {"day": dy.Date(primary_key=True)}),
        reads=reads,
        compute=lambda **frames: frames["window"],
        reads_overlapping=True,
    )
    found = list(wrong_overlaps([answer], [INSTANTS, OPEN, SHORT]))
    assert len(found) == len(problems)
    assert all(problem in sentence for problem, sentence in zip(problems, found, strict=True))


def test_answers_know_no_orchestrator() -> None:
    script = """if True:
        import sys
        from dataflow_assets.analytics import all_answers, questions
        assert all_answers() and questions
        assert "dagster" not in sys.modules"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120)
