"""Answers are stored partition by partition, and read back as they were computed."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from dataflow_assets.analytics import all_answers
from dataflow_assets.analytics.base import Answer
from dataflow_assets.ledger.answers import read_answer_versions
from dataflow_assets.postgres.connection import AdbcError, connect
from dataflow_assets.postgres.sql import execute
from dataflow_assets.warehouse.answers import (
    AnswerLoad,
    are_answers_being_made,
    load_answer,
    load_answers,
    making_answers,
)
from dataflow_assets.warehouse.scan import scan_answer
from dataflow_assets_tests.waiting import wait_until
from dataflow_assets_tests.warehouse.builders import DAY, ask, together, wait_until_blocked

_ADVISORY = (
    "JOIN pg_database ON database = pg_database.oid WHERE locktype = 'advisory' AND datname = current_database()"
)
NEXT = DAY + timedelta(days=1)
DAILY = next(answer for answer in all_answers() if "movie_title" in answer.schema.columns())


def rows(answer: Answer, day: date, count: int) -> pl.DataFrame:
    return answer.schema.sample(count, overrides={answer.grain: [day] * count})


def load(url: str, answer: Answer, day: date, frame: pl.DataFrame, **made_from: int) -> AnswerLoad:
    with connect(url) as connection:
        return load_answer(connection, answer.name, answer.grain, day, frame, made_from)


def read(url: str, answer: Answer, *days: date) -> pl.DataFrame:
    return scan_answer(url, answer.name, answer.schema, days).collect()


def test_every_answer_comes_back_as_it_was(database_url: str) -> None:
    for answer in all_answers():
        frame = rows(answer, DAY, 1)
        assert load(database_url, answer, DAY, frame).rows == 1
        assert_frame_equal(read(database_url, answer, DAY), frame)


def test_a_partition_is_replaced_whole_and_alone(database_url: str) -> None:
    other = rows(DAILY, NEXT, 4)
    load(database_url, DAILY, NEXT, other)
    load(database_url, DAILY, DAY, rows(DAILY, DAY, 5))
    second = rows(DAILY, DAY, 3)
    assert load(database_url, DAILY, DAY, second).rows == 3
    assert_frame_equal(read(database_url, DAILY, DAY), second, check_row_order=False)
    assert_frame_equal(read(database_url, DAILY, NEXT), other, check_row_order=False)
    assert read(database_url, DAILY, DAY, NEXT).height == 7


def test_an_empty_partition_takes_the_rows_away(database_url: str) -> None:
    load(database_url, DAILY, DAY, rows(DAILY, DAY, 5))
    assert load(database_url, DAILY, DAY, rows(DAILY, DAY, 0)).rows == 0
    found = read(database_url, DAILY, DAY)
    assert found.height == 0
    assert found.schema == DAILY.schema.create_empty().schema


def test_a_partition_that_fails_stays_as_it_was(database_url: str) -> None:
    load(database_url, DAILY, DAY, rows(DAILY, DAY, 5))
    with pytest.raises(AdbcError):
        load(database_url, DAILY, DAY, rows(DAILY, DAY, 3).with_columns(movie_title=pl.lit("a\0b")))
    assert read(database_url, DAILY, DAY).height == 5


def test_a_partition_made_from_newer_tables_is_left_alone(database_url: str) -> None:
    newer = rows(DAILY, DAY, 4)
    load(database_url, DAILY, DAY, newer, streams=7, movies=3)
    for made_from in ({"streams": 6, "movies": 3}, {"streams": 9, "movies": 2}):
        late = load(database_url, DAILY, DAY, rows(DAILY, DAY, 2), **made_from)
        assert (late.rows, late.is_stale) == (4, True)
    assert_frame_equal(read(database_url, DAILY, DAY), newer, check_row_order=False)
    assert not load(database_url, DAILY, DAY, rows(DAILY, DAY, 2), streams=7, movies=4).is_stale
    with connect(database_url) as connection:
        assert read_answer_versions(connection, DAILY.name, DAY, NEXT) == {DAY: {"streams": 7, "movies": 4}}


def test_a_partition_stored_twice_at_once_stands_once(database_url: str) -> None:
    frame = rows(DAILY, DAY, 5)
    for _ in range(5):
        stored = together(*[lambda: load(database_url, DAILY, DAY, frame)] * 2)
        assert [future.result().rows for future in stored] == [5, 5]
        assert ask(database_url, f"SELECT count(*) FROM analytics.{DAILY.name}") == [(5,)]


DAYS = [DAY + timedelta(days=number) for number in range(4)]


def load_together(url: str, answer: Answer, made: dict[date, pl.DataFrame], **made_from: int) -> dict[date, AnswerLoad]:
    with connect(url) as connection:
        return load_answers(connection, answer.name, answer.grain, {day: (made[day], made_from) for day in made})


@pytest.fixture
def stored(database_url: str) -> pl.DataFrame:
    """What stands of four partitions, of which the third was made from newer tables than the others."""
    for number, day in enumerate(DAYS):
        load(database_url, DAILY, day, rows(DAILY, day, number), streams=7 if number == 2 else 3)
    return read(database_url, DAILY, *DAYS)


def test_partitions_stored_together_are_those_stored_one_by_one(database_url: str, stored: pl.DataFrame) -> None:
    made = {day: rows(DAILY, day, 3 - number) for number, day in enumerate(reversed(DAYS))}
    loads = load_together(database_url, DAILY, made, streams=7)
    assert loads == {day: AnswerLoad(rows=made[day].height) for day in DAYS}
    together = read(database_url, DAILY, *DAYS)
    assert_frame_equal(together, pl.concat(made.values()), check_row_order=False)
    assert ask(database_url, f"SELECT count(DISTINCT xmin::text) FROM analytics.{DAILY.name}") == [(1,)]
    for day in DAYS:
        load(database_url, DAILY, day, made[day], streams=7)
    assert_frame_equal(read(database_url, DAILY, *DAYS), together)
    assert not together.equals(stored)


def test_of_partitions_stored_together_one_made_from_newer_tables_is_left_alone(
    database_url: str, stored: pl.DataFrame
) -> None:
    made = {day: rows(DAILY, day, 5) for day in DAYS}
    loads = load_together(database_url, DAILY, made, streams=6)
    assert [(load.rows, load.is_stale) for _, load in sorted(loads.items())] == [(5, False)] * 2 + [
        (2, True),
        (5, False),
    ]
    assert_frame_equal(read(database_url, DAILY, DAYS[2]), stored.filter(day=DAYS[2]))
    with connect(database_url) as connection:
        versions = read_answer_versions(connection, DAILY.name, DAYS[0], DAYS[-1])
    assert [versions[day]["streams"] for day in DAYS] == [6, 6, 7, 6]
    stale = load_together(database_url, DAILY, {DAYS[2]: made[DAYS[2]]}, streams=6)
    assert stale == {DAYS[2]: AnswerLoad(rows=2, is_stale=True)}


def test_where_one_of_several_partitions_fails_all_stay_as_they_were(database_url: str, stored: pl.DataFrame) -> None:
    made = {day: rows(DAILY, day, 5) for day in DAYS}
    made[DAYS[1]] = made[DAYS[1]].with_columns(movie_title=pl.lit("a\0b"))
    with pytest.raises(AdbcError):
        load_together(database_url, DAILY, made, streams=9)
    assert_frame_equal(read(database_url, DAILY, *DAYS), stored)
    with connect(database_url) as connection:
        assert {"streams": 9} not in read_answer_versions(connection, DAILY.name, DAYS[0], DAYS[-1]).values()


def test_a_session_that_is_killed_while_it_stores_several_partitions_changes_none(
    database_url: str, stored: pl.DataFrame
) -> None:
    made = {day: rows(DAILY, day, 5) for day in DAYS}
    with connect(database_url) as reader, ThreadPoolExecutor(1) as pool:
        execute(reader, "LOCK TABLE ledger.answers IN SHARE MODE")  # the rows are written, their versions wait
        storing = pool.submit(load_together, database_url, DAILY, made, streams=9)
        wait_until_blocked(database_url, 1)
        ask(database_url, "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        with pytest.raises(AdbcError):
            storing.result()
    assert_frame_equal(read(database_url, DAILY, *DAYS), stored)
    assert {load.is_stale for load in load_together(database_url, DAILY, made, streams=9).values()} == {False}


def test_the_same_partitions_stored_together_by_two_stand_once(database_url: str) -> None:
    made = {day: rows(DAILY, day, 5) for day in DAYS}
    backwards = dict(reversed(made.items()))
    for _ in range(5):
        both = together(*(lambda made=made: load_together(database_url, DAILY, made) for made in (made, backwards)))
        assert [len(future.result()) for future in both] == [4, 4]
        assert ask(database_url, f"SELECT count(*) FROM analytics.{DAILY.name}") == [(20,)]


def test_one_makes_answers_at_a_time_and_others_can_tell(database_url: str) -> None:
    ours, theirs = threading.Event(), threading.Event()

    def make() -> bool:
        theirs.set()
        with making_answers(database_url):
            return ours.is_set()

    assert not are_answers_being_made(database_url)
    with ThreadPoolExecutor(1) as pool:
        with making_answers(database_url):
            second = pool.submit(make)
            theirs.wait()
            assert are_answers_being_made(database_url)
            assert not second.done()
            ours.set()
        assert second.result(), "the second did not wait for the first"
    wait_until(lambda: not are_answers_being_made(database_url))  # the server lets the lock go when the session ends


def test_a_session_that_is_killed_makes_no_answers_any_more(database_url: str) -> None:
    with making_answers(database_url):
        ask(database_url, f"SELECT pg_terminate_backend(pid, 60000) FROM pg_locks {_ADVISORY}")
        assert not are_answers_being_made(database_url)
