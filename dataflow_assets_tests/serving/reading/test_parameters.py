"""What a query asks: each parameter is understood exactly, or refused with a sentence that says what would be right."""

from contextlib import suppress
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow_assets.analytics import all_answers
from dataflow_assets.serving.reading.parameters import LARGEST_PAGE, parse_parameters
from dataflow_assets.serving.reading.relations import answer_relation, ledger_relations
from dataflow_assets.serving.reading.values import parse_value
from dataflow_assets.serving.refusals import UnusableError
from dataflow_assets_tests.serving.reading.builders import STREAMS_TABLE, relation_of
from dataflow_assets_tests.warehouse.builders import READINGS

READINGS_TABLE = relation_of(READINGS)


def refusal(*given: tuple[str, str]) -> str:
    with pytest.raises(UnusableError) as caught:
        parse_parameters(STREAMS_TABLE, given)
    return str(caught.value)


def test_without_parameters_the_declared_columns_of_all_rows_come_in_any_order() -> None:
    found = parse_parameters(STREAMS_TABLE, [])
    assert [column.name for column in found.columns] == ["movie_title", "user_email", "size_mb", "start_at", "end_at"]
    assert (found.filters, found.order, found.limit) == ((), (), None)


def test_columns_and_order_are_lists_with_commas_or_repeated() -> None:
    once = parse_parameters(STREAMS_TABLE, [("columns", "id,size_mb"), ("order", "-size_mb,movie_title")])
    twice = parse_parameters(
        STREAMS_TABLE, [("columns", "id"), ("columns", "size_mb"), ("order", "-size_mb"), ("order", "movie_title")]
    )
    assert once == twice
    assert [(part.name, part.is_descending) for part in once.order] == [
        ("size_mb", True),
        ("movie_title", False),
        ("event_day", True),
        ("id", True),
    ]


def test_a_page_has_an_order_by_which_no_two_rows_are_equal() -> None:
    assert [part.name for part in parse_parameters(STREAMS_TABLE, [("limit", "5")]).order] == ["event_day", "id"]


def test_an_order_by_the_time_of_events_goes_by_days_first() -> None:
    order = parse_parameters(STREAMS_TABLE, [("limit", "5"), ("order", "-start_at")]).order
    assert [(part.name, part.is_descending) for part in order] == [
        ("event_day", True),
        ("start_at", True),
        ("id", True),
    ]


def test_filters_have_values_of_their_column() -> None:
    found = parse_parameters(
        STREAMS_TABLE,
        [
            ("start_at.gte", "2021-11-05T07:00:00+01:00"),
            ("event_day.lt", "2021-11-06"),
            ("movie_title.in", "a,b"),
            ("movie_title.in", "c"),
            ("size_mb", "1.5"),
        ],
    ).filters
    assert [(one.column.name, one.operator, one.values) for one in found] == [
        ("start_at", ">=", (datetime(2021, 11, 5, 6, tzinfo=UTC),)),
        ("event_day", "<", (date(2021, 11, 6),)),
        ("movie_title", "IN", ("a,b", "c")),
        ("size_mb", "=", (1.5,)),
    ]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([("colour", "red")], "There is no parameter 'colour'"),
        ([("size_mb.gt", "1")], "There is no parameter 'size_mb.gt'"),
        ([("columns", "size")], "streams has no column 'size'; its columns are id, event_day, movie_title"),
        ([("columns", "id,id")], "id is named twice"),
        ([("order", "size")], "streams has no column 'size'"),
        ([("limit", "0")], "limit=0 is no number of rows from 1 to 10000"),
        ([("limit", "1_000")], "limit=1_000 is no number"),
        ([("limit", str(LARGEST_PAGE + 1))], "leave it out to get all rows"),
        ([("limit", "1"), ("limit", "2")], "limit is given 2 times"),
        ([("cursor", "x")], "A cursor goes with a limit"),
        ([("size_mb", "1"), ("size_mb", "2")], "size_mb is given 2 times"),
        ([("size_mb", "nan")], "'nan' is no value of size_mb; write it like 0.5"),
        ([("size_mb", "1e999")], "'1e999' is no value"),
        ([("start_at.gte", "20240115")], "'20240115' is no value of start_at; write it like 2021-12-25T07:00:00Z"),
        ([("start_at.gte", "2024-01-15")], "is no value of start_at"),
        ([("start_at.gte", "2024-01-15T00:00:00")], "is no value of start_at"),
        ([("start_at.gte", "2024-01-15T00:00:00 02:00")], "in a URL, + is written %2B"),
        ([("start_at.gte", "2024-02-30T00:00:00Z")], "is no value of start_at"),
        ([("start_at", "9999-12-31T23:59:59.999999-01:00")], "is no value of start_at"),
        ([("start_at.lt", "9999-12-31T23:30:00-01:00")], "(from the year 1 to 9999 in UTC)"),
        ([("start_at.gte", "0001-01-01T00:00:00+00:01")], "is no value of start_at"),
        ([("start_at.in", "0001-01-01T00:30:00+01:00")], "is no value of start_at"),
        ([("event_day", "2024-1-1")], "'2024-1-1' is no value of event_day"),
        ([("delivery", "\N{ARABIC-INDIC DIGIT ONE}")], "is no value of delivery; write it like 42"),
        ([("delivery", str(2**63))], "is no value of delivery"),
        ([("id", "7")], "is no value of id"),
        ([("movie_title", "a\0b")], "any text without a NUL"),
        ([("movie_title.in", "x")] * 101, "may be given 100"),
    ],
)
def test_what_cannot_be_understood_is_refused(given: list[tuple[str, str]], said: str) -> None:
    assert said in refusal(*given)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("kind", "b", "'b' is no value of kind; write it like 'a' or 'é ' or '\"'"),
        ("tiny", "128", "from -128 to 127"),
        ("is_new", "1", "true or false"),
        ("single", "1e39", "is no value of single"),
        ("price", "1.2.3", "is no value of price"),
    ],
)
def test_each_type_has_its_values(name: str, text: str, said: str) -> None:
    with pytest.raises(ValueError, match="is no value of") as caught:
        parse_value(READINGS_TABLE.columns[name], text)
    assert said in str(caught.value)


@pytest.mark.parametrize("name", ["tags", "tags.in", "is_new.gte"])
def test_what_has_no_order_is_neither_compared_nor_ordered(name: str) -> None:
    with pytest.raises(UnusableError, match=r"cannot be filtered|have no order"):
        parse_parameters(READINGS_TABLE, [(name, "true")])


def test_a_column_with_the_name_of_another_parameter_is_filtered_by_in() -> None:
    limited = relation_of(READINGS)
    renamed = {**limited.columns, "limit": limited.columns["big"]}
    relation = type(limited)(**{**vars(limited), "columns": renamed})
    found = parse_parameters(relation, [("limit.in", "7"), ("limit", "5")])
    assert (found.limit, found.filters[0].values) == (5, (7,))


@given(value=st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-99999, max_value=99999))
def test_a_decimal_keeps_its_digits(value: Decimal) -> None:
    assert parse_value(READINGS_TABLE.columns["price"], str(value)) == value


@given(value=st.datetimes(timezones=st.timezones()))
def test_an_instant_is_the_same_with_any_offset_of_whole_minutes(value: datetime) -> None:
    offset = value.utcoffset()
    assert offset is not None
    is_whole = offset.total_seconds() % 60 == 0
    with suppress(OverflowError):
        expected = value.astimezone(UTC)
        if is_whole:
            assert parse_value(STREAMS_TABLE.columns["start_at"], value.isoformat()) == expected


@given(text=st.text(max_size=12) | st.from_regex(r"[+-]?[0-9.eE_]{0,8}|[0-9T:Z.+ -]{0,25}", fullmatch=True))
def test_any_text_is_a_value_or_refused(text: str) -> None:
    for column in [*STREAMS_TABLE.columns.values(), *READINGS_TABLE.columns.values()]:
        if not column.is_json:
            with suppress(ValueError):
                parse_value(column, text)


def test_every_relation_that_is_declared_can_be_asked() -> None:
    for relation in [*map(answer_relation, all_answers()), *ledger_relations()]:
        found = parse_parameters(relation, [("limit", "1")])
        assert len({part.name for part in found.order}) == len(found.order) > 0
