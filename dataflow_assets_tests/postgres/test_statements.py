"""Statements of SQLAlchemy run over ADBC: every value arrives as it was sent, and each is compiled once."""

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from dataflow_assets.postgres import statements
from dataflow_assets.postgres.connection import connect
from dataflow_assets.postgres.sql import execute
from dataflow_assets.postgres.statements import insert_rows, run, upsert_rows, write_rows

THINGS = sa.Table(
    "things",
    sa.MetaData(schema="public"),
    sa.Column("number", sa.BigInteger(), primary_key=True),
    sa.Column("text", sa.Text()),
    sa.Column("day", sa.Date()),
    sa.Column("moment", sa.DateTime(timezone=True)),
    sa.Column("is_new", sa.Boolean()),
    sa.Column("days", ARRAY(sa.Date())),
    sa.Column("texts", ARRAY(sa.Text())),
    sa.Column("counts", JSONB()),
)
CREATE = """
    CREATE TABLE public.things (
        counts jsonb, texts text[], days date[], is_new boolean, moment timestamptz, day date, text text,
        number bigint PRIMARY KEY)"""  # in another order than is declared
INSERT, UPSERT = insert_rows(THINGS), upsert_rows(THINGS)
INSERT_VALUES = sa.insert(THINGS).values({column.name: sa.bindparam(column.name) for column in THINGS.columns})
READ = sa.select(*THINGS.columns).order_by(THINGS.c.number)
DELETE = sa.delete(THINGS)

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
days = st.dates()
ROWS = st.fixed_dictionaries(
    {
        "number": st.integers(-(2**63), 2**63 - 1),
        "text": st.none() | texts,
        "day": st.none() | days,
        "moment": st.none() | st.datetimes(timezones=st.just(UTC)),
        "is_new": st.none() | st.booleans(),
        "days": st.none() | st.lists(days),
        "texts": st.none() | st.lists(texts),
        "counts": st.dictionaries(texts, st.integers(-(2**31), 2**31)),
    }
)


@pytest.fixture(scope="module")
def url(module_database_url: str) -> str:
    with connect(module_database_url) as connection:
        execute(connection, CREATE)
    return module_database_url


def read(url: str) -> list[dict[str, Any]]:
    with connect(url) as connection:
        found = [dict(zip(THINGS.columns.keys(), row, strict=True)) for row in run(connection, READ)]
    return [{**row, "counts": row["counts"] and json.loads(row["counts"])} for row in found]


def row(number: int, text: str = "a") -> dict[str, Any]:
    return {**dict.fromkeys(THINGS.columns.keys()), "number": number, "text": text}


@given(rows=st.lists(ROWS, max_size=4, unique_by=lambda row: str(row["number"])))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=60)
def test_rows_arrive_as_they_were_sent(url: str, rows: list[dict[str, Any]]) -> None:
    in_order = sorted(rows, key=lambda row: row["number"])
    for statement in (INSERT, UPSERT):
        with connect(url) as connection:
            run(connection, DELETE)
            write_rows(connection, statement, rows)
        assert read(url) == in_order


@given(row=ROWS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=60)
def test_parameters_arrive_as_they_were_sent(url: str, row: dict[str, Any]) -> None:
    with connect(url) as connection:
        run(connection, DELETE)
        run(connection, INSERT_VALUES, **{**row, "counts": json.dumps(row["counts"])})
    assert read(url) == [row]


def test_a_row_takes_the_place_of_the_one_with_its_key(url: str) -> None:
    with connect(url) as connection:
        run(connection, DELETE)
        write_rows(connection, UPSERT, [row(1, "old"), row(2, "kept")])
        write_rows(connection, UPSERT, [row(1, "new"), row(3, "added")])
    assert [(found["number"], found["text"]) for found in read(url)] == [(1, "new"), (2, "kept"), (3, "added")]


def test_a_parameter_without_a_value_is_an_error_and_no_null(url: str) -> None:
    wanted: sa.Select[Any] = sa.select(THINGS.c.number).where(THINGS.c.text == sa.bindparam("text"), THINGS.c.is_new)
    with connect(url) as connection, pytest.raises(sa.exc.InvalidRequestError, match="'text'"):
        run(connection, wanted)


def test_a_value_that_json_does_not_have_is_refused(url: str) -> None:
    with connect(url) as connection, pytest.raises(TypeError, match="of the type set cannot be sent as JSON"):
        write_rows(connection, INSERT, [{**row(1), "texts": {"a"}}])


def test_a_parameter_that_stands_twice_is_sent_once_and_a_list_may_be_empty(url: str) -> None:
    number = sa.bindparam("number", type_=sa.BigInteger())
    among = sa.any_(sa.bindparam("numbers", type_=ARRAY(sa.BigInteger())))
    asked = sa.select(number == among, sa.cast(number, sa.Text()))
    with connect(url) as connection:
        assert run(connection, asked, number=2**40, numbers=[1, 2**40]) == [(True, str(2**40))]
        assert run(connection, asked, number=1, numbers=[]) == [(False, "1")]


def test_a_statement_is_compiled_once(url: str) -> None:
    wanted: sa.Select[Any] = sa.select(sa.literal_column("1"))
    with connect(url) as connection:
        run(connection, wanted)
        before = statements._compile.cache_info()
        for _ in range(3):
            assert run(connection, wanted) == [(1,)]
    after = statements._compile.cache_info()
    assert (after.misses, after.hits) == (before.misses, before.hits + 3)


def test_days_and_instants_of_all_years_are_sent(url: str) -> None:
    for day in (date.min, date.max):
        moment = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
        with connect(url) as connection:
            run(connection, DELETE)
            write_rows(connection, INSERT, [{**row(1), "day": day, "moment": moment, "days": [day]}])
        [found] = read(url)
        assert (found["day"], found["moment"], found["days"]) == (day, moment, [day])
