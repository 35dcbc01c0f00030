"""Snapshot tables say what the lake's dumps say, whatever came in which order."""

from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import partial
from itertools import permutations
from typing import Any

import dataframely as dy
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow_assets.lake.delta.dumps import Dumps, MissingColumns
from dataflow_assets.postgres.connection import AdbcError, connect
from dataflow_assets.warehouse.scan import scan_source
from dataflow_assets.warehouse.snapshots import SnapshotLoad, load_snapshot
from dataflow_assets.warehouse.snapshots.derive import derive_current, derive_dumps, derive_history
from dataflow_assets.warehouse.snapshots.incremental import compare_dump
from dataflow_assets.warehouse.snapshots.quarantine import find_quarantined_dumps
from dataflow_assets_tests.examples import examples
from dataflow_assets_tests.warehouse.builders import AUTHORS, DAY, SHOPS, ask, complete, delivery_id, dump, together

CURRENT = "SELECT name, nationality, delivery, first_seen, last_seen, missing_since FROM warehouse.authors_current"
HISTORY = "SELECT name, valid_from, valid_to, nationality, delivery FROM warehouse.authors_history"
TABLES = "warehouse.authors_current, warehouse.authors_history, ledger.snapshots, ledger.dumps"
EVERYTHING = (
    f"{CURRENT} ORDER BY id",
    f"{HISTORY} ORDER BY id, valid_from",
    "SELECT * FROM warehouse.authors ORDER BY id",
)


def days(*numbers: int) -> list[date]:
    return [DAY + timedelta(days=number) for number in numbers]


D0, D1, D2, D3 = days(0, 1, 2, 3)


ChangedDays = Callable[[int], set[date]]


def load(
    url: str,
    rows: pl.DataFrame,
    version: int = 1,
    changed_days: ChangedDays | None = None,
    dumped: Dumps | None = None,
) -> SnapshotLoad:
    """Load rows of the lake; each dump is complete, unless another account of the dumps is given."""
    with connect(url) as connection:
        return load_snapshot(connection, AUTHORS, rows.lazy(), version, dumped or complete(rows), changed_days)


def lake(*objects: pl.DataFrame) -> pl.DataFrame:
    return pl.concat([dump({}), *objects])


def everything(url: str) -> list[list[tuple[Any, ...]]]:
    return [ask(url, query) for query in EVERYTHING]


# The oracle: the rules of snapshots in the warehouse (docs/explanation/design.md), one key at a time in plain Python.


@dataclass(frozen=True)
class Object:
    """A landed object: its day, its name, its rows (a key may stand twice), and whether it `lacks` the nationality."""

    day: int
    file: str
    rows: tuple[tuple[str, str | None], ...] = field(default=())
    lacks: bool = False

    def frame(self) -> pl.DataFrame:
        parts = [
            dump(
                {name: None if self.lacks else value},
                delivered=DAY + timedelta(days=self.day),
                file=self.file,
                first_position=position,
            )
            for position, (name, value) in enumerate(self.rows)
        ]
        return lake(*parts)

    @property
    def date(self) -> date:
        return DAY + timedelta(days=self.day)

    @property
    def delivery(self) -> int:
        return delivery_id("authors", self.date, self.file)


def counted(objects: Iterable[Object], released: Set[date]) -> Dumps:
    """The dumps that objects make; those without rows count."""
    rows: dict[date, int] = {}
    for made in objects:
        rows[made.date] = rows.get(made.date, 0) + len(made.rows)
    return Dumps(rows, frozenset(released & rows.keys()), missing_columns(objects))


def missing_columns(objects: Iterable[Object]) -> dict[int, frozenset[str]]:
    """What objects with rows lack, as the lake says it."""
    return {made.delivery: frozenset({"nationality"}) for made in objects if made.lacks and made.rows}


def oracle(objects: Iterable[Object], dumped: Dumps) -> tuple[set[tuple[Any, ...]], set[tuple[Any, ...]]]:
    """The rows of current and history: (name, nationality, delivery, …) and (name, from, to, nationality, delivery)."""
    by_day: dict[date, dict[str, tuple[str | None, int]]] = {}
    last = None
    for day, rows in sorted(dumped.rows.items()):
        if day in dumped.released or ((rows or last == 0) and rows * 2 >= (last or 0)):
            by_day[day], last = {}, rows
    for made in sorted(objects, key=lambda found: (found.day, found.file)):
        for name, value in made.rows if made.date in by_day else ():
            earlier = (
                by_day[day][name][0] for day in sorted(by_day, reverse=True) if day < made.date and name in by_day[day]
            )
            by_day[made.date][name] = (next(earlier, None) if made.lacks else value, made.delivery)
    delivered = sorted(by_day)
    current_rows, history_rows = set(), set()
    for name in {name for seen in by_day.values() for name in seen}:
        seen_on = [day for day in delivered if name in by_day[day]]
        runs: list[tuple[date, str | None, int]] = []
        for day in seen_on:
            value, delivery = by_day[day][name]
            if not runs or runs[-1][1] != value:
                runs.append((day, value, delivery))
        ends: list[date | None] = [*(start for start, *_ in runs[1:]), None]
        for (start, value, delivery), end in zip(runs, ends, strict=True):
            history_rows.add((name, start, end, value, delivery))
        later = [day for day in delivered if day > seen_on[-1]]
        gone = (seen_on[-1], later[0]) if later else (None, None)
        current_rows.add((name, *runs[-1][1:], seen_on[0], *gone))
    return current_rows, history_rows


ROWS = st.lists(st.tuples(st.sampled_from("xyz"), st.sampled_from(["one", "two", "", None])), max_size=4).map(tuple)
OBJECTS = st.lists(
    st.builds(Object, st.integers(0, 4), st.sampled_from(["a.json", "b.json"]), ROWS, st.booleans()),
    unique_by=lambda made: (made.day, made.file),
    max_size=8,
)
RELEASED = st.frozensets(st.sampled_from(days(0, 1, 2, 3, 4)))


def derived(rows: pl.DataFrame, missing: MissingColumns) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    dumped = derive_dumps(rows.lazy(), AUTHORS, missing)
    runs = derive_history(dumped, AUTHORS)
    now = derive_current(dumped, runs, set(dumped["delivery_day"]))
    presence = ("name", "nationality", "delivery", "first_seen", "last_seen", "missing_since")
    return now.select(presence).rows(), runs.select("name", "valid_from", "valid_to", "nationality", "delivery").rows()


@given(OBJECTS, st.randoms())
def test_both_tables_are_what_the_dumps_say(objects: list[Object], random: Any) -> None:
    rows = lake(*(made.frame() for made in objects)).sample(fraction=1, shuffle=True, seed=random.randrange(2**32))
    now, runs = derived(rows, missing_columns(objects))
    assert (set(now), set(runs)) == oracle(objects, complete(rows))
    assert len(set(now)) == len(now)
    assert len(set(runs)) == len(runs)


@dataclass(frozen=True)
class Version:
    """A version of the lake: its objects, and the days that are released."""

    objects: Mapping[tuple[int, str], Object]
    released: frozenset[date]


def changed_between(versions: Mapping[int, Version], since: int, now: int) -> set[date]:
    """The days that were released, or whose objects one version has and another has not, or not with these rows."""
    before, after = versions[since], versions[now]
    changed = set(before.objects.values()) ^ set(after.objects.values())
    return {made.date for made in changed} | (before.released ^ after.released)


@pytest.mark.parametrize("is_told", [False, True], ids=["all dumps are read", "told which days changed"])
@examples(1 / 4)
@given(objects=OBJECTS, released=RELEASED, data=st.data())
def test_any_order_of_loads_ends_in_the_same_tables(
    database_url: str, is_told: bool, objects: list[Object], released: frozenset[date], data: Any
) -> None:
    """Also where an object is replaced by a newer version, or all of its rows are, and where days are released."""
    ask(database_url, f"TRUNCATE {TABLES}")
    in_order = sorted(objects, key=lambda made: (made.day, made.file))
    arrivals = data.draw(st.one_of(st.just(in_order), st.permutations(objects)))
    replaced = data.draw(st.lists(st.tuples(st.sampled_from(objects), ROWS), max_size=2)) if objects else []
    landed: dict[tuple[int, str], Object] = {}
    newer = [Object(old.day, old.file, rows, old.lacks) for old, rows in replaced]
    versions: dict[int, Version] = {}
    steps: list[Object | None] = [*arrivals, *newer]
    steps.insert(data.draw(st.integers(0, len(steps))), None)
    is_released = False
    for version, made in enumerate(steps, 1):
        if made:
            landed[made.day, made.file] = made
        else:
            is_released = True
        versions[version] = Version(dict(landed), released if is_released else frozenset())
        dumped = counted(landed.values(), versions[version].released)
        told = partial(changed_between, versions, now=version) if is_told else None
        load(database_url, lake(*(known.frame() for known in landed.values())), version, told, dumped)
    dumped = counted(landed.values(), released)
    now, runs = oracle(landed.values(), dumped)
    assert set(ask(database_url, CURRENT)) == now
    assert set(ask(database_url, HISTORY)) == runs
    held = find_quarantined_dumps(dumped, AUTHORS.smallest_share)
    recorded = "SELECT day, rows, is_released, quarantine_reason FROM ledger.dumps"
    assert set(ask(database_url, recorded)) == {
        (day, rows, day in dumped.released, held.get(day)) for day, rows in dumped.rows.items()
    }
    newest = max(dumped.rows.keys() - held.keys(), default=None)
    shown = {(name, last_seen) for name, _, _, _, last_seen, _ in now}
    assert set(ask(database_url, "SELECT name, last_seen FROM warehouse.authors")) == {
        (name, last_seen or newest) for name, last_seen in shown
    }


def test_dumps_in_every_order_end_in_the_same_history(database_url: str) -> None:
    """One key changes and changes back, one is dropped and returns, one comes late and is dropped for good."""
    contents: list[dict[str, str | None]] = [
        {"back": "one", "gone": "one"},
        {"back": "two", "late": None},
        {"back": "one", "gone": "one", "late": None},
        {"back": "one", "gone": "two"},
    ]
    made = [dump(names, delivered=day) for names, day in zip(contents, days(0, 1, 2, 3), strict=True)]
    history = "SELECT name, valid_from, valid_to, nationality FROM warehouse.authors_history ORDER BY 1, 2"
    seen = "SELECT name, first_seen, last_seen, missing_since FROM warehouse.authors ORDER BY 1"
    for order in permutations(range(4)):
        ask(database_url, f"TRUNCATE {TABLES}")
        for version in range(1, 5):
            rows = lake(*(made[number] for number in order[:version]))
            load(database_url, rows, version, partial(arrived, order, version))
        assert ask(database_url, history) == [
            *(("back", D0, D1, "one"), ("back", D1, D2, "two"), ("back", D2, None, "one")),
            *(("gone", D0, D3, "one"), ("gone", D3, None, "two")),
            ("late", D1, None, None),
        ], order
        assert ask(database_url, seen) == [("back", D0, D3, None), ("gone", D0, D3, None), ("late", D1, D2, D3)], order


def arrived(order: tuple[int, ...], version: int, since: int) -> set[date]:
    """The days of the dumps that came after one version of the lake and up to another, of one dump for each version."""
    return set(days(*order[since:version]))


def test_a_key_that_is_missing_and_comes_back_opens_and_closes_nothing(database_url: str) -> None:
    first, second = dump({"x": "one", "y": "one"}), dump({"y": "two"}, delivered=D1)
    load(database_url, lake(first, second), 1)
    [x] = ask(database_url, f"{CURRENT} WHERE name = 'x'")
    assert x[3:] == (D0, D0, D1)
    load(database_url, lake(first, second, dump({"y": "two"}, delivered=D2)), 2)
    assert ask(database_url, f"{CURRENT} WHERE name = 'x'") == [x]
    load(database_url, lake(first, second, dump({"x": "one"}, delivered=D3)), 3)
    assert ask(database_url, f"{CURRENT} WHERE name = 'x'")[0][3:] == (D0, None, None)
    assert ask(database_url, f"{HISTORY} WHERE name = 'x'") == [
        ("x", D0, None, "one", delivery_id("authors", D0, "a.json"))
    ]


def test_the_view_says_the_newest_day_of_present_keys(database_url: str) -> None:
    objects = [dump({"x": "one", "y": None}), dump({"x": "one"}, delivered=D1), dump({"x": "one"}, delivered=D3)]
    load(database_url, lake(*objects))
    seen = "SELECT name, first_seen, last_seen, missing_since FROM warehouse.authors ORDER BY name"
    assert ask(database_url, seen) == [("x", D0, D3, None), ("y", D0, D0, D1)]


def test_nothing_and_a_text_differ(database_url: str) -> None:
    values = ["one", None, "", None, None]
    objects = [dump({"x": value}, delivered=day) for value, day in zip(values, days(0, 1, 2, 3, 4), strict=True)]
    load(database_url, lake(*objects))
    assert ask(database_url, "SELECT valid_from, nationality FROM warehouse.authors_history ORDER BY 1") == [
        (D0, "one"),
        (D1, None),
        (D2, ""),
        (D3, None),
    ]


def test_a_column_may_have_any_name() -> None:
    class Places(dy.Schema):
        name = dy.String()
        is_known = dy.Bool(nullable=True)

    values = pl.DataFrame(
        {"id": [b"1"], "name": ["Rome"], "is_known": [None]}, schema_overrides={"is_known": pl.Boolean}
    )
    known = values.with_columns(missing_since=pl.lit(None, pl.Date))
    found = compare_dump(values.with_columns(delivery=1), known, replace(SHOPS, schema=Places))
    assert (found.values.height, found.returned.height, found.gone.height) == (0, 0, 0)


def test_rows_that_do_not_differ_are_not_touched(database_url: str) -> None:
    first = dump({"x": "one", "y": "one", "z": None})
    assert load(database_url, lake(first), 1).changed == 6
    rows = "SELECT xmin::text, ctid::text FROM warehouse.authors_current UNION ALL SELECT xmin::text, ctid::text FROM warehouse.authors_history"  # fmt: skip  # noqa: E501
    before = ask(database_url, rows)
    assert load(database_url, lake(first), 1) == SnapshotLoad(keys=3, runs=3, changed=0)
    assert load(database_url, lake(first, dump({"x": "one", "y": "one", "z": None}, delivered=D1)), 2).changed == 0
    assert ask(database_url, rows) == before
    assert ask(database_url, "SELECT DISTINCT last_seen FROM warehouse.authors") == [(D1,)]
    # x has another value: a run ends, one begins, and the latest row is another.
    assert load(database_url, lake(first, dump({"x": "two", "y": "one", "z": None}, delivered=D1)), 3).changed == 3


def test_an_older_version_of_the_lake_changes_nothing(database_url: str) -> None:
    load(database_url, lake(dump({"x": "new"}, delivered=D1)), 5)
    before = everything(database_url)
    stale = load(database_url, lake(dump({"x": "old", "y": "old"})), 4)
    assert (stale.is_stale, stale.changed) == (True, 0)
    assert everything(database_url) == before


def test_a_delivery_whose_rows_are_gone_disappears_from_history(database_url: str) -> None:
    first, second = dump({"x": "one"}), dump({"x": "two", "y": "one"}, delivered=D1)
    load(database_url, lake(first), 1)
    before = everything(database_url)
    load(database_url, lake(first, second), 2)
    load(database_url, lake(first), 3)
    assert everything(database_url) == before


def test_an_empty_lake_empties_both_tables_and_stays_so(database_url: str) -> None:
    rows = lake(dump({"x": "one"}))
    load(database_url, rows, 1)
    assert load(database_url, lake(), 2) == SnapshotLoad(keys=0, runs=0, changed=2)
    assert everything(database_url) == [[], [], []]
    assert ask(database_url, "SELECT lake_version, newest_day FROM ledger.snapshots") == [(2, None)]
    assert load(database_url, rows, 1).is_stale
    assert everything(database_url) == [[], [], []]
    assert not load(database_url, rows, 3).is_stale


def test_loads_at_the_same_time_end_in_the_newest(database_url: str) -> None:
    for version in range(1, 8, 2):
        older, newer = lake(dump({"x": f"{version}"})), lake(dump({"x": f"{version + 1}"}))
        loads = together(
            partial(load, database_url, newer, version + 1),
            partial(load, database_url, older, version),
        )
        assert all(future.result().keys == 1 for future in loads)
        assert ask(database_url, "SELECT nationality FROM warehouse.authors") == [(str(version + 1),)]


def test_a_load_that_fails_changes_neither_table(database_url: str) -> None:
    load(database_url, lake(dump({"x": "one"})), 1)
    before = everything(database_url)
    ask(database_url, "ALTER TABLE ledger.snapshots ADD CONSTRAINT none CHECK (lake_version < 2)")
    with pytest.raises(AdbcError, match="violates check constraint"):
        load(database_url, lake(dump({"x": "two", "y": "one"}, delivered=D1)), 2)
    assert everything(database_url) == before


def test_the_latest_values_come_back_as_a_frame(database_url: str) -> None:
    load(database_url, lake(dump({"x": "one", "y": None}), dump({"x": "two"}, delivered=D1)))
    frame = scan_source(database_url, AUTHORS, "UTC").collect()
    assert frame.schema == AUTHORS.schema.create_empty().schema
    assert sorted(frame.select("name", "nationality").rows()) == [("x", "two"), ("y", None)]


def test_a_newest_dump_is_read_alone(database_url: str) -> None:
    load(database_url, lake(dump({"Ada": "finns", "Ben": None}, delivered=D0)))
    only_the_newest = lake(dump({"Ada": "danes", "Cid": None}, delivered=D1))
    dumped = Dumps({D0: 2, D1: 2}, frozenset())
    loaded = load(database_url, only_the_newest, 2, lambda since: {D1} if since == 1 else set(), dumped)
    assert (loaded.keys, loaded.runs) == (3, 4)
    rows = ask(database_url, "SELECT name, first_seen, last_seen, missing_since FROM warehouse.authors ORDER BY name")
    assert rows == [("Ada", D0, D1, None), ("Ben", D0, D0, D1), ("Cid", D1, D1, None)]
    assert load(database_url, only_the_newest, 3, lambda _: set(), dumped).changed == 0


def test_a_held_dump_changes_nothing_and_is_judged_again(database_url: str) -> None:
    whole, cut = dict.fromkeys("abcd", "one"), {"a": "two"}
    first, second, fourth = dump(whole), dump(cut, delivered=D1), dump(whole, delivered=D3)
    load(database_url, lake(first), 1, dumped=Dumps({D0: 4}, frozenset()))
    before = everything(database_url)
    unread = lake(dump({"none": "read"}, delivered=D2))
    held = load(database_url, unread, 2, lambda _: {D1}, Dumps({D0: 4, D1: 1}, frozenset()))
    assert held.quarantined == {D1: f"its 1 rows are less than 50% of the 4 of {D0}"}
    assert (held.changed, held.judged) == (0, {D1})
    assert everything(database_url) == before
    again = load(database_url, unread, 3, lambda _: {D1}, Dumps({D0: 4, D1: 0}, frozenset()))
    assert (again.changed, again.judged) == (0, set())
    added = load(database_url, fourth, 4, lambda _: {D3}, Dumps({D0: 4, D1: 1, D3: 4}, frozenset()))
    assert (added.keys, added.runs, added.judged) == (4, 4, set())
    between = dump(dict.fromkeys("ab", "one"), file="b.json")
    rows = lake(between, second, fourth)
    judged = load(database_url, rows, 5, lambda _: {D0}, Dumps({D0: 2, D1: 1, D3: 4}, frozenset()))
    assert (judged.quarantined, judged.judged) == ({}, {D1})
    assert ask(database_url, f"{HISTORY} WHERE name = 'a' ORDER BY valid_from")[1][:4] == ("a", D1, D3, "two")


def test_a_released_empty_dump_ends_the_presence_of_every_key(database_url: str) -> None:
    first = lake(dump({"x": "one", "y": None}))
    load(database_url, first, 1, dumped=Dumps({D0: 2}, frozenset()))
    held = load(database_url, first, 2, lambda _: {D1}, Dumps({D0: 2, D1: 0}, frozenset()))
    assert held.quarantined == {D1: f"the dump is empty, and that of {D0} has 2 rows"}
    seen = "SELECT DISTINCT last_seen, missing_since FROM warehouse.authors"
    assert ask(database_url, seen) == [(D0, None)]
    load(database_url, first, 3, lambda _: {D1}, Dumps({D0: 2, D1: 0}, frozenset({D1})))
    assert ask(database_url, seen) == [(D0, D1)]
    derived = load(database_url, first, 4, None, Dumps({D0: 2, D1: 0}, frozenset({D1})))
    assert (derived.changed, ask(database_url, seen)) == (0, [(D0, D1)])


def test_tables_from_before_dumps_were_recorded_are_derived_again(database_url: str) -> None:
    rows = lake(dump({"x": "one", "y": "one"}))
    load(database_url, rows, 1)
    ask(database_url, "TRUNCATE ledger.dumps")
    loaded = load(database_url, rows, 1, lambda _: set(), Dumps({D0: 2}, frozenset()))
    assert (loaded.changed, loaded.quarantined) == (0, {})
    assert ask(database_url, "SELECT day, rows FROM ledger.dumps") == [(D0, 2)]
