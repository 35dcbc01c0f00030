"""Several new objects are one commit, and each of them is in the lake as if it had come alone."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import obstore
import polars as pl
import pytest

from dataflow_assets.lake import ingest_new as ingesting
from dataflow_assets.lake.delta.commit import commit_deliveries
from dataflow_assets.lake.delta.commit_log import find_last_commit, read_all_commits
from dataflow_assets.lake.delta.maintenance import merge_small_files
from dataflow_assets.lake.delta.table import LakeTable, read_rejects, rejects_table, rows_table
from dataflow_assets.lake.ingest import Intake, ingest, recorded_intakes
from dataflow_assets.lake.ingest_new import ingest_new
from dataflow_assets.lake.open_tables import OpenTables
from dataflow_assets.lake.read_object import read_object
from dataflow_assets.lake.staging import Staging
from dataflow_assets.landing.deliveries import Delivery
from dataflow_assets.landing.storage import Storage, open_folder
from dataflow_assets.sources import find_source
from dataflow_assets_tests.landing.stores import DAY, FIRST_DAY, land

STREAMS = find_source("streams")
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


def _ingest_new(storage: Storage, deliveries: list[Delivery]) -> list[Intake]:
    return ingest_new(OpenTables(storage, STREAMS), deliveries, "UTC", first_day=FIRST_DAY, run="of a test")


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
    intakes = _ingest_new(storage, _land(storage))
    assert _versions(storage) == (1, 1)
    expected = {one.object: _ingest(alone, one) for one in _land(alone)}
    for intake in intakes:
        other = expected.pop(intake.delivery.object)
        assert intake == replace(other, delivery=intake.delivery, version=1)
    assert not expected
    assert _content(storage) == _content(alone)


def test_each_is_known_afterwards(storage: Storage) -> None:
    deliveries = _land(storage)
    intakes = _ingest_new(storage, deliveries)
    assert [intake.delivery for intake in intakes] == deliveries
    table = rows_table(storage, STREAMS)
    for one in deliveries:
        found = find_last_commit(table, table.open(), one)
        assert found
        assert (found.version, found.info.delivery) == (1, one)
    assert [_ingest(storage, one) for one in deliveries] == [replace(one, is_known=True) for one in intakes]
    assert _versions(storage) == (1, 1)
    assert list(recorded_intakes(storage, STREAMS, "UTC")) == intakes


def test_a_later_version_of_one_takes_the_place_of_its_own_alone(local_storage: Storage) -> None:
    first, second, *_ = _land(local_storage)
    _ingest_new(local_storage, [first, second])
    before = rows_table(local_storage, STREAMS).scan().filter(pl.col("object") == second.object).collect()
    again = _ingest(local_storage, land(local_storage, STREAMS, "a.csv", _csv(["2021-12-05T10"]), first.day), 1)
    assert {day.day for day in again.event_days} == {1, 5}
    rows = rows_table(local_storage, STREAMS).scan().sort("object").collect()
    assert rows["event_date"].dt.day().to_list() == [5, 2]
    assert rows.filter(pl.col("object") == second.object).equals(before)
    assert _ingest(local_storage, second).is_known


def test_what_is_merged_is_known_still(local_storage: Storage) -> None:
    deliveries = _land(local_storage, {"a.csv": ["2021-12-01T10"], "b.csv": ["2021-12-02T10"]})
    _ingest_new(local_storage, deliveries)
    merge_small_files(rows_table(local_storage, STREAMS))
    assert [_ingest(local_storage, one).is_known for one in deliveries] == [True, True]


def test_what_the_lake_had_and_what_is_quarantined_is_left(local_storage: Storage) -> None:
    first, *others = _land(local_storage)
    _ingest(local_storage, first)
    quarantined = land(local_storage, STREAMS, "f.csv", _csv(["sorry"] * 200), DAY + timedelta(days=20))
    intakes = _ingest_new(local_storage, [first, quarantined, *others])
    assert [intake.delivery for intake in intakes] == others
    assert _ingest(local_storage, quarantined).quarantine_reason


def test_nothing_is_done_where_one_is_gone(local_storage: Storage) -> None:
    first, *others = _land(local_storage)
    (Path(local_storage.uri) / first.object).unlink()
    assert _ingest_new(local_storage, [*others, first]) == []
    assert (_versions(local_storage), _files(local_storage)) == ((0, 0), [])


def test_nothing_is_done_where_one_fails(local_storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    deliveries = _land(local_storage)
    read = Staging.read

    def reading(self: Staging, path: Path) -> None:
        read(self, path)
        if self.delivery == deliveries[-1]:
            raise OSError("It broke.")

    monkeypatch.setattr(Staging, "read", reading)
    assert _ingest_new(local_storage, deliveries) == []
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
    assert len(_ingest_new(local_storage, deliveries)) == len(seen) == 4


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
    assert len(_ingest_new(storage, _land(storage))) == 5
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
    assert _ingest_new(local_storage, deliveries) == []
    assert _landed(local_storage) == deliveries[:1]
    assert len(_files(local_storage)) == 1
    assert [intake.delivery for intake in _ingest_new(local_storage, deliveries)] == deliveries[1:]


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
            _ingest_new(local_storage, deliveries)
    is_in = table == "streams" and after
    assert [intake.delivery for intake in _ingest_new(local_storage, deliveries)] == ([] if is_in else deliveries)
    assert [_ingest(local_storage, one).is_known for one in deliveries] == [True] * len(deliveries)
    rows, rejects = _content(local_storage)
    assert (len(rows), [reject["code"] for reject in rejects]) == (4, ["start_at.time", "file.format"])
    were_replaced = 2 * ((table, after) in {("rejects", True), ("streams", False)})  # of rejects, which lie there yet
    assert len(_files(local_storage)) == 6 + were_replaced
