"""Where rows came from and what became of them, against what the warehouse makes of the same rows."""

import json
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import dataframely as dy
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow_assets.errors import NotFoundError
from dataflow_assets.lake.delta.dumps import Dumps
from dataflow_assets.lake.delta.table import rejects_table, rows_table
from dataflow_assets.lake.ingest import ingest
from dataflow_assets.landing.storage import Storage
from dataflow_assets.sources import find_source
from dataflow_assets.sources.base import Events, Snapshot
from dataflow_assets.sources.changes import Changes
from dataflow_assets.sources.formats import Csv
from dataflow_assets.warehouse.provenance import (
    MOST_KEYS,
    Explanation,
    explain,
    explain_newest,
    key_texts,
    rejects_with,
)
from dataflow_assets.warehouse.snapshots.derive import derive_current, derive_dumps, derive_history
from dataflow_assets_tests.landing.stores import FIRST_DAY, land

STREAMS, AUTHORS = find_source("streams"), find_source("authors")
HEADER = "movie_title,user_email,size_mb,start_at,end_at\n"
KEY = {
    "movie_title": "Heat",
    "user_email": "a@b",
    "start_at": "2021-12-01T10:00:00Z",
    "end_at": "2021-12-01T11:00:00Z",
}


def row(size: float, movie: str = "Heat", user: str = "a@b") -> str:
    return f"{movie},{user},{size},2021-12-01T11:00:00+01:00,2021-12-01T12:00:00+01:00\n"


def deliver(storage: Storage, source: str, day: int, name: str, content: str) -> str:
    key = land(storage, source, name, content, date(2021, 12, day)).object
    assert ingest(storage, find_source(source), key, "UTC", first_day=FIRST_DAY)
    return key


def told(found: Explanation) -> list[tuple[Any, ...]]:
    return [(origin.delivery_day.day, origin.object, origin.position, origin.fate) for origin in found.origins]


def test_the_latest_of_equal_events_is_in_the_table(storage: Storage) -> None:
    late = deliver(storage, "streams", 3, "b.csv", HEADER + row(4) + row(9, movie="Rust") + row(5))
    early = deliver(storage, "streams", 2, "z.csv", HEADER + row(9, user="c@d") + row(1))
    found = explain(rows_table(storage, STREAMS).scan(), STREAMS, KEY)
    latest = f"superseded by {late} position 2"
    assert told(found) == [(2, early, 1, latest), (3, late, 0, latest), (3, late, 2, "in the table")]
    assert [origin.values["size_mb"] for origin in found.origins] == [1, 4, 5]
    assert found.first_seen is None


def test_of_a_snapshot_the_runs_of_equal_values_are_told(local_storage: Storage) -> None:
    def dump(*ages: tuple[str, str]) -> str:
        return json.dumps([{"metadata": {"name": name}, "nationalities": [{"slug": slug}]} for name, slug in ages])

    first = deliver(local_storage, "authors", 1, "a.json", dump(("Ann", "finns"), ("Bo", "finns")))
    deliver(local_storage, "authors", 2, "a.json", dump(("Ann", "finns")))
    third = deliver(local_storage, "authors", 3, "a.json", dump(("Ann", "omanis"), ("Ann", "danes")))
    fourth = deliver(local_storage, "authors", 4, "a.json", dump(("Bo", "finns")))
    lake = rows_table(local_storage, AUTHORS)
    ann, bo = (explain_newest(lake, AUTHORS, {"name": name}) for name in ("Ann", "Bo"))
    assert told(ann) == [
        (1, first, 0, "valid until 2021-12-03, given again until 2021-12-02"),
        (3, third, 0, f"superseded by {third} position 1"),
        (3, third, 1, "the latest values"),
    ]
    assert (ann.first_seen, ann.last_seen, ann.missing_since) == (
        date(2021, 12, 1),
        date(2021, 12, 3),
        date(2021, 12, 4),
    )
    assert told(bo) == [(1, first, 1, "the latest values, given again until 2021-12-04")]
    assert (bo.missing_since, fourth) == (None, "landing/authors/2021-12-04/a.json")


class Shops(dy.Schema):
    name = dy.String()
    city = dy.String(nullable=True)


SHOPS = Snapshot(name="shops", singular="shop", description="", owner="", schema=Shops, reader=Csv(), key=("name",))


def lake_of(rows: list[tuple[str, str | None, int, str, date, int]]) -> pl.DataFrame:
    origin = {"position": pl.Int64, "object": pl.String, "delivery_day": pl.Date, "delivery": pl.Int64}
    return pl.DataFrame(rows, {**SHOPS.schema.create_empty().schema, **origin}, orient="row")


def days_of(*numbers: int) -> list[date]:
    return [date(2021, 12, number) for number in numbers]


def released(days: Iterable[date], lacking: Iterable[int] = ()) -> Dumps:
    """Dumps of some days, all of them complete; of `lacking` deliveries without the city."""
    return Dumps(dict.fromkeys(days, 0), frozenset(days), {delivery: frozenset({"city"}) for delivery in lacking})


@given(
    st.lists(
        st.tuples(st.integers(1, 5), st.sampled_from("xy"), st.sampled_from("ab"), st.sampled_from(["p", "q", None])),
        min_size=1,
        max_size=20,
    ),
    st.frozensets(st.integers(2, 11)),
    st.frozensets(st.integers(1, 7)),
)
def test_it_says_of_any_dumps_what_the_warehouse_makes_of_them(
    rows: list[tuple[int, str, str, str | None]], lacking: frozenset[int], empty: frozenset[int]
) -> None:
    """Also where deliveries lack a column, and dumps are empty."""
    lake = lake_of(
        [
            (name, city, position, f"{day}/{file}", date(2021, 12, day), day * 2 + (file == "y"))
            for position, (day, file, name, city) in enumerate(rows)
        ]
    )
    lake = lake.with_columns(city=pl.when(~pl.col("delivery").is_in(list(lacking))).then("city"))
    dumps = released({*lake["delivery_day"], *days_of(*empty)}, lacking)
    dumped = derive_dumps(lake.lazy(), SHOPS, dumps.missing_columns)
    runs = derive_history(dumped, SHOPS)
    table = derive_current(dumped, runs, set(dumps.rows))
    for name in set(lake["name"]):
        found = explain(lake.lazy(), SHOPS, {"name": name}, dumps)
        of_key = [origin for origin in found.origins if not origin.fate.startswith("superseded")]
        expected = runs.filter(name=name).sort("valid_from")
        assert [(origin.delivery_day, origin.values["city"]) for origin in of_key] == list(
            expected.select("valid_from", "city").iter_rows()
        )
        [(first_seen, missing_since)] = table.filter(name=name).select("first_seen", "missing_since").iter_rows()
        assert (found.first_seen, found.missing_since) == (first_seen, missing_since)
        open_run = expected.filter(pl.col("valid_to").is_null())["valid_from"].item()
        assert [origin.delivery_day for origin in of_key if origin.fate.startswith("the latest values")] == [open_run]


def test_an_empty_dump_that_was_released_has_no_key_any_more() -> None:
    [day, empty] = days_of(1, 2)
    lake = lake_of([("a", "Oslo", 0, "x", day, 1)]).lazy()
    found = explain(lake, SHOPS, {"name": "a"}, released([day, empty]))
    assert (found.last_seen, found.missing_since) == (day, empty)
    quarantined = explain(lake, SHOPS, {"name": "a"}, Dumps({day: 1, empty: 0}, frozenset()))
    assert (quarantined.last_seen, quarantined.missing_since) == (day, None)


def test_a_column_that_a_file_lacks_ends_no_values() -> None:
    days = days_of(1, 3, 4)
    lake = lake_of([("a", city, 0, "x", day, day.day) for city, day in zip(["Oslo", None, "Oslo"], days, strict=True)])
    dumps = released(days, lacking=[3])
    assert told(explain(lake.lazy(), SHOPS, {"name": "a"}, dumps)) == [
        (1, "x", 0, "the latest values, given again until 2021-12-04")
    ]
    moved = lake.with_columns(city=pl.col("city").replace({"Oslo": "Rome"})).tail(2)
    found = explain(pl.concat([lake.head(1), moved]).lazy(), SHOPS, {"name": "a"}, dumps)
    assert [(origin.values["city"], origin.fate) for origin in found.origins] == [
        ("Oslo", "valid until 2021-12-04, given again until 2021-12-03"),
        ("Rome", "the latest values"),
    ]


def test_a_part_of_the_key_lists_the_keys_that_match(local_storage: Storage) -> None:
    users = [f"user{number:03}@b" for number in range(MOST_KEYS + 5)]
    deliver(local_storage, "streams", 1, "a.csv", HEADER + "".join(row(1, user=user) for user in reversed(users)))
    lake = rows_table(local_storage, STREAMS).scan()
    found = explain(lake, STREAMS, {"movie_title": "Heat"})
    assert [key["user_email"] for key in found.keys] == users[:MOST_KEYS]
    assert found.has_more_keys
    assert found.origins == ()
    [origin] = explain(lake, STREAMS, {"user_email": "user003@b"}).origins
    assert origin.fate == "in the table"


@pytest.mark.parametrize("start", ["2021-12-01T10:00:00Z", "2021-12-01T11:00:00+01:00", "2021-12-01 10:00:00+00:00"])
def test_times_are_read_as_those_of_files_and_as_our_commands_print_them(local_storage: Storage, start: str) -> None:
    deliver(local_storage, "streams", 1, "a.csv", HEADER + row(1))
    assert explain(rows_table(local_storage, STREAMS).scan(), STREAMS, {"start_at": start}).keys


def test_a_text_is_compared_as_the_type_of_its_column() -> None:
    class Payments(dy.Schema):
        number = dy.Int64()
        paid = dy.Date()
        amount = dy.Decimal(10, 2)
        kind = dy.Enum(["card", "cash"])
        is_new = dy.Bool()
        paid_at = dy.Datetime(time_zone="UTC")
        settled_at = dy.Datetime(time_zone="UTC")

    source = Events(
        name="payments",
        singular="payment",
        description="",
        owner="",
        schema=Payments,
        reader=Csv(),
        key=("number", "paid", "amount", "kind", "is_new", "paid_at"),
        event_time="paid_at",
        end_time="settled_at",
        longest=timedelta(days=1),
        time_formats=("%d/%m/%Y %H:%M",),
        time_zone="Europe/Paris",
    )
    noon = datetime(2021, 12, 1, 11, tzinfo=UTC)
    origin = {"position": 0, "object": "o", "delivery_day": noon.date(), "delivery": 1, "event_date": noon.date()}
    values = (7, noon.date(), Decimal("1.50"), "card", True, noon, noon)
    lake = pl.LazyFrame(
        [{**dict(zip(Payments.column_names(), values, strict=True)), **origin}],
        schema_overrides={"amount": pl.Decimal(10, 2), "paid_at": pl.Datetime("us", "UTC")},
    )
    for parts in (
        ["7", "2021-12-01", "1.5", "card", "yes", "01/12/2021 12:00"],
        ["kind=card", "07", "2021-12-01", "1.50"],
    ):
        assert explain(lake, source, key_texts(source, parts)).origins, parts
    assert explain(lake, source, {"number": "8"}).keys == []
    for name, text in {"number": "7.5", "paid": "2021-02-30", "kind": "cheque", "paid_at": "soon"}.items():
        with pytest.raises(NotFoundError, match=f"'{text}' is no value of {name} of payments"):
            explain(lake, source, {name: text})


@pytest.mark.parametrize("kind", [Events, Snapshot, Changes])
def test_a_value_of_single_precision_has_the_digits_that_it_has(kind: type[Events | Snapshot | Changes]) -> None:
    class Parts(dy.Schema):
        name = dy.String()
        sold_at = dy.Datetime(time_zone="UTC")
        share = dy.Float32(nullable=True)

    facts: dict[str, Any] = {"event_time": "sold_at"} if kind is Events else {}
    source = kind(
        name="parts",
        singular="part",
        description="",
        owner="",
        schema=Parts,
        reader=Csv(),
        key=("name", "sold_at"),
        **facts,
    )
    noon = datetime(2021, 12, 1, 11, tzinfo=UTC)
    rows = [("a", noon, share, "o", noon.date(), number, 1, noon.date()) for number, share in enumerate([None, 0.1])]
    types = {"name": pl.String(), "sold_at": pl.Datetime("us", "UTC"), "share": pl.Float32(), "object": pl.String()}
    places = {"delivery_day": pl.Date(), "position": pl.Int64(), "delivery": pl.Int64(), "event_date": pl.Date()}
    lake = pl.LazyFrame(rows, pl.Schema({**types, **places}), orient="row")
    origins = explain(lake, source, {"name": "a"}, Dumps({noon.date(): 2}, frozenset())).origins
    assert [origin.values["share"] for origin in origins] == [None, 0.1]


def test_parts_of_a_key_go_by_name_or_by_order() -> None:
    assert key_texts(STREAMS, ["a=b"]) == {"movie_title": "a=b"}
    assert key_texts(STREAMS, ["movie_title=user_email=x", "u@x"]) == {
        "movie_title": "user_email=x",
        "user_email": "u@x",
    }
    for parts in (["1", "2", "3", "4", "5"], ["movie_title=1", "movie_title=2"]):
        with pytest.raises(NotFoundError, match="The key of streams has the parts movie_title, user_email, start_at"):
            key_texts(STREAMS, parts)


def test_a_reject_that_holds_the_texts_is_found(local_storage: Storage) -> None:
    key = deliver(local_storage, "streams", 1, "a.csv", HEADER + row(-1) + row(1, movie="Rust") + row(-2, user="c@d"))
    rejects = rejects_table(local_storage).scan()
    [found] = rejects_with(rejects, STREAMS, {**KEY, "start_at": "1 December"}, most=5)
    assert (found["object"], found["line"], found["code"]) == (key, 2, "size_mb.min")
    assert len(rejects_with(rejects, STREAMS, {"movie_title": "Heat"}, most=5)) == 2
    assert len(rejects_with(rejects, STREAMS, {"movie_title": "Heat"}, most=1)) == 1
    assert rejects_with(rejects, STREAMS, {"movie_title": "Rust"}, most=5) == []
    assert rejects_with(rejects, AUTHORS, {"name": "Heat"}, most=5) == []


def test_a_dump_that_is_held_back_gives_no_values() -> None:
    days = days_of(1, 2, 3)
    shops = [("a", "Oslo"), ("a", "Bergen"), ("b", "Rome")]
    lake = lake_of([(*shop, 0, "x", day, number) for number, (shop, day) in enumerate(zip(shops, days, strict=True))])
    sizes = dict(zip(days, (10, 1, 10), strict=True))
    found = explain(lake.lazy(), SHOPS, {"name": "a"}, Dumps(sizes, frozenset()))
    assert [(origin.delivery_day, origin.fate) for origin in found.origins] == [
        (days[0], "the latest values"),
        (days[1], "quarantined"),
    ]
    assert (found.first_seen, found.last_seen, found.missing_since) == (days[0], days[0], days[2])
    cut_short = Dumps({**sizes, days[2]: 1}, frozenset())
    assert explain(lake.lazy(), SHOPS, {"name": "b"}, cut_short).first_seen is None
