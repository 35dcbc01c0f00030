"""The table of rejects: what the lake's rejects say of each delivery."""

from typing import Any

import polars as pl

from dataflow_assets.lake.delta.table import REJECTS
from dataflow_assets.landing.deliveries import Delivery
from dataflow_assets.ledger.deliveries import record_delivery
from dataflow_assets.ledger.delivery_reports import read_quarantine_reasons
from dataflow_assets_tests.ledger.test_deliveries import delivery, intake
from dataflow_assets_tests.warehouse.builders import AUTHORS, DAY, STREAMS, ask

ROWS = "SELECT object, line, code, raw, run FROM ledger.rejects ORDER BY object, line"


def rejects(of: Delivery, *raw: str) -> pl.LazyFrame:
    """Rows of the lake's table of rejects, one of another delivery among them."""
    rows = [(of.object, line, "csv", "No.", text, of.source, of.day, of.id, "r1") for line, text in enumerate(raw)]
    other = ("other", 1, "csv", "No.", "other", "other", DAY, 1, None)
    return pl.LazyFrame([*rows, other], schema=REJECTS, orient="row")


def record(url: str, of: Delivery, version: int, *raw: str, **facts: Any) -> None:
    facts = {"delivered": 9, "accepted": 9 - len(raw), "rejected": len(raw), **facts}
    record_delivery(url, intake(of, version, **facts), rejects(of, *raw))


def test_rejects_stand_as_delivered_and_a_nul_is_shown(database_url: str) -> None:
    made = delivery()
    record(database_url, made, 1, "a,b", 'é"\0\n')
    assert ask(database_url, "SELECT * FROM ledger.rejects ORDER BY line") == [
        ("streams", DAY, made.object, made.id, 0, "csv", "No.", "a,b", "r1"),
        ("streams", DAY, made.object, made.id, 1, "csv", "No.", 'é"␀\n', "r1"),
    ]


def test_the_rejects_of_a_newer_version_take_the_place_of_the_older(database_url: str) -> None:
    one, two = delivery("one.csv"), delivery("two.csv")
    record(database_url, one, 1, "a", "b")
    record(database_url, two, 2, "c")
    record(database_url, one, 3, "d")
    record(database_url, one, 1, "too late")
    assert [(row[0], row[3]) for row in ask(database_url, ROWS)] == [(one.object, "d"), (two.object, "c")]
    record(database_url, two, 4)
    assert [row[3] for row in ask(database_url, ROWS)] == ["d"]


def test_many_rejects_are_copied(database_url: str) -> None:
    record(database_url, delivery(), 1, *["x"] * 120_000)
    assert ask(database_url, "SELECT count(*) FROM ledger.rejects") == [(120_000,)]


def test_a_version_that_is_recorded_is_not_copied_again(database_url: str) -> None:
    made = delivery()
    record(database_url, made, 1, "a")
    before = ask(database_url, "SELECT xmin::text FROM ledger.rejects")
    record(database_url, made, 1, "a")
    assert ask(database_url, "SELECT xmin::text FROM ledger.rejects") == before


def test_what_is_held_back_is_recorded_with_its_reason(database_url: str) -> None:
    made = delivery()
    record(database_url, made, 1, quarantine_reason="too many")
    assert ask(database_url, "SELECT state, quarantine_reason FROM ledger.deliveries") == [("quarantined", "too many")]
    assert read_quarantine_reasons(database_url, STREAMS, DAY, DAY) == {
        DAY: [f"{made.object} is quarantined: too many"]
    }
    assert read_quarantine_reasons(database_url, AUTHORS, DAY, DAY) == {}
    record(database_url, made, 2)
    of_version = "SELECT state, quarantine_reason FROM ledger.deliveries WHERE lake_version = 2"
    assert ask(database_url, of_version) == [("accepted", None)]
    assert read_quarantine_reasons(database_url, STREAMS, DAY, DAY) == {}
