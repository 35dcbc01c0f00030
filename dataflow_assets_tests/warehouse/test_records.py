"""The loader's records: deliveries and the time zone."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dataflow_assets.errors import WarehouseMismatchError
from dataflow_assets.lake.intake import Intake
from dataflow_assets.landing.deliveries import Delivery
from dataflow_assets.warehouse.records import (
    OtherColumns,
    known_versions,
    other_columns,
    record_delivery,
    recorded_versions,
    refused,
    require_timezone,
)
from dataflow_assets_tests.warehouse.made import AUTHORS, DAY, STREAMS, ask, together

MODIFIED = datetime(2021, 11, 5, 6, 0, 0, 123456, tzinfo=UTC)


def delivery(file: str = "a.csv", etag: str = "one", size: int = 10) -> Delivery:
    key = f"landing/streams/{DAY}/{file}"
    return Delivery(source="streams", day=DAY, object=key, etag=etag, size=size, last_modified=MODIFIED)


def intake(of: Delivery, version: int = 1, **facts: Any) -> Intake:
    return Intake(delivery=of, version=version, **{"delivered": 5, "accepted": 3, "rejected": 2, **facts})


def test_a_delivery_is_recorded_with_its_sums(database_url: str) -> None:
    made = delivery()
    record_delivery(database_url, intake(made, 7))
    assert ask(database_url, "SELECT * FROM warehouse.deliveries") == [
        (made.id, "streams", DAY, made.object, "one", 10, MODIFIED, "accepted", 5, 3, 2, 7, [], [], None)
    ]


def test_a_newer_version_of_an_object_takes_the_place_of_the_older(database_url: str) -> None:
    older, newer = delivery(), delivery(etag="two", size=20)
    for made in (intake(older, 1), intake(newer, 2, delivered=9, accepted=9, rejected=0), intake(older, 1)):
        record_delivery(database_url, made)
    assert known_versions(database_url) == {newer.id: ("two", 20)}
    assert ask(database_url, "SELECT delivered, accepted, rejected FROM warehouse.deliveries") == [(9, 9, 0)]


def test_deliveries_with_other_columns_than_declared_are_known(database_url: str) -> None:
    one, two, three = delivery("one.csv"), delivery("two.csv"), delivery("three.csv")
    record_delivery(database_url, intake(one, kept_out=('a "b", c', ""), lacking=("size_mb",)))
    record_delivery(database_url, intake(two, kept_out=("note",)))
    record_delivery(database_url, intake(three))
    first = OtherColumns(DAY, one.object, ('a "b", c', ""), ("size_mb",))
    assert other_columns(database_url, STREAMS, DAY, DAY) == [first, OtherColumns(DAY, two.object, ("note",), ())]
    record_delivery(database_url, intake(two, 2))
    assert other_columns(database_url, STREAMS, DAY, DAY) == [first]
    assert other_columns(database_url, STREAMS, DAY + timedelta(days=1), DAY + timedelta(days=9)) == []
    assert other_columns(database_url, AUTHORS, DAY, DAY) == []


def test_the_version_of_the_lake_is_known_for_each_object_of_a_source(database_url: str) -> None:
    one, two = delivery("one.csv"), delivery("two.csv")
    for made in (intake(one, 3), intake(two, 5), intake(one, 7)):
        record_delivery(database_url, made)
    assert recorded_versions(database_url, STREAMS) == {one.id: 7, two.id: 5}
    assert recorded_versions(database_url, AUTHORS) == {}


def test_every_object_that_the_lake_holds_is_known(database_url: str) -> None:
    assert known_versions(database_url) == {}
    made = [delivery("a.csv"), delivery("b.csv", "two", 2**40)]
    for each in made:
        record_delivery(database_url, intake(each))
    assert known_versions(database_url) == {each.id: (each.etag, each.size) for each in made}


def test_the_refused_among_deliveries_are_named(database_url: str) -> None:
    good, bad, other = delivery("good.csv"), delivery("bad.csv"), delivery("other.csv")
    record_delivery(database_url, intake(good))
    for made in (bad, other):
        record_delivery(database_url, intake(made, delivered=1, accepted=0, rejected=1, refusal="no header"))
    assert refused(database_url, [good, bad]) == [bad.object]
    record_delivery(database_url, intake(bad, 2))
    assert refused(database_url, [good, bad]) == []


def test_a_warehouse_keeps_its_first_time_zone(database_url: str) -> None:
    require_timezone(database_url, "Europe/Paris")
    require_timezone(database_url, "Europe/Paris")
    with pytest.raises(WarehouseMismatchError, match="DATAFLOW_TIMEZONE=Europe/Paris, not UTC"):
        require_timezone(database_url, "UTC")
    assert ask(database_url, "SELECT timezone FROM warehouse.identity") == [("Europe/Paris",)]


def test_of_several_first_time_zones_one_wins(database_url: str) -> None:
    def require(zone: str) -> str | None:
        try:
            require_timezone(database_url, zone)
        except WarehouseMismatchError:
            return None
        return zone

    zones = [future.result() for future in together(lambda: require("UTC"), lambda: require("Asia/Tokyo"))]
    assert [zone for zone in zones if zone] == [
        zone for (zone,) in ask(database_url, "SELECT timezone FROM warehouse.identity")
    ]
