"""A value of any type is the same in the file, in the lake, in the warehouse and in the frame that is read back."""

import csv
import io
import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import dataframely as dy
import polars as pl
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from dataflow_assets.lake.delta.dumps import read_dumps
from dataflow_assets.lake.delta.table import rows_table
from dataflow_assets.lake.ingest import ingest
from dataflow_assets.landing.storage import Storage
from dataflow_assets.postgres.connection import connect
from dataflow_assets.postgres.schema import ANALYTICS, build_metadata
from dataflow_assets.postgres.views import views_aside
from dataflow_assets.sources.base import Source
from dataflow_assets.sources.formats import Csv
from dataflow_assets.warehouse.answers import load_answer
from dataflow_assets.warehouse.events import load_day
from dataflow_assets.warehouse.scan import scan_answer, scan_source
from dataflow_assets.warehouse.snapshots import SnapshotLoad, load_snapshot
from dataflow_assets_tests.landing.stores import FIRST_DAY, land, local_storage
from dataflow_assets_tests.warehouse.builders import DAY, METERS, READINGS, ask, complete

__all__ = ["local_storage"]

Row = dict[str, Any]
COLUMNS = METERS.schema.column_names()
FEW = settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@pytest.fixture
def url(database_url: str) -> str:
    """A database with the tables of sources that have a column of each type."""
    engine = sa.create_engine(database_url, poolclass=sa.NullPool)
    with engine.begin() as connection, views_aside(connection):
        build_metadata([READINGS, METERS], {}).create_all(connection)
    return database_url


def _integers(bits: int) -> st.SearchStrategy[int]:
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    return st.sampled_from([low, high, 0]) | st.integers(low, high)


def _decimals(precision: int, scale: int) -> st.SearchStrategy[Decimal]:
    highest = 10**precision - 1
    digits = st.sampled_from([highest, -highest, 1, -1, 0]) | st.integers(-highest, highest)
    return digits.map(lambda number: Decimal(f"{number}E-{scale}"))


MIDNIGHT = datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC)
MINUTES = st.integers(0, 24 * 60 - 1).map(lambda minute: MIDNIGHT + timedelta(minutes=minute))
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
PLACES = st.fixed_dictionaries({"x": st.none() | FLOATS, "path": st.none() | st.lists(_integers(64), max_size=2)})
ADDRESS = {"street": st.none() | TEXTS, "floor": st.none() | _integers(8), "is_old": st.none() | st.booleans()}
MAYBE: Mapping[str, st.SearchStrategy[Any]] = {
    "text": TEXTS.filter(bool),  # to CSV, an empty text is a missing one
    "code": st.sampled_from(["ab", "é", "  "]),
    "moment": st.datetimes(timezones=st.just(UTC)),
    "day": st.dates(),
    "is_new": st.booleans(),
    "tiny": _integers(8),
    "small": _integers(16),
    "middle": _integers(32),
    "big": _integers(64),
    "single": st.floats(width=32, allow_nan=False, allow_infinity=False),
    "double": FLOATS,
    "price": _decimals(7, 2),
    "exact": _decimals(38, 19),
    "whole": _decimals(38, 0),
    "kind": st.sampled_from(["a", "é ", '"']),
    "label": TEXTS.filter(bool),
    "tags": st.lists(st.none() | TEXTS, max_size=3),
    "places": st.lists(st.none() | PLACES, max_size=2),
    "address": st.fixed_dictionaries(ADDRESS),
}
ROW: st.SearchStrategy[Row] = st.fixed_dictionaries(
    {"number": _integers(64), "taken_at": MINUTES, **{name: st.none() | kind for name, kind in MAYBE.items()}}
)
ROWS = st.lists(
    ROW.map(lambda row: {**row, "sent_at": row["taken_at"] + timedelta(hours=1)}),
    unique_by=lambda row: (row["number"], row["taken_at"]),
    min_size=1,
    max_size=12,
)


def _frame(rows: list[Row]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=METERS.schema.create_empty().schema, orient="row").sort("number", "taken_at")


def _json(value: object) -> str:
    """The value as a field of JSON: decimals as numbers, in full."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    return json.dumps(value.isoformat() if isinstance(value, date) else value)


def _field(value: object) -> str:
    """The value as a field of CSV."""
    if value is None or isinstance(value, str):
        return value or ""
    return value.isoformat() if isinstance(value, date) else _json(value)


def _file(rows: list[Row], source: Source) -> str:
    if isinstance(source.reader, Csv):
        file = io.StringIO(newline="")
        csv.writer(file).writerows([COLUMNS, *([_field(row[c]) for c in COLUMNS] for row in rows)])
        return file.getvalue()
    records = ("{" + ",".join(f'"{column}": {_json(row[column])}' for column in COLUMNS) + "}" for row in rows)
    return "[" + ",\n".join(records) + "]"


def _loaded(storage: Storage, url: str, source: Source, rows: list[Row]) -> pl.DataFrame:
    """The rows as they come back when they were delivered in a file, in place of all before."""
    delivery = land(storage, source, f"a{source.reader.suffix}", _file(rows, source))
    taken = ingest(storage, source, delivery.object, "UTC", first_day=FIRST_DAY)
    assert taken is not None
    assert (taken.accepted, taken.rejected, taken.refusal) == (len(rows), 0, None)
    lake = rows_table(storage, source).scan(taken.version)
    with connect(url) as connection:
        if source is READINGS:
            load_day(connection, READINGS, lake, taken.version, DAY, "UTC")
        else:
            load_snapshot(connection, METERS, lake, taken.version, complete(lake.collect()))
    return scan_source(url, source, "UTC").collect().sort("number", "taken_at")


@pytest.mark.parametrize("source", [READINGS, METERS], ids=["events in CSV", "snapshots in JSON"])
@FEW
@given(rows=ROWS)
def test_every_value_comes_back_as_it_was_delivered(
    local_storage: Storage, url: str, source: Source, rows: list[Row]
) -> None:
    assert_frame_equal(_loaded(local_storage, url, source, rows), _frame(rows), check_exact=True)


def _delivered(storage: Storage, url: str, day: date, *rows: Row) -> SnapshotLoad:
    """Load a dump of these rows, in JSON, as the newest or in place of that of its day."""
    delivery = land(storage, METERS, "a.json", _file([{**SPARSE, **row} for row in rows], METERS), day)
    taken, table = ingest(storage, METERS, delivery.object, "UTC", first_day=FIRST_DAY), rows_table(storage, METERS)
    assert taken is not None
    assert taken.accepted == len(rows)
    with connect(url) as connection:
        changed_days = partial(table.changed_days, version=taken.version)
        dumped = read_dumps(table, taken.version)
        return load_snapshot(connection, METERS, table.scan(taken.version), taken.version, dumped, changed_days)


SPARSE: Row = {**dict.fromkeys(COLUMNS), "taken_at": MIDNIGHT, "sent_at": MIDNIGHT}
FULL: Row = {
    "number": 1,
    "price": Decimal("1.50"),
    "exact": Decimal("-0.1"),
    "double": 0.1,
    "single": 0.5,
    "tiny": 1,
    "kind": "a",
    "label": "a",
    "day": DAY,
    "is_new": False,
    "tags": ["b", "a", None],
    "places": [{"x": 1e300, "path": [1]}, None],
    "address": {"street": "é", "floor": 1, "is_old": None},
}
EMPTY: Row = {"number": 2, "tags": [], "places": [], "address": dict.fromkeys(("street", "floor", "is_old"))}


def test_the_first_and_the_last_instant_are_kept(local_storage: Storage, url: str) -> None:
    ends = [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)]
    rows = [{**FULL, "number": number, "sent_at": end} for number, end in enumerate(ends)]
    assert _delivered(local_storage, url, DAY, *rows).changed == 4
    assert ask(url, "SELECT sent_at::text FROM warehouse.meters_current ORDER BY number") == [
        ("0001-01-01 00:00:00+00",),
        ("9999-12-31 23:59:59.999999+00",),
    ]
    assert _delivered(local_storage, url, DAY, *rows).changed == 0


def test_a_dump_like_the_one_before_changes_no_row(local_storage: Storage, url: str) -> None:
    """Neither where the newest dump alone is read, nor where all are; one key is then known to be older."""
    rows = (FULL, EMPTY, {"number": 3})
    assert _delivered(local_storage, url, DAY, *rows).changed == 6
    assert _delivered(local_storage, url, DAY + timedelta(days=1), *rows).changed == 0
    assert _delivered(local_storage, url, DAY - timedelta(days=1), *rows[:1]).changed == 3
    assert _delivered(local_storage, url, DAY + timedelta(days=1), *reversed(rows)).changed == 0


@pytest.mark.parametrize("day", [DAY + timedelta(days=1), DAY - timedelta(days=1)], ids=["newest", "older"])
def test_another_value_in_a_list_or_a_struct_opens_a_run(local_storage: Storage, url: str, day: date) -> None:
    other = ({**FULL, "address": {**FULL["address"], "floor": None}}, {**EMPTY, "tags": None})
    delivered = {DAY: (FULL, EMPTY), day: other}
    for when, rows in delivered.items():
        loaded = _delivered(local_storage, url, when, *rows)
    assert (loaded.keys, loaded.runs) == (2, 4)
    assert ask(url, "SELECT number, valid_from, address, tags FROM warehouse.meters_history ORDER BY 1, 2") == [
        (row["number"], when, row["address"], row["tags"])
        for number in (0, 1)
        for when, row in sorted((when, rows[number]) for when, rows in delivered.items())
    ]
    latest = scan_source(url, METERS, "UTC").sort("number").select("address", "tags").collect()
    assert latest.to_dicts() == [{name: row[name] for name in latest.columns} for row in delivered[max(delivered)]]


class Summary(dy.Schema):
    day = dy.Date(primary_key=True)
    number = dy.Int8(primary_key=True)
    total = dy.Decimal(38, 2, nullable=True)
    names = dy.List(dy.String(), nullable=True)
    most = dy.Struct({"name": dy.String(), "share": dy.Float64(nullable=True)}, nullable=True)


def test_an_answer_of_lists_structs_and_decimals_comes_back(database_url: str) -> None:
    engine = sa.create_engine(database_url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        build_metadata([], {"summary": Summary}).tables[f"{ANALYTICS}.summary"].create(connection)
    rows = [
        (DAY, 1, Decimal("-12345678901234567890.12"), ["é", ""], {"name": '"', "share": 0.1}),
        (DAY, 2, None, [], {"name": "", "share": None}),
        (DAY, 3, Decimal(0), None, None),
    ]
    frame = pl.DataFrame(rows, schema=Summary.create_empty().schema, orient="row")
    with connect(database_url) as adbc:
        assert load_answer(adbc, "summary", "day", DAY, frame, {}).rows == 3
    found = scan_answer(database_url, "summary", Summary, [DAY])
    assert_frame_equal(found.collect(), frame)
    assert found.filter(pl.col("names").list.len() == 2).select("most").collect().item() == {"name": '"', "share": 0.1}


def test_what_the_table_holds_of_another_type_is_not_handed_out(url: str, local_storage: Storage) -> None:
    _loaded(local_storage, url, METERS, [{**SPARSE, **FULL}])
    ask(url, """UPDATE warehouse.meters_current SET tags = '["a", 1]'""")
    with pytest.raises(ValueError, match="the column 'tags' holds JSON of another type: 1 is not of the type String"):
        scan_source(url, METERS, "UTC").collect()
    assert scan_source(url, METERS, "UTC").select("address").collect().item() == FULL["address"]
