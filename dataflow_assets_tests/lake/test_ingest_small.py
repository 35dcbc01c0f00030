"""Several small objects are one commit, and each of them is in the lake as if it had come alone."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import obstore
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow_assets.lake import ingest as ingesting
from dataflow_assets.lake.delta.commit import commit_deliveries
from dataflow_assets.lake.delta.commit_log import find_last_commit, read_all_commits
from dataflow_assets.lake.delta.maintenance import merge_small_files
from dataflow_assets.lake.delta.table import LakeTable, read_rejects, rejects_table, rows_table
from dataflow_assets.lake.ingest import Intake, ingest, ingest_small, recorded_intakes
from dataflow_assets.lake.open_tables import OpenTables
from dataflow_assets.lake.read_object import read_object
from dataflow_assets.lake.staging import Staging
from dataflow_assets.landing.deliveries import Delivery
from dataflow_assets.landing.storage import Storage, open_folder
from dataflow_assets.sources import find_source
from dataflow_assets.sources.base import Events
from dataflow_assets_tests.examples import examples
from dataflow_assets_tests.landing.stores import DAY, FIRST_DAY, land

STREAMS = find_source("streams")
assert isinstance(STREAMS, Events)
_FILES = {  # a good one, one with a reject, a refused one, one without rows, and one of two days
    "a.csv": ["2021-12-01T10"],
    "b.csv": ["2021-12-02T10", "sorry"],
    "c.csv": None,
    "d.csv": [],
    "e.csv": ["2021-12-03T23", "2021-12-04T01"],
}


def _csv(starts: list[str] | None) -> str:
    if starts is None:
        return "sorry"
    rows = "".join(f"Heat,a@x,1,{start}:00:00Z,{start}:59:00Z\n" for start in starts)
    return "movie_title,user_email,size_mb,start_at,end_at\n" + rows


def _land(storage: Storage, files: dict[str, list[str] | None] = _FILES) -> list[Delivery]:
    """One object a day."""
    return [
        land(storage, STREAMS, name, _csv(starts), DAY + timedelta(days=5 + number))
        for number, (name, starts) in enumerate(files.items())
    ]


def _ingest_small(storage: Storage, deliveries: list[Delivery], recorded_version: int = 0) -> list[Intake]:
    wanted = dict.fromkeys(deliveries, recorded_version)
    return ingest_small(OpenTables(storage, STREAMS), wanted, "UTC", first_day=FIRST_DAY, run="of a test")


def _ingest(storage: Storage, delivery: Delivery, recorded_version: int = 0) -> Intake:
    found = ingest(storage, STREAMS, delivery.object, "UTC", recorded_version, first_day=FIRST_DAY, run="of a test")
    assert found
    return found


def _content(storage: Storage) -> tuple[Any, ...]:
    """What the lake has of each object, as far as it is equal in two storages."""
    rows = rows_table(storage, STREAMS).scan().sort("object", "position").collect().rows()
    return rows, read_rejects(storage, None)


def _landed(storage: Storage) -> list[Delivery]:
    return [commit.info.delivery for commit in read_all_commits(rows_table(storage, STREAMS))]


def _files(storage: Storage) -> list[str]:
    """The data files of the lake, committed or not."""
    found = (meta["path"] for page in obstore.list(storage.store, "lake/") for meta in page)
    return sorted(path for path in found if path.endswith(".parquet") and "_delta_log" not in path)


def _versions(storage: Storage) -> tuple[int, int]:
    return rows_table(storage, STREAMS).open().version(), rejects_table(storage).open().version()


def test_all_are_one_commit_and_each_is_as_if_it_had_come_alone(storage: Storage, tmp_path: Path) -> None:
    alone = open_folder(tmp_path / "alone")
    intakes = _ingest_small(storage, _land(storage))
    assert _versions(storage) == (1, 1)
    expected = {one.object: _ingest(alone, one) for one in _land(alone)}
    for intake in intakes:
        other = expected.pop(intake.delivery.object)
        assert intake == replace(other, delivery=intake.delivery, version=1)
    assert not expected
    assert _content(storage) == _content(alone)


def test_each_is_known_afterwards(storage: Storage) -> None:
    deliveries = _land(storage)
    intakes = _ingest_small(storage, deliveries)
    assert [intake.delivery for intake in intakes] == deliveries
    table = rows_table(storage, STREAMS)
    for one in deliveries:
        found = find_last_commit(table, table.open(), one)
        assert found
        assert (found.version, found.info.delivery) == (1, one)
    assert [_ingest(storage, one) for one in deliveries] == [replace(one, is_known=True) for one in intakes]
    assert _versions(storage) == (1, 1)
    assert list(recorded_intakes(storage, STREAMS, "UTC")) == intakes


def test_later_versions_take_the_place_of_their_own_objects_alone(local_storage: Storage) -> None:
    first, second, *_ = _land(local_storage)
    _ingest_small(local_storage, [first, second])
    before = rows_table(local_storage, STREAMS).scan().filter(pl.col("object") == second.object).collect()
    later = land(local_storage, STREAMS, "a.csv", _csv(["2021-12-05T10"]), first.day)
    other = land(local_storage, STREAMS, "f.csv", _csv(["2021-12-06T10"]), first.day)
    again, new, known = _ingest_small(local_storage, [later, other, second], 1)
    assert ({day.day for day in again.event_days}, {day.day for day in again.own_days}) == ({1, 5}, {5})
    assert ([again.is_known, new.is_known, known.is_known], known.version) == ([False, False, True], 1)
    assert _versions(local_storage) == (2, 2)
    rows = rows_table(local_storage, STREAMS).scan().sort("object").collect()
    assert rows["event_date"].dt.day().to_list() == [5, 6, 2]
    assert rows.filter(pl.col("object") == second.object).equals(before)
    assert _ingest(local_storage, second).is_known


def test_what_is_quarantined_leaves_what_its_object_gave_before_and_keeps_no_other_back(local_storage: Storage) -> None:
    first, second, *_ = _land(local_storage)
    _ingest_small(local_storage, [first, second])
    bad = land(local_storage, STREAMS, "a.csv", _csv(["sorry"] * 200), first.day)
    good = land(local_storage, STREAMS, "b.csv", _csv(["2021-12-05T10"]), second.day)
    quarantined, loaded = _ingest_small(local_storage, [bad, good], 1)
    assert (quarantined.quarantine_reason is None, loaded.quarantine_reason) == (False, None)
    assert (quarantined.accepted, quarantined.event_days, loaded.accepted) == (1, frozenset(), 1)
    rows = rows_table(local_storage, STREAMS).scan().sort("object").collect()
    assert rows["event_date"].dt.day().to_list() == [1, 5]
    assert read_rejects(local_storage, None) == []
    assert _ingest(local_storage, bad, 2).is_known


def test_a_commit_that_nobody_recorded_is_told_of_by_the_next(local_storage: Storage) -> None:
    first, second, *_ = _land(local_storage)
    done = _ingest_small(local_storage, [first, second])  # and the process dies before they are recorded
    later = land(local_storage, STREAMS, "a.csv", _csv(["2021-12-05T10"]), first.day)
    again, known = _ingest_small(local_storage, [later, second])
    assert (again.unrecorded, {day.day for day in again.event_days}) == ((done[0],), {1, 5})
    assert known == replace(done[1], is_known=True)


def test_what_a_restore_removed_is_taken_in_again(local_storage: Storage) -> None:
    first, second, *_ = _land(local_storage)
    _ingest(local_storage, first)
    done = _ingest(local_storage, second)
    rows_table(local_storage, STREAMS).open().restore(1)
    known, again = _ingest_small(local_storage, [first, second], done.version)
    assert (known.is_known, again.is_known, again.accepted) == (True, False, 1)
    assert _content(local_storage)[0][1][0] == "Heat"


ONCE = replace(STREAMS, key=("user_email", "movie_title"), happens_once=True)


def test_a_key_that_happens_once_makes_the_days_of_all_its_rows_again(local_storage: Storage) -> None:
    deliveries = _land(local_storage, {"a.csv": ["2021-12-01T10"], "b.csv": ["2021-12-02T10"]})
    tables = OpenTables(local_storage, ONCE)
    intakes = ingest_small(tables, dict.fromkeys(deliveries, 0), "UTC", first_day=FIRST_DAY)
    assert [{day.day for day in one.event_days} for one in intakes] == [{1, 2}, {1, 2}]


_VERSIONS: tuple[list[str] | None, ...] = (
    ["2021-12-01T10"],
    ["2021-12-02T10", "sorry"],
    None,
    [],
    ["sorry"] * 200,
    ["2021-12-03T23", "2021-12-04T01"],
)


@given(
    st.lists(st.dictionaries(st.sampled_from("abc"), st.sampled_from(_VERSIONS), min_size=2), min_size=1, max_size=4)
)
@examples(0.3)
def test_any_versions_taken_in_together_are_those_taken_in_one_by_one(waves: list[dict[str, list[str] | None]]) -> None:
    with TemporaryDirectory() as folder:
        together, alone = (open_folder(Path(folder) / name) for name in ("together", "alone"))
        version = version_alone = 0
        for wave in waves:
            both = [[land(each, STREAMS, name, _csv(wave[name])) for name in wave] for each in (together, alone)]
            found = _ingest_small(together, both[0], version)
            expected = [_ingest(alone, one, version_alone) for one in both[1]]
            assert [_facts(one) for one in found] == [_facts(one) for one in expected]
            version, version_alone = _versions(together)[0], _versions(alone)[0]
            assert _content(together) == _content(alone)


def _facts(intake: Intake) -> tuple[Any, ...]:
    """What is said of an intake, but for times and versions, which two storages have of their own."""
    counts = (intake.delivered, intake.accepted, intake.rejected)
    days = (intake.own_days, intake.event_days)
    return (intake.delivery.object, counts, days, intake.refusal, intake.quarantine_reason, intake.is_known)


def test_what_is_merged_is_known_still(local_storage: Storage) -> None:
    deliveries = _land(local_storage, {"a.csv": ["2021-12-01T10"], "b.csv": ["2021-12-02T10"]})
    _ingest_small(local_storage, deliveries)
    merge_small_files(rows_table(local_storage, STREAMS))
    assert [_ingest(local_storage, one).is_known for one in deliveries] == [True, True]


def test_nothing_is_done_where_one_is_gone(local_storage: Storage) -> None:
    first, *others = _land(local_storage)
    (Path(local_storage.uri) / first.object).unlink()
    assert _ingest_small(local_storage, [*others, first]) == []
    assert (_versions(local_storage), _files(local_storage)) == ((0, 0), [])


def test_nothing_is_done_where_one_fails(local_storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    deliveries = _land(local_storage)
    read = Staging.read

    def reading(self: Staging, path: Path) -> None:
        read(self, path)
        if self.delivery == deliveries[-1]:
            raise OSError("It broke.")

    monkeypatch.setattr(Staging, "read", reading)
    assert _ingest_small(local_storage, deliveries) == []
    assert (_versions(local_storage), _files(local_storage)) == ((0, 0), [])
    with pytest.raises(OSError, match="It broke"):
        _ingest(local_storage, deliveries[-1])


@pytest.mark.parametrize(("ending", "most"), [("csv", 2), ("csv.gz", 1)])
def test_small_text_is_read_side_by_side_and_what_is_packed_is_not(
    local_storage: Storage, monkeypatch: pytest.MonkeyPatch, ending: str, most: int
) -> None:
    reading, seen, both = threading.Semaphore(most), list[int](), threading.Barrier(most)

    @contextmanager
    def read(*args: Any, **options: Any) -> Iterator[Any]:
        assert reading.acquire(blocking=False), "more are read at once"
        both.wait(300)  # until so many are
        seen.append(1)
        reading.release()
        with read_object(*args, **options) as found:
            yield found

    monkeypatch.setattr(ingesting, "read_object", read)
    content = _csv(["2021-12-01T10"]).encode()
    content = gzip.compress(content) if ending.endswith("gz") else content
    days = [DAY + timedelta(days=5 + number) for number in range(4)]
    deliveries = [land(local_storage, STREAMS, f"{number}.{ending}", content, day) for number, day in enumerate(days)]
    assert len(_ingest_small(local_storage, deliveries)) == len(seen) == 4


def test_what_waits_for_its_commit_keeps_no_rejected_text(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[list[Any]] = []
    commit = commit_deliveries

    def committing(table: LakeTable, *arguments: Any) -> int:
        kept.extend(one.first_rejects for one in stagings)
        return commit(table, *arguments)

    stagings: list[Staging] = []
    read = Staging.read

    def reading(self: Staging, path: Path) -> None:
        read(self, path)
        stagings.append(self)

    monkeypatch.setattr(Staging, "read", reading)
    monkeypatch.setattr(ingesting, "commit_deliveries", committing)
    assert len(_ingest_small(storage, _land(storage))) == 5
    assert kept == [[]] * 10


def test_where_another_run_has_one_first_nothing_is_done(
    local_storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliveries = _land(local_storage)
    read = Staging.read

    def reading(self: Staging, path: Path) -> None:
        read(self, path)
        if self.delivery == deliveries[-1]:
            monkeypatch.setattr(Staging, "read", read)
            _ingest(local_storage, deliveries[0])

    monkeypatch.setattr(Staging, "read", reading)
    assert _ingest_small(local_storage, deliveries) == []
    assert _landed(local_storage) == deliveries[:1]
    assert len(_files(local_storage)) == 1
    assert [intake.is_known for intake in _ingest_small(local_storage, deliveries)] == [True, *[False] * 4]


@pytest.mark.parametrize("table", ["rejects", "streams"])
@pytest.mark.parametrize("after", [False, True])
def test_after_a_crash_doing_it_again_gives_the_same_tables(
    local_storage: Storage, monkeypatch: pytest.MonkeyPatch, table: str, after: bool
) -> None:
    deliveries = _land(local_storage)
    commit = commit_deliveries

    def die(committed: LakeTable, *arguments: Any) -> int:
        if committed.name != table or after:
            commit(committed, *arguments)
        if committed.name == table:
            raise KeyboardInterrupt
        return 0

    with monkeypatch.context() as patch:
        patch.setattr(ingesting, "commit_deliveries", die)
        with pytest.raises(KeyboardInterrupt):
            _ingest_small(local_storage, deliveries)
    is_in = table == "streams" and after
    assert [intake.is_known for intake in _ingest_small(local_storage, deliveries)] == [is_in] * len(deliveries)
    assert [_ingest(local_storage, one).is_known for one in deliveries] == [True] * len(deliveries)
    rows, rejects = _content(local_storage)
    assert (len(rows), [reject["code"] for reject in rejects]) == (4, ["start_at.time", "file.format"])
    were_replaced = 2 * ((table, after) in {("rejects", True), ("streams", False)})  # of rejects, which lie there yet
    assert len(_files(local_storage)) == 6 + were_replaced
