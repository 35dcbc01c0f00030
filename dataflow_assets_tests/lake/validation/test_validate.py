from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from operator import itemgetter

import dataframely as dy
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow_assets.lake.validation.validate import POSITION, validate
from dataflow_assets.sources import all_sources, find_source
from dataflow_assets.sources.base import Snapshot, Source
from dataflow_assets.sources.formats import Csv

STREAMS, MOVIES = find_source("streams"), find_source("movies")
STREAM = {
    "movie_title": "Heat",
    "user_email": "a@x",
    "size_mb": "1.5",
    "start_at": "2021-12-01T10:00:00Z",
    "end_at": "2021-12-01T11:00:00Z",
}
MOVIE = {"title": "Heat", "duration_mins": "170", "original_language": "English", "size_mb": "1200"}
Text = Mapping[str, str | None]


def _text(source: Source, *rows: Text) -> pl.DataFrame:
    columns = source.schema.column_names()
    return pl.DataFrame(
        [[number, *(row[column] for column in columns)] for number, row in enumerate(rows)],
        schema={POSITION: pl.Int64, **dict.fromkeys(columns, pl.String)},
        orient="row",
    )


def _codes(source: Source, *rows: Text) -> list[tuple[int, str]]:
    accepted, rejected, _ = validate(_text(source, *rows), source, None)
    assert sorted([*accepted[POSITION], *rejected[POSITION]]) == list(range(len(rows)))
    return list(zip(rejected[POSITION], rejected["code"], strict=True))


def _start(text: str | None, source: Source = STREAMS) -> datetime | None:
    """The instant that a text gives; the other end is a minute later."""
    accepted, _, _ = validate(_text(source, {**STREAM, "start_at": text, "end_at": text}), _endless(source), None)
    return None if accepted.is_empty() else accepted["start_at"].item()


def _endless(source: Source) -> Source:
    """A source whose events may end when they start."""

    class Endless(dy.Schema):
        movie_title = dy.String()
        user_email = dy.String()
        size_mb = dy.Float64()
        start_at = dy.Datetime(time_zone="UTC")
        end_at = dy.Datetime(time_zone="UTC")

    return replace(source, schema=Endless)


def test_good_rows_are_typed_and_keep_their_order() -> None:
    rows = [{**MOVIE, "title": title} for title in ("B", "A", "C")]
    accepted, rejected, _ = validate(_text(MOVIES, *rows), MOVIES, None)
    assert accepted.schema == {**MOVIES.schema.create_empty().schema, POSITION: pl.Int64}
    assert accepted.select(MOVIES.schema.column_names()).rows() == [
        (t, 170, "English", 1200.0) for t in ("B", "A", "C")
    ]
    assert rejected.is_empty()
    assert rejected.schema == {POSITION: pl.Int64, "code": pl.String, "message": pl.String}


@pytest.mark.parametrize("source", all_sources(), ids=lambda source: source.name)
def test_no_rows_are_no_rows(source: Source) -> None:
    accepted, rejected, _ = validate(_text(source), source, None)
    assert accepted.schema == {**source.schema.create_empty().schema, POSITION: pl.Int64}
    assert (accepted.height, rejected.height) == (0, 0)


BROKEN_MOVIES = [
    ({"title": None}, "title.nullability"),
    ({"title": ""}, "title.min_length"),
    ({"title": "A\0"}, "title.nul"),
    ({"original_language": "\0"}, "original_language.nul"),
    ({"duration_mins": None}, "duration_mins.nullability"),
    ({"duration_mins": "long"}, "duration_mins.dtype"),
    ({"duration_mins": "1.5"}, "duration_mins.dtype"),
    ({"duration_mins": " 1"}, "duration_mins.dtype"),
    ({"duration_mins": ""}, "duration_mins.dtype"),
    ({"duration_mins": "9223372036854775808"}, "duration_mins.dtype"),
    ({"duration_mins": "0"}, "duration_mins.min"),
    ({"size_mb": "large"}, "size_mb.dtype"),
    ({"size_mb": "1,5"}, "size_mb.dtype"),
    ({"size_mb": "-1"}, "size_mb.min"),
    ({"size_mb": "NaN"}, "size_mb.nan"),
    ({"size_mb": "inf"}, "size_mb.inf"),
    ({"size_mb": "Infinity"}, "size_mb.inf"),
    ({"size_mb": "1e400"}, "size_mb.inf"),
]


@pytest.mark.parametrize(("broken", "code"), BROKEN_MOVIES)
def test_a_broken_rule_has_a_stable_code(broken: Text, code: str) -> None:
    assert _codes(MOVIES, MOVIE, {**MOVIE, **broken}, MOVIE) == [(1, code)]


@pytest.mark.parametrize(
    "fine", [{"original_language": None}, {"original_language": ""}, {"size_mb": "1e3"}, {"size_mb": "-0.0"}]
)
def test_what_no_rule_forbids_is_accepted(fine: Text) -> None:
    assert _codes(MOVIES, {**MOVIE, **fine}) == []


BROKEN_STREAMS = [
    ({"user_email": "nobody"}, "user_email.regex"),
    ({"user_email": "a b@x"}, "user_email.regex"),
    ({"start_at": None}, "start_at.nullability"),
    ({"start_at": ""}, "start_at.time"),
    ({"start_at": "2021-13-01T00:00:00Z"}, "start_at.time"),
    ({"start_at": "2021-02-29T00:00:00Z"}, "start_at.time"),
    ({"start_at": "2021-12-01T10:00:00"}, "start_at.time"),
    ({"start_at": "1638352800"}, "start_at.time"),
    ({"end_at": STREAM["start_at"]}, "ends_after_it_starts"),
    ({"end_at": "2021-11-30T10:00:00Z"}, "ends_after_it_starts"),
    ({"end_at": "2021-12-03T10:00:00.000001Z"}, "longest"),
    ({"start_at": "0001-06-01T00:00:00Z", "end_at": "0001-06-01T01:00:00Z"}, "start_at.time"),
    ({"start_at": "9999-06-01T00:00:00Z", "end_at": "9999-06-01T01:00:00Z"}, "start_at.time"),
    ({"start_at": "+12000-01-01T00:00:00Z", "end_at": "+12000-01-01T01:00:00Z"}, "start_at.time"),
    ({"start_at": "-0044-03-15T00:00:00Z", "end_at": "-0044-03-15T01:00:00Z"}, "start_at.time"),
]


@pytest.mark.parametrize(("broken", "code"), BROKEN_STREAMS)
def test_a_broken_event_has_a_stable_code(broken: Text, code: str) -> None:
    assert _codes(STREAMS, STREAM, {**STREAM, **broken}, STREAM) == [(1, code)]


def test_an_event_may_last_exactly_as_long_as_is_allowed() -> None:
    assert STREAMS.longest == timedelta(hours=48)  # type: ignore[attr-defined]
    assert _codes(STREAMS, {**STREAM, "end_at": "2021-12-03T10:00:00Z"}) == []


def test_what_cannot_be_read_comes_before_what_is_not_allowed() -> None:
    row = {**STREAM, "movie_title": "", "size_mb": "-1", "end_at": "later"}
    _, rejected, _ = validate(_text(STREAMS, row), STREAMS, None)
    assert rejected["code"].to_list() == ["end_at.time"]


def test_the_sentence_says_what_is_wrong_within_a_list() -> None:
    class Tagged(dy.Schema):
        title = dy.String()
        tags = dy.List(dy.String(min_length=2))

    source = replace(MOVIES, schema=Tagged)
    rows = [{"title": "Heat", "tags": tags} for tags in ('["a", null]', '["ab"]')]
    _, rejected, _ = validate(_text(source, *rows), source, None)
    assert rejected["message"].to_list() == ["a part of tags is missing; a part of tags is too short."]


def test_the_sentence_names_each_broken_rule_of_columns_before_those_of_rows() -> None:
    row = {**STREAM, "movie_title": "", "size_mb": "-inf", "end_at": STREAM["start_at"]}
    _, rejected, _ = validate(_text(STREAMS, row), STREAMS, None)
    assert rejected["code"].to_list() == ["movie_title.min_length"]
    assert rejected["message"].to_list() == [
        "movie_title is too short; size_mb is below its minimum; size_mb is not finite; "
        "it breaks the rule 'ends after it starts'."
    ]


# time

TEN = datetime(2021, 12, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2021-12-01T10:00:00Z",
        "2021-12-01T10:00:00.000Z",
        "2021-12-01T11:00:00+01:00",
        "2021-12-01T11:00:00.000+0100",
        "2021-11-30T22:00:00-12:00",
        "2021-12-01 10:00:00Z",
        "2021-12-01t10:00:00z",
    ],
)
def test_an_offset_is_reckoned(text: str) -> None:
    assert _start(text) == TEN


def test_what_is_finer_than_a_microsecond_is_cut() -> None:
    assert _start("2021-12-01T10:00:00.123456999Z") == TEN + timedelta(microseconds=123456)


def test_formats_are_tried_in_turn() -> None:
    source = replace(STREAMS, time_formats=("%+", "%d.%m.%Y %H:%M", "%Y/%m/%d %H:%M %z"))
    assert _start("2021-12-01T10:00:00Z", source) == TEN
    assert _start("01.12.2021 10:00", source) == TEN
    assert _start("2021/12/01 11:00 +0100", source) == TEN
    assert _start("12/01/2021 10:00", source) is None


def test_formats_may_be_mixed_in_one_file() -> None:
    source = replace(STREAMS, time_formats=("%+", "%d.%m.%Y %H:%M"))
    rows = [{**STREAM, "start_at": text} for text in ("01.12.2021 09:00", "2021-12-01T09:00:00Z", "yesterday")]
    accepted, rejected, _ = validate(_text(source, *rows), source, None)
    assert accepted["start_at"].to_list() == [TEN - timedelta(hours=1)] * 2
    assert rejected["code"].to_list() == ["start_at.time"]


PARIS = replace(STREAMS, time_formats=("%Y-%m-%d %H:%M",), time_zone="Europe/Paris")


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2021-12-01 11:00", TEN),
        ("2021-07-01 12:00", datetime(2021, 7, 1, 10, tzinfo=UTC)),
        ("2021-03-28 01:59", datetime(2021, 3, 28, 0, 59, tzinfo=UTC)),
        ("2021-03-28 02:30", None),  # clocks went from 02:00 to 03:00
        ("2021-03-28 03:00", datetime(2021, 3, 28, 1, tzinfo=UTC)),
        ("2021-10-31 02:30", datetime(2021, 10, 31, 0, 30, tzinfo=UTC)),  # the first of two
        ("2021-10-31 03:00", datetime(2021, 10, 31, 2, tzinfo=UTC)),
    ],
)
def test_a_time_without_zone_is_read_in_the_declared_one(text: str, utc: datetime | None) -> None:
    assert _start(text, PARIS) == utc


def test_a_time_that_clocks_skipped_is_rejected() -> None:
    row = {**STREAM, "start_at": "2021-03-28 02:30", "end_at": "2021-03-28 04:00"}
    assert _codes(PARIS, row) == [(0, "start_at.skipped_time")]


def test_an_event_that_ends_before_it_begins_is_rejected_by_its_kind() -> None:
    paris = replace(_endless(PARIS), time_formats=("%Y-%m-%d %H:%M",))
    row = {**STREAM, "start_at": "2026-10-25 02:30", "end_at": "2026-10-25 02:10"}
    assert _codes(paris, row, {**row, "end_at": "2026-10-25 02:30"}) == [(0, "ends_before_it_begins")]


def test_seconds_since_1970_are_of_utc_in_any_time_zone() -> None:
    source = replace(STREAMS, time_formats=("%s", "epoch_milliseconds"), time_zone="Europe/Berlin")
    assert _start("1640995199", source) == datetime(2021, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert _start("1763632800000", source) == datetime(2025, 11, 20, 10, tzinfo=UTC)


@given(
    st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31, 23), timezones=st.just(UTC)),  # noqa: DTZ001
    st.integers(-12 * 60, 14 * 60),
)
def test_any_instant_of_the_years_that_databases_know_is_read(moment: datetime, offset: int) -> None:
    sign, (hours, minutes) = "-" if offset < 0 else "+", divmod(abs(offset), 60)
    local = (moment.replace(tzinfo=None) + timedelta(minutes=offset)).isoformat()
    assert _start(f"{local}{sign}{hours:02}:{minutes:02}") == moment


# other types


class Thing(dy.Schema):
    name = dy.String(max_length=3)
    at = dy.Datetime(nullable=True)
    kind = dy.Enum(["big", "small"], nullable=True)
    label = dy.Categorical(nullable=True)
    born = dy.Date(nullable=True)
    is_new = dy.Bool(nullable=True)
    int8 = dy.Int8(nullable=True)
    int16 = dy.Int16(nullable=True)
    int32 = dy.Int32(nullable=True)
    int64 = dy.Integer(nullable=True)
    single = dy.Float32(nullable=True)
    double = dy.Float64(nullable=True)
    price = dy.Decimal(5, 2, nullable=True)
    most = dy.Decimal(38, 19, nullable=True)
    whole = dy.Decimal(nullable=True)
    tags = dy.List(dy.String(nullable=True), nullable=True, max_length=2)
    size = dy.Struct(
        {"x": dy.Int8(), "y": dy.Float64(nullable=True), "z": dy.List(dy.Bool(), nullable=True)}, nullable=True
    )


THINGS = Snapshot(
    name="things",
    singular="thing",
    description="Things.",
    owner="team:things",
    schema=Thing,
    reader=Csv(),
    key=("name",),
)
THING: Text = {**dict.fromkeys(Thing.column_names()), "name": "a"}


def _given(column: str, texts: Sequence[str]) -> list[object]:
    """What each text gives in a column: a value, or the code of its reject."""
    accepted, rejected, _ = validate(_text(THINGS, *({**THING, column: text} for text in texts)), THINGS, None)
    assert accepted.schema[column] == Thing.columns()[column].dtype
    values = zip(accepted[POSITION], accepted[column].to_list(), strict=True)
    codes = zip(rejected[POSITION], rejected["code"], strict=True)
    return [given for _, given in sorted([*values, *codes], key=itemgetter(0))]


GOOD: list[tuple[str, str, object]] = [
    ("kind", "big", "big"),
    ("label", "é", "é"),
    ("born", "2020-02-29", date(2020, 2, 29)),
    ("born", "0001-01-01", date.min),
    ("born", "9999-12-31", date.max),
    *(("is_new", text, True) for text in ("true", "True", "TRUE", "t", "T", "yes", "Yes", "y", "Y", "1")),
    *(("is_new", text, False) for text in ("false", "False", "FALSE", "f", "F", "no", "No", "n", "N", "0")),
    ("int8", "+5", 5),
    ("int8", "007", 7),
    ("int8", "-0", 0),
    ("single", "0.5", 0.5),
    ("single", "-16777216", -(2.0**24)),
    ("single", "16777216000000", 16777216000000.0),
    ("double", "9007199254740992", 2.0**53),
    ("double", "+9007199254740994", 2.0**53 + 2),
    ("double", "12345678901234567000", 1.2345678901234567e19),  # the fewest digits of a float
    ("double", "12345678901234567168", 1.2345678901234567e19),  # all of them
    ("double", "1234567890.1234567890", 1234567890.1234567890),
    ("price", "999.99", Decimal("999.99")),
    ("price", "-999.99", Decimal("-999.99")),
    ("price", "1", Decimal(1)),
    ("price", "1.", Decimal(1)),
    ("price", ".5", Decimal("0.5")),
    ("price", "+00012.5", Decimal("12.5")),
    ("price", "1.2300000000", Decimal("1.23")),
    ("price", "1.5E2", Decimal(150)),
    ("price", "1e-2", Decimal("0.01")),
    ("price", "0E-19", Decimal(0)),
    ("most", "9999999999999999999.9999999999999999999", Decimal("9999999999999999999.9999999999999999999")),
    ("whole", "-" + "9" * 38, Decimal("-" + "9" * 38)),
    ("tags", "[]", []),
    ("tags", ' [ "\\u00e9", null ] ', ["é", None]),
    ("tags", '["\\ud83c\\udfac"]', ["🎬"]),
    ("size", '{"x": 1, "other": [{}]}', {"x": 1, "y": None, "z": None}),
    ("size", '{"z": [true, false], "y": 2, "x": -128}', {"x": -128, "y": 2.0, "z": [True, False]}),
    ("size", '{"x": 1, "X": 2, "y": 1, "z": []}', {"x": 1, "y": 1.0, "z": []}),
    ("size", '{"x": 1, "y": -1.5e3}', {"x": 1, "y": -1500.0, "z": None}),
]


@pytest.mark.parametrize("column", sorted({column for column, *_ in GOOD}))
def test_a_text_gives_a_value_of_the_declared_type(column: str) -> None:
    expected = {text: value for name, text, value in GOOD if name == column}
    assert dict(zip(expected, _given(column, list(expected)), strict=True)) == expected


BAD: dict[str, tuple[str, ...]] = {
    "name.max_length": ("long",),
    "at.time": ("now",),
    "kind.dtype": ("huge",),
    "label.nul": ("a\0",),
    "born.date": (
        *(
            "2021-13-06",
            "2021-02-30",
            "2021-02-29",
            "0000-01-01",
            "10000-01-01",
            "",
            "2021-1-1",
            "20210101",
            "01.12.2021",
        ),
        *(" 2021-01-01", "2021-01-01 ", "2021-01-01\n", "+2021-01-01", "-001-01-01", "2021-01-01T00:00:00"),
    ),
    "is_new.bool": ("", "2", "on", "tru", " true", "-1", "1.0", "oui", "null"),
    **{
        f"int{bits}.dtype": (
            str(half),
            str(-half - 1),
            str(2 * half),
            "1.5",
            "1e-2",
            "9007199254740992.0",
            "1e16",
            "1_000",
            "0x10",
            "٣",
            "9" * 100,
        )
        for bits, half in ((8, 2**7), (16, 2**15), (32, 2**31), (64, 2**63))
    },
    "single.dtype": ("16777217", "-123456789"),
    "double.dtype": ("9007199254740993", "-12345678901234567890", "00009007199254740993"),
    "double.inf": ("9" * 400,),
    "single.inf": ("1e39", "-inf"),
    "single.nan": ("nan",),
    "price.decimal": (
        *(
            "1.234",
            "1.235",
            "0.001",
            "1000",
            "-1000",
            "999.995",
            "1e3",
            "1e-3",
            "",
            ".",
            "+",
            "-",
            "e1",
            "1e",
            "1e9999",
        ),
        *("1,5", " 5", "5 ", "1_0", "--1", "NaN", "inf", "abc", "0x1", "1.2.3", "9" * 100),
    ),
    "whole.decimal": ("9" * 39, "0.1"),
    "most.decimal": ("0." + "1" * 20, "1" + "0" * 19),
    "tags.json": (
        *("", "a", "null", "{}", '"a"', "[1]", "[true]", "[[]]", '["a"', '["a"] x', "[,]", '{"a": "b"}'),
        *('["\\u0000"]', '["\\ud800"]', '["a\nb"]', "[" * 100_000),
    ),
    "size.json": (
        *('{"X": 1}', '{"x": 1, " Y ": 2}'),
        *("[]", "[1]", "1", "1" * 5000, '{"x": "1"}', '{"x": 1.5}', '{"x": true}', '{"x": 128}'),
        *('{"x": -129}', '{"x": [1]}', '{"x": 1, "y": "2"}', '{"x": 1, "y": NaN}', '{"x": 1, "y": 1e400}'),
        *('{"x": 1, "y": 1' + "0" * 400 + "}", '{"x": 1, "z": true}', '{"x": 1, "z": [1]}'),
    ),
    "size.inner_x_nullability": ('{"y": 1}',),
    "size.inner_z_inner_nullability": ('{"x": 1, "z": [null]}',),
    "tags.max_length": ("[null, null, null]",),
}


@pytest.mark.parametrize(
    ("text", "number"),
    [("3.0", 3), ("3.", 3), ("3e2", 300), ("1.0E7", 10**7), ("9007199254740991.000", 2**53 - 1), ("7", 7)],
)
def test_a_whole_number_may_be_written_as_a_float(text: str, number: int) -> None:
    accepted, rejected, _ = validate(_text(MOVIES, MOVIE, {**MOVIE, "duration_mins": text}), MOVIES, None)
    assert (accepted["duration_mins"].to_list(), rejected.height) == ([170, number], 0)


@pytest.mark.parametrize("code", BAD)
def test_a_text_that_gives_none_is_rejected_with_a_code(code: str) -> None:
    column, _, _ = code.partition(".")
    found = zip(BAD[code], _given(column, BAD[code]), strict=True)
    assert [(text[:50], value) for text, value in found if value != code] == []


def test_each_type_has_its_sentence() -> None:
    row = {**THING, "born": "2021-02-30", "is_new": "maybe", "price": "1.001", "tags": "[1]", "label": "\0"}
    _, rejected, _ = validate(_text(THINGS, row), THINGS, None)
    assert rejected["message"].item() == (
        "born is not a date in a declared format (2021-12-31 where none is), of the years 1 to 9999; "
        "is_new is neither true nor false (nor t, yes, y, 1, f, no, n or 0); "
        "price is not a number of no more digits than are declared; "
        "tags is not JSON of the declared type (its shape, its keys, a number out of range, a NUL character); "
        "label holds a NUL character."
    )


def test_one_wrong_value_takes_no_other_row_with_it() -> None:
    column, good, wrong = "size", '{"x": 1}', '{"x": "1"}'
    rows = [{**THING, column: text} for text in (good, wrong, None, good)]
    accepted, rejected, _ = validate(_text(THINGS, *rows), THINGS, None)
    assert accepted[POSITION].to_list() == [0, 2, 3]
    assert accepted[column].is_null().to_list() == [False, True, False]
    assert rejected["code"].to_list() == ["size.json"]


def _digits(value: Decimal) -> bool:
    """Whether a number has no more than three digits before the point and two behind it."""
    return abs(value) < 1000 and value == value.quantize(Decimal("0.01"))


WRITTEN = st.from_regex(r"-?[0-9]{1,4}(\.[0-9]{0,4})?(e-?[0-3])?", fullmatch=True).map(Decimal)
DECIMALS = st.decimals(allow_nan=False, allow_infinity=False, places=5) | WRITTEN


@settings(max_examples=30)
@given(st.lists(DECIMALS, max_size=20), st.sampled_from(["f", "E", ""]))
def test_a_decimal_is_taken_in_full_or_rejected(values: list[Decimal], form: str) -> None:
    rows = [{**THING, "price": format(value, form)} for value in values]
    accepted, rejected, _ = validate(_text(THINGS, *rows), THINGS, None)
    assert accepted["price"].to_list() == [value for value in values if _digits(value)]
    assert rejected.height == len(values) - accepted.height


@settings(max_examples=30)
@given(st.sampled_from([8, 16, 32, 64]), st.lists(st.integers(-(2**66), 2**66) | st.integers(-300, 300), max_size=20))
def test_a_whole_number_is_taken_as_it_is_or_rejected(bits: int, values: list[int]) -> None:
    column, half = f"int{bits}", 2 ** (bits - 1)
    accepted, _, _ = validate(_text(THINGS, *({**THING, column: str(value)} for value in values)), THINGS, None)
    assert accepted[column].to_list() == [value for value in values if -half <= value < half]


# whatever comes


@given(
    st.lists(st.fixed_dictionaries({name: st.one_of(st.none(), st.text(max_size=5)) for name in STREAM}), max_size=5)
)
def test_every_row_is_accepted_or_rejected_with_a_code_and_a_sentence(rows: list[dict[str, str | None]]) -> None:
    accepted, rejected, _ = validate(_text(STREAMS, *rows), STREAMS, None)
    assert sorted([*accepted[POSITION], *rejected[POSITION]]) == list(range(len(rows)))
    assert rejected.null_count().sum_horizontal().item() == 0


class Word(dy.Schema):
    word = dy.String()
    meaning = dy.String(nullable=True)


WORDS = replace(THINGS, schema=Word, key=("word",))


@pytest.mark.parametrize(
    ("word", "meaning", "is_header"),
    [
        ("word", "meaning", True),
        (" Word", "MEANING", True),
        ("meaning", "word", True),  # of a file with another order, behind which all values are
        ("word", None, False),
        ("word", "what is spoken", False),
        ("meaning", "", False),
    ],
)
def test_a_row_of_names_of_columns_is_a_header(word: str, meaning: str | None, is_header: bool) -> None:
    rows: list[Text] = [{"word": word, "meaning": meaning}, {"word": "a", "meaning": "b"}]
    assert _codes(WORDS, *rows) == ([(0, "header")] if is_header else [])
