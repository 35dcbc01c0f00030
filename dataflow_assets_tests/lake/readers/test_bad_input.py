"""Bad input, case by case: what of a file is rejected, what is repaired, and what comes in all the same.

Here: every case of rows and values, taken into a lake, with its exact outcome. Not here: files that are refused as a
whole, and how each reader finds its way (see the readers' own tests).
"""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dataframely as dy
import polars as pl
import pytest

from dataflow_assets.lake.delta.table import read_rejects, rows_table
from dataflow_assets.lake.ingest import Intake, ingest
from dataflow_assets.lake.readers.csv.model import LONGEST_RECORD
from dataflow_assets.landing.storage import Storage
from dataflow_assets.postgres.connection import connect
from dataflow_assets.sources import find_source
from dataflow_assets.sources.base import Events, Source
from dataflow_assets.sources.formats import Csv, Json
from dataflow_assets.warehouse.events import load_day
from dataflow_assets_tests.landing.stores import land


class Visits(dy.Schema):
    name = dy.String(min_length=1)
    at = dy.Datetime(time_zone="UTC")
    until = dy.Datetime(time_zone="UTC", nullable=False)
    guests = dy.Int64(nullable=True)
    price = dy.Decimal(5, 2, nullable=True)
    rating = dy.Float64(nullable=True)
    booked = dy.Date(nullable=True)

    @dy.rule()
    def ends_after_it_starts(cls) -> pl.Expr:
        return pl.col("until") > pl.col("at")


VISITS = Events(
    name="visits",
    singular="visit",
    description="Made up.",
    owner="team:tests",
    schema=Visits,
    reader=Csv(),
    key=("name", "at"),
    event_time="at",
    end_time="until",
    longest=timedelta(hours=6),
    time_formats=("%+", "%d.%m.%Y %H:%M"),
    time_zone="Europe/Paris",
)
STRIPPED = replace(VISITS, reader=Csv(strip=True))
JSON = replace(VISITS, reader=Json(paths={name: f"$.{name}" for name in Visits.column_names()}))

FIRST_DAY, DELIVERED, TIMEZONE = date(2021, 3, 1), date(2021, 12, 1), "America/New_York"


@dataclass(frozen=True)
class Found:
    """What taking a file in gave: rows by their names, rejects as line, code and text, and what was repaired."""

    names: list[str]
    rejects: list[tuple[int | None, str, str]] = field(default_factory=list)
    repaired: Mapping[str, int] = field(default_factory=dict)


def _take_in(storage: Storage, source: Source, content: bytes | str) -> Intake:
    delivery = land(storage, source, f"file{source.reader.suffix}", content, DELIVERED)
    taken = ingest(storage, source, delivery.object, TIMEZONE, first_day=FIRST_DAY)
    assert taken is not None
    return taken


def _rows(storage: Storage, source: Source) -> pl.DataFrame:
    return rows_table(storage, source).scan().sort("position").collect()


def _found(storage: Storage, source: Source, content: bytes | str) -> Found:
    taken = _take_in(storage, source, content)
    assert taken.refusal is None
    names = _rows(storage, source)["name"].to_list()
    rejects = [(reject["line"], reject["code"], reject["raw"]) for reject in read_rejects(storage, source.name)]
    assert (taken.delivered, taken.accepted, taken.rejected) == (len(names) + len(rejects), len(names), len(rejects))
    return Found(names, rejects, taken.repaired)


# lines: what only CSV can have

HEAD = "name,at,until,guests\n"
TIMES = "2021-12-01T10:00:00Z,2021-12-01T11:00:00Z"
A, B = f"a,{TIMES},1\n", f"b,{TIMES},2\n"

TOO_LONG = ("c" * 999 + "\n") * (LONGEST_RECORD // 1000)

REJECTED: dict[str, tuple[bytes | str, Found]] = {
    "NUL in text": (HEAD + A + f"c\0,{TIMES},\n" + B, Found(["a", "b"], [(3, "name.nul", f"c\0,{TIMES},")])),
    "NUL in a number": (HEAD + A + f"c,{TIMES},1\0\n" + B, Found(["a", "b"], [(3, "guests.dtype", f"c,{TIMES},1\0")])),
    "invalid UTF-8": (
        f"{HEAD}{A}caf\xe9,{TIMES},\n{B}".encode("latin-1"),
        Found(["a", "b"], [(3, "csv.invalid_encoding", f"caf\ufffd,{TIMES},")]),
    ),
    "too few columns": (HEAD + A + "c,1\n" + B, Found(["a", "b"], [(3, "csv.missing_columns", "c,1")])),
    "too many columns": (
        HEAD + A + f"c,{TIMES},1,2\n" + B,
        Found(["a", "b"], [(3, "csv.too_many_columns", f"c,{TIMES},1,2")]),
    ),
    "an unclosed quote": (
        HEAD + A + f'"c,{TIMES},\n' + B + B,
        Found(["a", "b", "b"], [(3, "csv.unclosed_quote", f'"c,{TIMES},')]),
    ),
    "an unclosed quote, closed by the next": (
        HEAD + A + f'"c,{TIMES},\n' + B + f'"d",{TIMES},\n' + B,
        Found(["a", "b", "d", "b"], [(3, "csv.unclosed_quote", f'"c,{TIMES},')]),
    ),
    "text after a quote": (
        HEAD + A + f'"c"c,{TIMES},\n' + B,
        Found(["a", "b"], [(3, "csv.text_after_quote", f'"c"c,{TIMES},')]),
    ),
    "a line over the size limit": (
        HEAD + A + "c" * LONGEST_RECORD + f",{TIMES},\n" + B,
        Found(["a", "b"], [(3, "csv.too_long", "c" * LONGEST_RECORD + f",{TIMES},")]),
    ),
    "a record over the size limit": (
        HEAD + A + '"' + TOO_LONG + f'",{TIMES},\n' + B,
        Found(["a", "b"], [(3, "csv.too_long", '"' + TOO_LONG + f'",{TIMES},')]),
    ),
}

REPAIRED: dict[str, tuple[bytes | str, Found]] = {
    "a byte order mark": ("\ufeff" + HEAD + A, Found(["a"], [], {"byte_order_mark": 1})),
    "CRLF": ((HEAD + A + B).replace("\n", "\r\n"), Found(["a", "b"], [], {"line_ends": 3})),
    "lone CR": ((HEAD + A + B).replace("\n", "\r"), Found(["a", "b"], [], {"line_ends": 3})),
    "CR CRLF": ((HEAD + A).replace("\n", "\r\r\n"), Found(["a"], [], {"line_ends": 4})),
    "mixed line ends": (
        HEAD + A.replace("\n", "\r\n") + B + A.replace("\n", "\r"),
        Found(["a", "b", "a"], [], {"line_ends": 2}),
    ),
    "a lone CR inside a line, which ends it": (
        HEAD + A + "c,\r1,2,3\n" + B,
        Found(["a", "b"], [(3, "csv.missing_columns", "c,"), (4, "csv.missing_columns", "1,2,3")], {"line_ends": 1}),
    ),
    "newlines in quotes": (
        HEAD + f'"a\n\r\n\rb",{TIMES},1\n' + B + f'c,{TIMES},"1\n2"\n',
        Found(["a\n\r\n\rb", "b"], [(7, "guests.dtype", f'c,{TIMES},"1\n2"')], {"line_in_quotes": 1}),
    ),
    "no newline at the end": (HEAD + A + B[:-1], Found(["a", "b"], [], {"last_line_end": 1})),
    "no newline after quotes at the end": (
        HEAD + f'"a\nb",{TIMES},"1"',
        Found(["a\nb"], [], {"last_line_end": 1, "line_in_quotes": 1}),
    ),
    "the header again": (HEAD + A + HEAD + HEAD + B + HEAD, Found(["a", "b"], [], {"header_again": 3})),
    "files put together": (
        ("\ufeff" + HEAD + A + "\ufeff" + HEAD + B).replace("\n", "\r\n"),
        Found(["a", "b"], [], {"byte_order_mark": 1, "header_again": 1, "line_ends": 4}),
    ),
    "files put together, a newline lost": (
        HEAD + A[:-1] + HEAD + B,
        Found(["b"], [(2, "csv.too_many_columns", A[:-1] + HEAD[:-1])]),
    ),
    "the header again beside quotes": (
        HEAD + f'"a\nb",{TIMES},1\n' + HEAD + B,
        Found(["a\nb", "b"], [], {"header_again": 1, "line_in_quotes": 1}),
    ),
    "blank lines": (HEAD + "\n" + A + "\n\n" + B + "\n", Found(["a", "b"])),
    "the same row twice": (HEAD + A + A, Found(["a", "a"])),
    "header only": (HEAD, Found([])),
    "header only, no newline": (HEAD[:-1], Found([], [], {"last_line_end": 1})),
    "an empty file": ("", Found([])),
}


@pytest.mark.parametrize("case", [*REJECTED, *REPAIRED])
def test_of_a_csv_file_come_these_rows_and_rejects(local_storage: Storage, case: str) -> None:
    content, expected = {**REJECTED, **REPAIRED}[case]
    assert _found(local_storage, VISITS, content) == expected


STRIPPING: dict[str, tuple[Source, str, Found]] = {
    "asked for": (
        STRIPPED,
        f' name , at,until\t,guests\n a , {TIMES.replace(",", " ,")},  1\nb,{TIMES}, \n" c ",{TIMES},\n',
        Found(["a", "b", "c"], [], {"spaces": 5}),
    ),
    "asked for, of nothing": (
        STRIPPED,
        HEAD + f"  ,{TIMES},1\n",
        Found([], [(2, "name.nullability", f"  ,{TIMES},1")]),
    ),
    "asked for, around quotes": (
        STRIPPED,
        HEAD + f'  "a, b"  ,{TIMES}, "1"\n',
        Found(["a, b"]),
    ),
    "not asked for": (
        VISITS,
        HEAD + f" a ,{TIMES}, 1\n b,{TIMES},\n",
        Found([" b"], [(2, "guests.dtype", f" a ,{TIMES}, 1")]),
    ),
}


@pytest.mark.parametrize("case", STRIPPING)
def test_spaces_around_values_belong_to_them_unless_the_source_says_otherwise(
    local_storage: Storage, case: str
) -> None:
    source, content, expected = STRIPPING[case]
    assert _found(local_storage, source, content) == expected


def test_a_source_that_strips_from_now_on_reads_its_files_again(local_storage: Storage) -> None:
    content = HEAD + f" a,{TIMES},1\n"
    assert _found(local_storage, VISITS, content).names == [" a"]
    assert _found(local_storage, STRIPPED, content).names == ["a"]


# values: what every format can have

VISIT = {"name": "x", "at": "2021-12-01T10:00:00Z", "until": "2021-12-01T11:00:00Z"}

BROKEN: dict[str, tuple[Mapping[str, str | None], str]] = {
    "a number that is none": ({"rating": "NaN"}, "rating.nan"),
    "a number without end": ({"rating": "-inf"}, "rating.inf"),
    "a number too large for a float": ({"rating": "1e400"}, "rating.inf"),
    "an integer beyond 64 bits": ({"guests": "9223372036854775808"}, "guests.dtype"),
    "a decimal out of range": ({"price": "1000.00"}, "price.decimal"),
    "a decimal too fine": ({"price": "1.005"}, "price.decimal"),
    "a thirteenth month": ({"booked": "2021-13-06"}, "booked.date"),
    "30 February": ({"booked": "2021-02-30"}, "booked.date"),
    "a time on 30 February": ({"at": "2021-02-30T10:00:00Z"}, "at.time"),
    "a local time that clocks skipped": ({"at": "28.03.2021 02:30", "until": "28.03.2021 04:00"}, "at.skipped_time"),
    "an empty key": ({"name": ""}, "name.nullability"),
    "a missing key": ({"name": None}, "name.nullability"),
    "end before start": ({"until": "2021-12-01T09:59:59Z"}, "ends_after_it_starts"),
    "longer than declared": ({"until": "2021-12-01T16:00:00.000001Z"}, "longest"),
    "before the first day": ({"at": "2021-03-01T04:59:59.999999Z", "until": "2021-03-01T06:00:00Z"}, "at.too_early"),
    "after the day after its delivery": (
        {"at": "2021-12-03T05:00:00Z", "until": "2021-12-03T06:00:00Z"},
        "at.too_late",
    ),
}


def _csv(rows: Sequence[Mapping[str, str | None]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, Visits.column_names(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _json(rows: Sequence[Mapping[str, str | None]]) -> str:
    return json.dumps(rows)


FORMATS = {"csv": (VISITS, _csv), "json": (JSON, _json)}


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_value_rejects_its_row_alone(local_storage: Storage, case: str, form: str) -> None:
    source, write = FORMATS[form]
    broken, code = BROKEN[case]
    if (case, form) == ("an empty key", "json"):
        code = "name.min_length"  # an empty text, where CSV has none
    found = _found(local_storage, source, write([{**VISIT, "name": "a"}, {**VISIT, **broken}, {**VISIT, "name": "b"}]))
    assert found.names == ["a", "b"]
    [(line, found_code, raw)] = found.rejects
    assert (line, found_code) == (3 if form == "csv" else None, code)
    assert all(value in raw for value in broken.values() if value)


FINE: dict[str, tuple[Mapping[str, str], Mapping[str, Any], Mapping[str, int]]] = {
    "the first instant of the first day": (
        {"at": "2021-03-01T05:00:00Z", "until": "2021-03-01T06:00:00Z"},
        {"at": datetime(2021, 3, 1, 5, tzinfo=UTC)},
        {},
    ),
    "the last instant of the day after the delivery": (
        {"at": "2021-12-03T04:59:59.999999Z", "until": "2021-12-03T10:00:00Z"},
        {"at": datetime(2021, 12, 3, 4, 59, 59, 999999, UTC)},
        {},
    ),
    "times without a zone": (
        {"at": "01.12.2021 10:00", "until": "01.12.2021 11:00"},
        {"at": datetime(2021, 12, 1, 9, tzinfo=UTC), "until": datetime(2021, 12, 1, 10, tzinfo=UTC)},
        {"zoneless_time": 2},
    ),
    "an ambiguous local time": (
        {"at": "31.10.2021 02:30", "until": "31.10.2021 03:30"},
        {"at": datetime(2021, 10, 31, 0, 30, tzinfo=UTC), "until": datetime(2021, 10, 31, 2, 30, tzinfo=UTC)},
        {"zoneless_time": 2, "ambiguous_time": 1},
    ),
    "a time finer than a microsecond": (
        {"at": "2021-12-01T10:00:00.123456789Z"},
        {"at": datetime(2021, 12, 1, 10, 0, 0, 123456, UTC)},
        {"fine_time": 1},
    ),
    "a time with more digits, all zero": (
        {"at": "2021-12-01T10:00:00.123456000Z"},
        {"at": datetime(2021, 12, 1, 10, 0, 0, 123456, UTC)},
        {},
    ),
    "as long as is allowed": ({"until": "2021-12-01T16:00:00Z"}, {}, {}),
    "the largest integer": ({"guests": "9223372036854775807"}, {"guests": 2**63 - 1}, {}),
}


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("case", FINE)
def test_a_value_is_mended_and_counted_where_the_row_comes_in(local_storage: Storage, case: str, form: str) -> None:
    source, write = FORMATS[form]
    given_values, expected, repaired = FINE[case]
    rejected = {**VISIT, **given_values, "guests": "many"}
    taken = _take_in(local_storage, source, write([{**VISIT, **given_values}, rejected]))
    [row] = _rows(local_storage, source).to_dicts()
    assert {name: row[name] for name in expected} == expected
    assert (taken.rejected, taken.repaired) == (1, repaired)


def test_a_reject_of_bounds_says_what_they_are(local_storage: Storage) -> None:
    early = {**VISIT, "at": "2020-12-01T10:00:00Z", "until": "2020-12-01T09:00:00Z"}
    late = {**VISIT, "at": "2022-12-01T10:00:00Z", "until": "2022-12-01T11:00:00Z"}
    _take_in(local_storage, VISITS, _csv([early, late]))
    assert [reject["message"] for reject in read_rejects(local_storage, "visits")] == [
        "at is before the first day that the platform keeps (DATAFLOW_FIRST_DAY); "
        "it breaks the rule 'ends after it starts'; it ends before it begins.",
        "at is later than the day after its delivery.",
    ]


def test_under_another_first_day_the_same_bytes_are_read_again(local_storage: Storage) -> None:
    visits = [
        {**VISIT, "at": f"2021-{month:02}-01T10:00:00Z", "until": f"2021-{month:02}-01T11:00:00Z"} for month in (2, 3)
    ]
    first = _take_in(local_storage, VISITS, _csv(visits))
    earlier = ingest(local_storage, VISITS, first.delivery.object, TIMEZONE, first_day=date(2021, 2, 1))
    later = ingest(local_storage, VISITS, first.delivery.object, TIMEZONE, first_day=date(2022, 1, 1))
    assert [taken and (taken.version, taken.accepted, taken.rejected) for taken in (first, earlier, later)] == [
        *((1, 1, 1), (2, 2, 0), (3, 0, 2)),
    ]


def test_what_was_mended_is_told_again_where_nothing_is_read(local_storage: Storage) -> None:
    content = "\ufeff" + HEAD + A
    first = _take_in(local_storage, VISITS, content)
    again = _take_in(local_storage, VISITS, content)
    assert again.version == first.version
    assert again.repaired == first.repaired == {"byte_order_mark": 1}


def test_of_a_refused_file_nothing_is_mended(local_storage: Storage) -> None:
    taken = _take_in(local_storage, VISITS, "\ufeffsorry\r\n")
    assert (taken.rejected, taken.repaired) == (1, {})
    assert taken.refusal


def test_of_rows_with_one_key_the_latest_stays_and_the_others_are_superseded(
    local_storage: Storage, database_url: str
) -> None:
    streams = find_source("streams")
    assert isinstance(streams, Events)
    head, key = "movie_title,user_email,size_mb,start_at,end_at\n", "2021-12-01T10:00:00Z,2021-12-01T11:00:00Z\n"
    sizes = {"same row": (1, 1), "other values": (2, 3)}
    lines = [f"{movie},a@x,{size},{key}" for movie, both in sizes.items() for size in both]
    taken = _take_in(local_storage, streams, head + "".join(lines))
    assert (taken.delivered, taken.accepted) == (4, 4)
    lake = rows_table(local_storage, streams).scan()
    with connect(database_url) as connection:
        load = load_day(connection, streams, lake, taken.version, date(2021, 12, 1), "UTC")
        with connection.cursor() as cursor:
            cursor.execute("SELECT movie_title, size_mb FROM warehouse.streams ORDER BY 1")
            found = cursor.fetchall()
    assert (load.accepted, load.rows, load.superseded) == (4, 2, 2)
    assert found == [("other values", 3.0), ("same row", 1.0)]
