"""Discovery is bounded each time, and nothing in landing stays unseen for longer than it takes for all of landing."""

import os
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from dataflow_assets.landing import discovery, listing
from dataflow_assets.landing.deliveries import Delivery, Expected, Landing
from dataflow_assets.landing.discovery import DiscoveryCursor
from dataflow_assets.landing.listing import find_folders
from dataflow_assets.landing.storage import Storage, open_storage
from dataflow_assets.settings import load_settings
from dataflow_assets_tests.landing.stores import Gate, put_any

FIRST = date(2021, 12, 1)
DAYS = [(FIRST + timedelta(days=number)).isoformat() for number in range(40)]
EXPECTED = Expected(frozenset(["users", "movies"]), frozenset(DAYS))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Discovery is bounded by tens of objects."""
    monkeypatch.setattr(listing.base, "PAGE", 4)
    monkeypatch.setattr(discovery, "_FEW_OBJECTS", 10)
    monkeypatch.setattr(discovery, "_MANY_OBJECTS", 40)


def _fill(storage: Storage, source: str, days: list[str], objects: int) -> set[str]:
    keys = {f"landing/{source}/{day}/{number}.csv" for day in days for number in range(objects)}
    for key in keys:
        put_any(storage, key)
    return keys


def _discoveries(storage: Storage, count: int, *, seconds: float, every: float) -> Iterator[set[str]]:
    """What discovery lists, so many seconds apart, when it takes so many seconds for all of landing."""
    going = DiscoveryCursor(at=time.time() - every)
    for _ in range(count):
        yield {listed.key for listed in going.list_next(storage, EXPECTED, seconds)}
        going = DiscoveryCursor.parse(str(going))
        going.at -= every


def test_a_small_landing_is_seen_whole_each_time(storage: Storage, small: None) -> None:
    keys = _fill(storage, "users", DAYS[:5], 2)
    assert list(_discoveries(storage, 3, seconds=1e9, every=1)) == [keys] * 3


def test_the_newest_days_of_each_source_are_seen_each_time(storage: Storage, small: None) -> None:
    _fill(storage, "users", DAYS[:20], 4)
    _fill(storage, "movies", DAYS[10:12], 1)
    # Neither an unknown source nor a day without a partition counts as new.
    _fill(storage, "users", ["9999-12-31", "old", "today"], 1)
    newest = {
        *(f"landing/users/{day}/{number}.csv" for day in DAYS[17:20] for number in range(4)),
        *(f"landing/movies/{day}/0.csv" for day in DAYS[10:12]),
    }
    for found in _discoveries(storage, 6, seconds=1e9, every=1):
        assert newest <= found
        assert 10 <= len(found - newest) <= 10 + 4 + 4


@pytest.mark.parametrize("objects", [1, 3])
def test_everything_is_seen_in_time(storage: Storage, small: None, objects: int) -> None:
    keys = _fill(storage, "users", DAYS, objects) | _fill(storage, "payments", DAYS[:10], objects)
    looks = list(_discoveries(storage, 22, seconds=100, every=10))
    for start in range(11):  # in each stretch of looks that lasts as long, and of one more
        assert set().union(*looks[start : start + 11]) == keys
    assert max(len(found) for found in looks) <= 3 * objects + 40 + 4


def test_what_is_too_much_is_left_to_the_next_look(storage: Storage, small: None) -> None:
    keys = _fill(storage, "users", DAYS[:30], 5)
    looks = list(_discoveries(storage, 8, seconds=1, every=10))
    newest = 3 * 5
    assert max(len(found) for found in looks) <= newest + 40 + 4 + 5
    assert set().union(*looks[:4]) == keys


def test_many_new_objects_are_looked_through_in_turns(s3_storage: Storage, small: None) -> None:
    keys = _fill(s3_storage, "users", DAYS[:1], 100)
    looks = list(_discoveries(s3_storage, 6, seconds=1e9, every=1))
    assert [len(found) for found in looks] == [40, 40, 20] * 2
    assert set().union(*looks[:3]) == keys


def test_a_look_that_came_to_the_end_is_followed_by_one_from_the_beginning(storage: Storage, small: None) -> None:
    keys = _fill(storage, "users", DAYS[:1], 40) | _fill(storage, "payments", DAYS[:1], 40)
    assert list(_discoveries(storage, 3, seconds=1, every=1)) == [keys] * 3


def test_where_something_waits_is_seen_again(storage: Storage, small: None) -> None:
    _fill(storage, "users", DAYS, 4)
    going = DiscoveryCursor(at=time.time())
    list(going.list_next(storage, EXPECTED, 1e9))
    landed = Landing(storage).current(f"landing/users/{DAYS[20]}/0.csv")
    assert isinstance(landed, Delivery)
    going.wait_for([landed])
    found = {listed.key for listed in DiscoveryCursor.parse(str(going)).list_next(storage, EXPECTED, 1e9)}
    assert {key for key in found if DAYS[20] in key} == {
        f"landing/users/{DAYS[20]}/{number}.csv" for number in range(4)
    }


def test_only_so_many_folders_are_seen_again(monkeypatch: pytest.MonkeyPatch, local_storage: Storage) -> None:
    monkeypatch.setattr(discovery, "_MANY_FOLDERS", 2)
    _fill(local_storage, "users", DAYS[:5], 1)
    going = DiscoveryCursor()
    going.wait_for(Landing(local_storage).deliveries())
    assert going.waiting == [f"landing/users/{day}/" for day in DAYS[3:5]]


def test_what_a_look_costs_does_not_follow_from_what_there_is(local_storage: Storage, tmp_path: Path) -> None:
    """20,000 objects in 2,000 folders; hard links are cheap to make."""
    body = tmp_path / "body"
    body.touch()
    first = date(2015, 1, 1)
    days = [(first + timedelta(days=number)).isoformat() for number in range(2_000)]
    for day in days:
        folder = Path(local_storage.uri, "landing/users", day)
        folder.mkdir(parents=True)
        for number in range(10):
            os.link(body, folder / f"{number}.csv")
    expected = Expected(frozenset(["users"]), frozenset(days))
    assert len(find_folders(local_storage)[0]) == 2_000
    going = DiscoveryCursor(at=time.time())
    found = [{listed.key for listed in going.list_next(local_storage, expected, 600)} for _ in range(4)]
    assert max(len(keys) for keys in found) <= 30 + 5_000 + 1_000 + 10
    assert len(set().union(*found)) == 20_000


def test_a_look_at_s3_takes_few_requests(s3_storage: Storage, gate: Gate) -> None:
    _fill(s3_storage, "users", DAYS, 5)
    _fill(s3_storage, "movies", DAYS, 5)
    storage, going = open_storage(load_settings()), DiscoveryCursor(at=time.time())
    found = {listed.key for listed in going.list_next(storage, EXPECTED, 600)}
    assert len(found) == 2 * 40 * 5
    assert gate.lists == 1 + 2 + 2 + 2  # the sources; the days of each; the newest of each; the others of each


def test_everything_is_listed_once_and_the_next_begins_when_it_is_due(storage: Storage, small: None) -> None:
    keys = _fill(storage, "users", DAYS[:12], 10)
    going, found = DiscoveryCursor(), list[str]()
    for _ in range(8):  # far more than it takes
        found += [listed.key for listed in going.list_everything(storage, 600)]
        going = DiscoveryCursor.parse(str(going))
    assert sorted(found) == sorted(keys)
    going.at -= 600
    assert {listed.key for listed in going.list_everything(storage, 600)} <= keys
    assert going.others, "a listing of this many is made in pieces"
