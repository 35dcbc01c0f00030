"""What of landing is new to the record of deliveries, and what nobody takes in."""

from datetime import UTC, datetime

import pytest

from dataflow_assets.lake.ingest import Intake
from dataflow_assets.landing.deliveries import Delivery, Expected, Stray, as_delivery
from dataflow_assets.landing.listing import Listed
from dataflow_assets.ledger import discovery
from dataflow_assets.ledger.deliveries import record_delivery
from dataflow_assets.ledger.discovery import find_new, report_strays
from dataflow_assets.postgres.connection import connect
from dataflow_assets_tests.warehouse.builders import ask

MODIFIED = datetime(2021, 12, 5, 6, tzinfo=UTC)
EXPECTED = Expected(frozenset(["users"]), frozenset(["2021-12-01", "2021-12-02"]))


def listed(name: str, etag: str = "one", size: int = 10) -> Listed:
    return Listed(f"landing/{name}", etag, size, MODIFIED)


def record(url: str, found: Listed, version: int = 1) -> None:
    delivery = as_delivery(found)
    assert delivery
    record_delivery(url, Intake(delivery=delivery, version=version, delivered=1, accepted=1, rejected=0))


def arrived(url: str, *objects: Listed) -> list[str]:
    with connect(url) as connection:
        found = list(find_new(connection, objects, EXPECTED))
    return [one.object.removeprefix("landing/") for one in found if isinstance(one, Delivery)]


def strays(url: str, *objects: Listed) -> dict[str, str]:
    with connect(url) as connection:
        found = list(find_new(connection, objects, EXPECTED))
    return {one.listed.key.removeprefix("landing/"): one.reason for one in found if isinstance(one, Stray)}


def test_new_and_changed_objects_have_arrived(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovery, "_PAGE", 2)
    one, two, three, four = (listed(f"users/2021-12-01/{name}.csv") for name in ("a", "b", "c", "d"))
    assert arrived(database_url, one, two) == ["users/2021-12-01/a.csv", "users/2021-12-01/b.csv"]
    for known in (one, two, three):
        record(database_url, known)
    changed = [one._replace(etag="two"), two._replace(size=11), three, four]
    assert arrived(database_url, *changed) == [f"users/2021-12-01/{name}.csv" for name in ("a", "b", "d")]


def test_an_older_version_that_is_back_has_arrived(database_url: str) -> None:
    older, newer = listed("users/2021-12-01/a.csv"), listed("users/2021-12-01/a.csv", "two")
    record(database_url, older, 1)
    record(database_url, newer, 2)
    assert arrived(database_url, newer) == []
    assert arrived(database_url, older) == ["users/2021-12-01/a.csv"]


def test_the_same_name_on_another_day_is_another_object(database_url: str) -> None:
    record(database_url, listed("users/2021-12-01/a.csv"))
    assert arrived(database_url, listed("users/2021-12-02/a.csv")) == ["users/2021-12-02/a.csv"]


def test_what_nobody_takes_in_is_a_stray(database_url: str) -> None:
    outside = "is not at landing/<source>/<YYYY-MM-DD>/<name>"
    expected = {
        "a.csv": outside,
        "users/a.csv": outside,
        "users/2021-13-01/a.csv": outside,
        "users/20211201/a.csv": outside,
        "payments/2021-12-01/a.csv": "is of no known source",
        "users/2021-12-03/a.csv": "is of a day without a partition",
        "users/2021-12-01/a\\t.csv": "has a name that cannot be read; rename or remove it",
    }
    *objects, odd = (listed(name) for name in expected)
    assert strays(database_url, *objects, odd._replace(last_modified=None)) == expected
    assert arrived(database_url, *objects) == []


def test_a_folder_made_in_a_console_is_no_stray(database_url: str) -> None:
    assert strays(database_url, listed("users/2021-12-01", size=0), listed("users/day", size=0)) == {}


def test_a_stray_is_new_until_it_was_reported(database_url: str) -> None:
    def reported(*found: Stray) -> list[Stray]:
        with connect(database_url) as connection:
            return report_strays(connection, found)

    one, two = Stray(listed("a.csv"), "is odd"), Stray(listed("b.csv"), "is odd")
    assert reported() == []
    assert reported(two, one) == [two, one]
    assert reported(one, two) == []
    for changed in (
        *(Stray(listed("a.csv", "two"), "is odd"), Stray(listed("a.csv", "two", 11), "is odd")),
        Stray(listed("a.csv", "two", 11), "is odder"),
    ):
        assert reported(changed, two) == [changed]
        assert reported(changed, two) == []
    assert ask(database_url, "SELECT count(*) FROM ledger.strays") == [(2,)]


def test_what_is_no_data_has_not_arrived_and_is_no_stray(database_url: str) -> None:
    names = [".DS_Store", "users/.DS_Store", "users/2021-12-01/a.csv.md5", "users/2021-12-01/__MACOSX/._a.csv"]
    objects = [listed(name) for name in (*names, "users/2021-12-01/a.csv")]
    assert arrived(database_url, *objects) == ["users/2021-12-01/a.csv"]
    assert strays(database_url, *objects) == {}
