"""The loader's records: deliveries and the time zone."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import permutations
from typing import Any

import pytest

from dataflow_assets.errors import WarehouseMismatchError
from dataflow_assets.lake.ingest import Intake
from dataflow_assets.landing.deliveries import Delivery
from dataflow_assets.ledger.deliveries import find_unknown_versions, read_recorded_versions, record_delivery
from dataflow_assets.ledger.delivery_reports import (
    ColumnDifferences,
    find_column_differences,
    find_refused_objects,
    read_deliveries,
)
from dataflow_assets.ledger.identity import require_timezone
from dataflow_assets.postgres.connection import connect
from dataflow_assets_tests.warehouse.builders import AUTHORS, DAY, STREAMS, ask, together

MODIFIED = datetime(2021, 11, 5, 6, 0, 0, 123456, tzinfo=UTC)


def delivery(file: str = "a.csv", etag: str = "one", size: int = 10, day: date = DAY) -> Delivery:
    key = f"landing/streams/{day}/{file}"
    return Delivery(source="streams", day=day, object=key, etag=etag, size=size, last_modified=MODIFIED)


def intake(of: Delivery, version: int = 1, **facts: Any) -> Intake:
    return Intake(delivery=of, version=version, **{"delivered": 5, "accepted": 3, "rejected": 2, **facts})


def recorded(url: str) -> list[dict[str, Any]]:
    return sorted(read_deliveries(url, None, None), key=lambda row: (row["object"], row["lake_version"]))


def unknown(url: str, *deliveries: Delivery) -> set[int]:
    with connect(url) as connection:
        return find_unknown_versions(connection, {made.id: (made.etag, made.size) for made in deliveries})


def test_a_delivery_is_recorded_with_its_sums(database_url: str) -> None:
    made = delivery()
    days = frozenset([DAY + timedelta(days=1), DAY])
    record_delivery(database_url, intake(made, 7, own_days=days, event_days=days, repaired={"bom": 1}))
    assert recorded(database_url) == [
        {
            "delivery": made.id,
            "lake_version": 7,
            "source": "streams",
            "day": "2021-11-05",
            "object": made.object,
            "etag": "one",
            "version": None,
            "size": 10,
            "last_modified": "2021-11-05T06:00:00.123456+00:00",
            "state": "accepted",
            "refusal": None,
            "delivered": 5,
            "accepted": 3,
            "rejected": 2,
            "event_days": ["2021-11-05", "2021-11-06"],
            "repaired": {"bom": 1},
            "undeclared_columns": [],
            "missing_columns": [],
            "quarantine_reason": None,
        }
    ]


def test_a_refusal_and_a_version_of_the_store_are_recorded(database_url: str) -> None:
    made = replace(delivery(), version="Xyz")
    refusal = 'a\0b.csv is "no" file'
    record_delivery(database_url, intake(made, delivered=1, accepted=0, rejected=1, refusal=refusal))
    asked = "SELECT state, refusal, version FROM ledger.deliveries"
    assert ask(database_url, asked) == [("rejected", 'a\ufffdb.csv is "no" file', "Xyz")]


@pytest.mark.parametrize("order", list(permutations([1, 2, 3])))
def test_the_newest_version_of_an_object_is_the_present_one(database_url: str, order: tuple[int, ...]) -> None:
    made = {version: delivery(etag=f"e{version}", size=version) for version in order}
    for version in (*order, order[0]):
        record_delivery(database_url, intake(made[version], version, refusal="no header" if version == 2 else None))
    assert [(row["lake_version"], row["etag"], row["state"]) for row in recorded(database_url)] == [
        *((1, "e1", "superseded"), (2, "e2", "superseded"), (3, "e3", "accepted")),
    ]
    assert [bool(unknown(database_url, made[version])) for version in (1, 2, 3)] == [True, True, False]
    assert read_recorded_versions(database_url, STREAMS) == {made[1].id: 3}
    assert find_refused_objects(database_url, [made[3]]) == []


def test_versions_recorded_at_once_leave_one_present(database_url: str) -> None:
    made = [intake(delivery(etag=str(number)), number) for number in range(1, 9)]
    for future in together(*(partial(record_delivery, database_url, one) for one in made)):
        future.result()
    assert [row["state"] for row in recorded(database_url)] == [*["superseded"] * 7, "accepted"]


def test_versions_that_nobody_recorded_are_recorded_with_the_next(database_url: str) -> None:
    older = [intake(delivery(etag=str(number)), number) for number in (3, 2)]
    record_delivery(database_url, intake(delivery(), 5, unrecorded=tuple(older)))
    assert [(row["lake_version"], row["state"]) for row in recorded(database_url)] == [
        *((2, "superseded"), (3, "superseded"), (5, "accepted")),
    ]


def test_deliveries_with_other_columns_than_declared_are_known(database_url: str) -> None:
    one, two, three = delivery("one.csv"), delivery("two.csv"), delivery("three.csv")
    record_delivery(database_url, intake(one, undeclared_columns=('a "b", c', ""), missing_columns=("size_mb",)))
    record_delivery(database_url, intake(two, undeclared_columns=("note",)))
    record_delivery(database_url, intake(three))
    first = ColumnDifferences(DAY, one.object, ('a "b", c', ""), ("size_mb",))
    assert find_column_differences(database_url, STREAMS, DAY, DAY) == [
        first,
        ColumnDifferences(DAY, two.object, ("note",), ()),
    ]
    record_delivery(database_url, intake(two, 2))
    assert find_column_differences(database_url, STREAMS, DAY, DAY) == [first]
    assert find_column_differences(database_url, STREAMS, DAY + timedelta(days=1), DAY + timedelta(days=9)) == []
    assert find_column_differences(database_url, AUTHORS, DAY, DAY) == []


def test_the_version_of_the_lake_is_known_for_each_object_of_a_source(database_url: str) -> None:
    one, two = delivery("one.csv"), delivery("two.csv")
    for made in (intake(one, 3), intake(two, 5), intake(one, 7)):
        record_delivery(database_url, made)
    assert read_recorded_versions(database_url, STREAMS) == {one.id: 7, two.id: 5}
    assert read_recorded_versions(database_url, AUTHORS) == {}


def test_of_some_deliveries_those_that_the_lake_does_not_hold_are_unknown(database_url: str) -> None:
    one, two, three = made = [delivery("a.csv"), delivery("b.csv", 'tw"o', 2**40), delivery("c.csv")]
    assert unknown(database_url, *made) == {each.id for each in made}
    for each in (one, two):
        record_delivery(database_url, intake(each))
    assert unknown(database_url, two, three) == {three.id}
    assert unknown(database_url, replace(one, etag="two"), replace(two, size=1)) == {one.id, two.id}
    assert unknown(database_url) == set()


def test_one_source_or_day_can_be_read(database_url: str) -> None:
    other = delivery(day=DAY + timedelta(days=1))
    for each in (delivery(), other):
        record_delivery(database_url, intake(each))
    assert [row["object"] for row in read_deliveries(database_url, "streams", other.day)] == [other.object]
    assert len(read_deliveries(database_url, "streams", None)) == 2
    assert read_deliveries(database_url, "authors", None) == []


def test_the_refused_among_deliveries_are_named(database_url: str) -> None:
    good, bad, other = delivery("good.csv"), delivery("bad.csv"), delivery("other.csv")
    record_delivery(database_url, intake(good))
    for made in (bad, other):
        record_delivery(database_url, intake(made, delivered=1, accepted=0, rejected=1, refusal="no header"))
    assert find_refused_objects(database_url, [good, bad]) == [bad.object]
    record_delivery(database_url, intake(bad, 2))
    assert find_refused_objects(database_url, [good, bad]) == []


def test_a_warehouse_keeps_its_first_time_zone(database_url: str) -> None:
    require_timezone(database_url, "Europe/Paris")
    require_timezone(database_url, "Europe/Paris")
    with pytest.raises(WarehouseMismatchError, match="DATAFLOW_TIMEZONE=Europe/Paris, not UTC"):
        require_timezone(database_url, "UTC")
    assert ask(database_url, "SELECT timezone FROM ledger.identity") == [("Europe/Paris",)]


def test_of_several_first_time_zones_one_wins(database_url: str) -> None:
    def require(zone: str) -> str | None:
        try:
            require_timezone(database_url, zone)
        except WarehouseMismatchError:
            return None
        return zone

    zones = [future.result() for future in together(lambda: require("UTC"), lambda: require("Asia/Tokyo"))]
    assert [zone for zone in zones if zone] == [
        zone for (zone,) in ask(database_url, "SELECT timezone FROM ledger.identity")
    ]
