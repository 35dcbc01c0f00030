"""Events whose key happens once: a corrected time moves the row, and both days are made again, in any order."""

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dataframely as dy
import polars as pl
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from dataflow_assets.core.time_windows import day_of
from dataflow_assets.lake.delta.table import rows_table
from dataflow_assets.lake.ingest import Intake, ingest
from dataflow_assets.landing.deliveries import Landing
from dataflow_assets.landing.storage import open_storage
from dataflow_assets.ledger.deliveries import read_recorded_versions, rebuild_deliveries, record_delivery
from dataflow_assets.postgres.connection import connect
from dataflow_assets.postgres.schema import build_metadata
from dataflow_assets.settings import Settings
from dataflow_assets.sources.base import Events
from dataflow_assets.sources.formats import Csv
from dataflow_assets.warehouse.events import load_day
from dataflow_assets.warehouse.moved_events import find_moved_keys
from dataflow_assets.warehouse.staleness import find_stale_days
from dataflow_assets_tests.examples import examples
from dataflow_assets_tests.loading import ask

ZONE = "Europe/Paris"
FIRST = date(2021, 12, 1)


class Orders(dy.Schema):
    number = dy.Int64()
    placed_at = dy.Datetime(time_zone="UTC")
    cents = dy.Int64()


ORDERS = Events(
    name="orders",
    singular="order",
    description="Made up.",
    owner="team:tests",
    schema=Orders,
    reader=Csv(),
    key=("number",),
    event_time="placed_at",
    happens_once=True,
)


@dataclass(frozen=True)
class File:
    """A version of an object: the orders in it, each a number, the hours after the first day, and its cents."""

    day: int
    name: str
    rows: tuple[tuple[int, int, int], ...]

    @property
    def delivered(self) -> date:
        return FIRST + timedelta(days=self.day)

    @property
    def key(self) -> str:
        return f"landing/orders/{self.delivered}/{self.name}"


def at(hours: int) -> datetime:
    return datetime(FIRST.year, FIRST.month, FIRST.day, tzinfo=UTC) + timedelta(hours=hours)


class House:
    """Lake, ledger and warehouse of orders, empty when it is made."""

    def __init__(self, settings: Settings) -> None:
        assert settings.database_url
        self.settings, self.url = settings, settings.database_url.get_secret_value()
        for layer in ("landing", "lake"):
            shutil.rmtree(settings.home / layer, ignore_errors=True)
        engine = sa.create_engine(self.url)
        with engine.begin() as connection:
            build_metadata([ORDERS], {}).create_all(connection)
        engine.dispose()
        ask(settings, "TRUNCATE warehouse.orders, ledger.event_days, ledger.deliveries; SELECT")
        self.storage = open_storage(settings)

    def land(self, file: File) -> None:
        path = self.settings.home / "file"
        lines = [
            "number,placed_at,cents",
            *(f"{number},{at(hours):%FT%TZ},{cents}" for number, hours, cents in file.rows),
        ]
        path.write_text("\n".join(lines) + "\n")
        Landing(self.storage).put("orders", file.delivered, path, file.name)

    def ingest(self, key: str) -> Intake:
        delivery = Landing(self.storage).current(key)
        assert delivery
        recorded = read_recorded_versions(self.url, ORDERS).get(delivery.id, 0)
        found = ingest(self.storage, ORDERS, key, ZONE, recorded, first_day=FIRST - timedelta(days=30))
        assert found
        return found

    def load(self, days: Iterable[date]) -> None:
        table = rows_table(self.storage, ORDERS)
        version = table.open().version()
        with connect(self.url) as connection:
            for day in sorted(days):
                load_day(connection, ORDERS, table.scan(version), version, day, ZONE)

    def stale(self) -> set[date]:
        with connect(self.url) as connection:
            return find_stale_days(connection, ORDERS)

    def deliver(self, file: File, reaches: str = "warehouse") -> Intake:
        """Bring a file as far as the lake, its record, or the warehouse."""
        self.land(file)
        intake = self.ingest(file.key)
        if reaches == "warehouse":
            self.load(intake.event_days)
        if reaches != "lake":
            record_delivery(self.url, intake)
        return intake

    def rows(self) -> list[tuple[Any, ...]]:
        return ask(self.settings, "SELECT number, placed_at, cents, event_day FROM warehouse.orders ORDER BY number, 2")

    def sums(self) -> list[tuple[Any, ...]]:
        return ask(self.settings, "SELECT event_day, accepted, rows, superseded FROM ledger.event_days ORDER BY 1")


def expected(files: Iterable[File]) -> list[tuple[Any, ...]]:
    """One row for each number: that of the last delivery (delivery day, then object key, then position)."""
    latest: Mapping[int, tuple[int, int]] = {
        number: (hours, cents)
        for file in sorted(files, key=lambda file: (file.day, file.name))
        for number, hours, cents in file.rows
    }
    return sorted((number, at(hours), cents, day_of(at(hours), ZONE)) for number, (hours, cents) in latest.items())


D1, D2, D3 = (date(2021, 12, day) for day in (1, 2, 3))


def test_a_corrected_time_moves_the_row_and_both_days_are_made_again(settings: Settings) -> None:
    house = House(settings)
    assert house.deliver(File(0, "a.csv", ((1, 10, 100), (2, 11, 200)))).event_days == {D1}
    moved = house.deliver(File(1, "b.csv", ((1, 34, 100),)))
    assert moved.event_days == {D1, D2}
    assert house.rows() == [(1, at(34), 100, D2), (2, at(11), 200, D1)]
    assert house.sums() == [(D1, 2, 1, 1), (D2, 1, 1, 0)]
    assert house.stale() == set()


def test_a_part_of_the_key_may_have_any_name() -> None:
    rows = pl.DataFrame({"is_own": ["a", "b"], "delivery_day": [FIRST] * 2, "object": ["o"] * 2, "position": [0, 1]})
    later = rows.head(1).with_columns(delivery_day=FIRST + timedelta(days=1))
    assert find_moved_keys(rows.lazy(), later.lazy(), ["is_own"]).rows() == [("a",)]


def test_a_withdrawn_correction_brings_the_row_back_though_the_row_came_later(settings: Settings) -> None:
    house = House(settings)
    house.deliver(File(1, "b.csv", ((1, 34, 100),)))
    house.deliver(File(0, "a.csv", ((1, 10, 100),)))  # late, and of an earlier delivery day
    assert house.rows() == [(1, at(34), 100, D2)]
    assert house.deliver(File(1, "b.csv", ((2, 50, 7),))).event_days == {D1, D2, D3}
    assert house.rows() == [(1, at(10), 100, D1), (2, at(50), 7, D3)]


def test_an_earlier_day_that_was_not_made_again_is_stale(settings: Settings) -> None:
    house = House(settings)
    house.deliver(File(0, "a.csv", ((1, 10, 100),)))
    intake = house.deliver(File(1, "b.csv", ((1, 34, 100),)), "record")
    assert house.stale() == {D1, D2}
    house.load([D2])
    assert house.stale() == {D1}
    house.load([D1])
    assert (house.stale(), house.rows()) == (set(), [(1, at(34), 100, D2)])
    record_delivery(house.url, house.ingest(intake.delivery.object))  # as nothing new, it says the same again
    found = "SELECT event_days FROM ledger.deliveries WHERE object LIKE '%b.csv'"
    assert ask(settings, found) == [([D1, D2],)]


def test_all_days_are_touched_where_what_a_delivery_held_before_is_gone(settings: Settings) -> None:
    house = House(settings)
    house.deliver(File(0, "a.csv", ((1, 10, 100),)))
    house.deliver(File(0, "c.csv", ((2, 34, 100),)))
    house.deliver(File(1, "b.csv", ((1, 11, 100),)))
    for file in (settings.home / "lake" / "orders").glob(f"delivery_day={D2}/**/*.parquet"):
        before = file
    house.land(File(1, "b.csv", ((3, 11, 100),)))
    house.ingest("landing/orders/2021-12-02/b.csv")
    before.unlink()
    assert house.ingest("landing/orders/2021-12-02/b.csv").event_days == {D1, D2}


def test_a_record_made_again_from_the_lake_lets_every_day_be_made_again(settings: Settings) -> None:
    house = House(settings)
    house.deliver(File(0, "a.csv", ((1, 10, 100),)))
    house.deliver(File(1, "b.csv", ((1, 34, 100),)), "lake")
    rebuild_deliveries(house.url, house.storage, [ORDERS], ZONE)
    assert house.stale() == {D1, D2}
    house.load(house.stale())
    assert (house.stale(), house.rows()) == (set(), [(1, at(34), 100, D2)])


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"happens_once": False}, "the key must contain the event time 'placed_at', unless each key happens_once"),
        ({"key": ("number", "placed_at")}, "a key that happens_once leaves the event time 'placed_at' out"),
        ({"key": ()}, "the key has no columns"),
    ],
)
def test_a_key_leaves_the_event_time_out_where_it_happens_once(options: Mapping[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=f"source orders: {problem}"):
        replace(ORDERS, **options)


HOURS = st.integers(0, 60)  # days end at 23:00 UTC
ROWS = st.lists(st.tuples(st.integers(1, 3), HOURS, st.integers(0, 9)), max_size=4).map(tuple)
OBJECTS = st.lists(
    st.builds(
        lambda day, name, versions: [File(day, name, rows) for rows in versions],
        st.integers(0, 2).map(lambda day: day + 2),  # an event is of the day after its delivery at the latest
        st.sampled_from(["a.csv", "b.csv"]),
        st.lists(ROWS, min_size=1, max_size=3),
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda made: made[0].key,
)
REACHES = st.sampled_from(["warehouse", "warehouse", "record", "lake"])


@examples(1 / 3)
@given(objects=OBJECTS, data=st.data())
def test_any_order_of_deliveries_and_crashes_ends_with_each_key_once(
    settings: Settings, objects: Sequence[Sequence[File]], data: Any
) -> None:
    house = House(settings)
    turns = data.draw(st.permutations([number for number, made in enumerate(objects) for _ in made]))
    left = [iter(made) for made in objects]
    for number in turns:
        house.deliver(next(left[number]), data.draw(REACHES))
    for made in objects:  # whose commit nobody has recorded is taken in again, and changes nothing
        record_delivery(house.url, house.ingest(made[-1].key))
    house.load(house.stale())
    assert house.rows() == expected(made[-1] for made in objects)
    assert all(accepted == rows + superseded for _, accepted, rows, superseded in house.sums())
    assert house.stale() == set()
