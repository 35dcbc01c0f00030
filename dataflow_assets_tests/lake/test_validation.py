from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import dataframely as dy
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow_assets.lake.validation import POSITION, validate
from dataflow_assets.sources import all_sources, find_source
from dataflow_assets.sources.declaration import Csv, Snapshot, Source

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
    accepted, rejected = validate(_text(source, *rows), source)
    assert sorted([*accepted[POSITION], *rejected[POSITION]]) == list(range(len(rows)))
    return list(zip(rejected[POSITION], rejected["code"], strict=True))


def _start(text: str | None, source: Source = STREAMS) -> datetime | None:
    """The instant that a text gives; the other end is a minute later."""
    accepted, _ = validate(_text(source, {**STREAM, "start_at": text, "end_at": text}), _endless(source))
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
    accepted, rejected = validate(_text(MOVIES, *rows), MOVIES)
    assert accepted.schema == {**MOVIES.schema.create_empty().schema, POSITION: pl.Int64}
    assert accepted.select(MOVIES.schema.column_names()).rows() == [
        (t, 170, "English", 1200.0) for t in ("B", "A", "C")
    ]
    assert rejected.is_empty()
    assert rejected.schema == {POSITION: pl.Int64, "code": pl.String, "message": pl.String}


@pytest.mark.parametrize("source", all_sources(), ids=lambda source: source.name)
def test_no_rows_are_no_rows(source: Source) -> None:
    accepted, rejected = validate(_text(source), source)
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
    _, rejected = validate(_text(STREAMS, row), STREAMS)
    assert rejected["code"].to_list() == ["end_at.time"]


def test_the_sentence_names_each_broken_rule_of_columns_before_those_of_rows() -> None:
    row = {**STREAM, "movie_title": "", "size_mb": "-inf", "end_at": STREAM["start_at"]}
    _, rejected = validate(_text(STREAMS, row), STREAMS)
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
    accepted, rejected = validate(_text(source, *rows), source)
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
    assert _codes(PARIS, row) == [(0, "start_at.time")]


@given(
    st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31, 23), timezones=st.just(UTC)),  # noqa: DTZ001
    st.integers(-12 * 60, 14 * 60),
)
def test_any_instant_of_the_years_that_databases_know_is_read(moment: datetime, offset: int) -> None:
    sign, (hours, minutes) = "-" if offset < 0 else "+", divmod(abs(offset), 60)
    local = (moment.replace(tzinfo=None) + timedelta(minutes=offset)).isoformat()
    assert _start(f"{local}{sign}{hours:02}:{minutes:02}") == moment


# whatever comes


def _things() -> Source:
    class Thing(dy.Schema):
        name = dy.String(max_length=3)
        at = dy.Datetime(nullable=True)
        kind = dy.Enum(["big", "small"], nullable=True)
        few = dy.Int8(nullable=True)

    return Snapshot(
        name="things",
        singular="thing",
        description="Things.",
        owner="team:things",
        schema=Thing,
        reader=Csv(),
        key=("name",),
    )


def test_other_types_have_their_codes_too() -> None:
    thing = {"name": "a", "at": None, "kind": "big", "few": "1"}
    wrong: list[Text] = [{"name": "long"}, {"at": "now"}, {"kind": "huge"}, {"few": "128"}]
    codes = ["name.max_length", "at.time", "kind.dtype", "few.dtype"]
    assert _codes(_things(), *({**thing, **part} for part in wrong)) == list(enumerate(codes))


@given(
    st.lists(st.fixed_dictionaries({name: st.one_of(st.none(), st.text(max_size=5)) for name in STREAM}), max_size=5)
)
def test_every_row_is_accepted_or_rejected_with_a_code_and_a_sentence(rows: list[dict[str, str | None]]) -> None:
    accepted, rejected = validate(_text(STREAMS, *rows), STREAMS)
    assert sorted([*accepted[POSITION], *rejected[POSITION]]) == list(range(len(rows)))
    assert rejected.null_count().sum_horizontal().item() == 0
