"""Snapshots of many keys are made some keys at a time, and are what they would be if made at once."""

from datetime import timedelta

import polars as pl
import pytest

from dataflow_assets.sources import find_source
from dataflow_assets.warehouse.snapshots import load as loading
from dataflow_assets.warehouse.snapshots.id_ranges import split_ids
from dataflow_assets_tests.warehouse.builders import DAY, ask, dump
from dataflow_assets_tests.warehouse.snapshots.test_snapshots import TABLES, everything, lake, load

KEYS = 60


def _dump(number: int, **changed: str) -> pl.DataFrame:
    """A dump in which each key has a value of its own, but for some, and one in five is missing."""
    names = [f"key{key}" for key in range(KEYS) if key % 5 != number]
    return dump({name: name for name in names} | changed, delivered=DAY + timedelta(days=number))


@pytest.mark.parametrize("most", [16, 3])
def test_tables_made_in_ranges_are_those_made_at_once(
    database_url: str, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    first, then = lake(_dump(0), _dump(2)), lake(_dump(0), _dump(1, key7="new"), _dump(2))
    load(database_url, then)
    at_once = everything(database_url)
    ask(database_url, f"TRUNCATE {TABLES}")
    monkeypatch.setattr(loading, "_ROWS_AT_ONCE", 10)
    monkeypatch.setattr(loading, "_MOST_RANGES", most)
    load(database_url, first, 1)
    assert everything(database_url) != at_once
    written = load(database_url, then, 2).changed
    assert everything(database_url) == at_once
    assert 0 < written < len(at_once[0]) + len(at_once[1]), "rows that do not differ are not touched"
    assert load(database_url, lake(), 3).keys == 0


@pytest.mark.parametrize("count", [1, 2, 7])
def test_ranges_hold_every_id_once_and_follow_each_other(count: int) -> None:
    ranges = list(split_ids(count))
    assert (ranges[0].first, ranges[-1].last) == (0, 2**128 - 1)
    assert [one.last + 1 for one in ranges[:-1]] == [one.first for one in ranges[1:]]
    rows = pl.DataFrame({"email": [f"{number}@x" for number in range(1000)]}).lazy()
    cut = [one.cut(rows, find_source("users").key).collect()["email"] for one in ranges]
    assert sorted(email for part in cut for email in part) == sorted(rows.collect()["email"])
    assert min(map(len, cut)) > 500 / count
