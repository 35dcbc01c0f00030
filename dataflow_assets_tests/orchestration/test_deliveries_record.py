"""The record of deliveries is what the lake's commits say, whatever has happened between the two."""

from typing import Any

import pytest

from dataflow_assets.landing.deliveries import Delivery
from dataflow_assets.landing.storage import open_storage
from dataflow_assets.ledger.deliveries import rebuild_deliveries
from dataflow_assets.ledger.delivery_reports import read_deliveries
from dataflow_assets.orchestration.assets import lake_run
from dataflow_assets.sources import all_sources
from dataflow_assets.warehouse.bootstrap import open_warehouse
from dataflow_assets_tests.orchestration.builders import Platform, movies_csv, postgres, session, streams_csv

DAY = "2021-12-31"


def recorded(platform: Platform) -> list[dict[str, Any]]:
    rows = read_deliveries(open_warehouse(platform.settings), None, None)
    return sorted(rows, key=lambda row: (row["object"], row["lake_version"]))


def rebuild(platform: Platform) -> int:
    settings = platform.settings
    return rebuild_deliveries(open_warehouse(settings), open_storage(settings), all_sources(), settings.timezone)


def take(platform: Platform, source: str, text: str, name: str = "file.csv", day: str = DAY) -> Delivery:
    """Land an object and take it into the lake."""
    delivery = platform.land(source, day, text, name)
    assert platform.run(f"lake/{source}", day).success
    return delivery


def make_history(platform: Platform) -> None:
    """New, changed, refused, deleted, late, empty, and with other columns than declared."""
    take(platform, "streams", streams_csv(session("2021-12-05T10:00"), session("2021-12-30T23:30")))
    take(platform, "streams", streams_csv(session("2021-12-06T10:00"), "Rust,no,1,x,y"))
    take(platform, "streams", streams_csv(session("2021-12-07T10:00")), "two.csv")
    take(platform, "streams", "sorry", "two.csv")
    late = take(platform, "streams", streams_csv(session("2021-12-08T10:00")), "late.csv", "2021-12-09")
    (platform.settings.home / late.object).unlink()
    take(platform, "movies", movies_csv("Rust"))
    take(platform, "movies", movies_csv("Rust", "Heat"))
    take(platform, "movies", "")
    take(platform, "users", "email,first_name,last_name,age\na@x,A,Aa,7\n")


def test_a_history_is_recorded(paris: Platform) -> None:
    make_history(paris)
    rows = [
        [row["object"].split("/", 1)[1], row["state"], row["delivered"], row["rejected"], row["event_days"]]
        for row in recorded(paris)
    ]
    assert rows == [
        ["movies/2021-12-31/file.csv", "superseded", 1, 0, []],
        ["movies/2021-12-31/file.csv", "superseded", 2, 0, []],
        ["movies/2021-12-31/file.csv", "accepted", 0, 0, []],
        ["streams/2021-12-09/late.csv", "accepted", 1, 0, ["2021-12-08"]],
        ["streams/2021-12-31/file.csv", "superseded", 2, 0, ["2021-12-05", "2021-12-31"]],
        ["streams/2021-12-31/file.csv", "accepted", 2, 1, ["2021-12-06"]],
        ["streams/2021-12-31/two.csv", "superseded", 1, 0, ["2021-12-07"]],
        ["streams/2021-12-31/two.csv", "rejected", 1, 1, []],
        ["users/2021-12-31/file.csv", "accepted", 1, 0, []],
    ]
    (refusal,) = [row["refusal"] for row in recorded(paris) if row["refusal"]]
    assert "two.csv is not a CSV file of streams" in refusal
    assert [row["undeclared_columns"] for row in recorded(paris)][-1] == ["age"]


@pytest.mark.parametrize("loss", ["DELETE FROM ledger.deliveries", "UPDATE ledger.deliveries SET accepted = 9"])
def test_the_record_is_made_again_from_the_lake(paris: Platform, loss: str) -> None:
    make_history(paris)
    before = recorded(paris)
    with postgres(paris.settings) as cursor:
        cursor.execute(loss)
    assert rebuild(paris) == len(before) == 9
    assert recorded(paris) == before


def test_a_record_of_what_the_lake_does_not_hold_goes(platform: Platform) -> None:
    take(platform, "movies", movies_csv("Rust"))
    before = recorded(platform)
    with postgres(platform.settings) as cursor:
        cursor.execute("""
            CREATE TEMPORARY TABLE more AS SELECT * FROM ledger.deliveries;
            UPDATE more SET lake_version = 99; INSERT INTO ledger.deliveries SELECT * FROM more""")
    rebuild(platform)
    assert recorded(platform) == before


def test_nothing_is_rebuilt_from_an_empty_lake(platform: Platform) -> None:
    assert rebuild(platform) == 0
    assert recorded(platform) == []


class _KilledError(Exception):
    """As if the process had been killed."""


def test_what_a_crash_kept_from_the_record_comes_with_the_next_run(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of three versions the lake has, none was recorded but the first."""

    def die(*_: object) -> None:
        raise _KilledError

    take(platform, "streams", streams_csv(session("2021-12-05T10:00")))
    for number in (6, 7):
        with monkeypatch.context() as patch:
            patch.setattr(lake_run, "record_deliveries", die)
            platform.land("streams", DAY, streams_csv(session(f"2021-12-0{number}T10:00")))
            assert not platform.run("lake/streams", DAY).success
    assert [row["lake_version"] for row in recorded(platform)] == [1]
    assert platform.run("lake/streams", DAY).success
    healed = recorded(platform)
    assert [(row["lake_version"], row["state"], row["event_days"]) for row in healed] == [
        (1, "superseded", ["2021-12-05"]),
        (2, "superseded", ["2021-12-06"]),
        (3, "accepted", ["2021-12-07"]),
    ]
    rebuild(platform)
    assert recorded(platform) == healed
