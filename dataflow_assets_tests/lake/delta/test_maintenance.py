"""Merging and deleting files of the lake changes nothing that anyone reads, and nothing that the log says."""

import os
import time
from datetime import date, timedelta
from pathlib import Path

import obstore
import polars as pl
import pytest

from dataflow_assets.core.cleanup import Freed
from dataflow_assets.lake.delta import maintenance
from dataflow_assets.lake.delta.commit import (
    commit_deliveries,
    count_staged_rows,
    merge_files,
    stage_merged,
    stage_rows,
)
from dataflow_assets.lake.delta.commit_log import CommitInfo, find_last_commit, read_all_commits
from dataflow_assets.lake.delta.dumps import read_dumps
from dataflow_assets.lake.delta.maintenance import delete_unused_files, merge_small_files
from dataflow_assets.lake.delta.table import LakeConflictError, LakeTable, list_files, rejects_table, rows_table
from dataflow_assets.lake.ingest import ingest
from dataflow_assets.lake.staging import Staging
from dataflow_assets.landing.deliveries import Delivery
from dataflow_assets.landing.storage import Storage
from dataflow_assets.sources import find_source
from dataflow_assets_tests.landing.stores import FIRST_DAY, land

STREAMS, USERS = find_source("streams"), find_source("users")
NOW, DAY = timedelta(0), timedelta(days=1)


def _deliver(storage: Storage, name: str, hours: int, *, day: int = 1) -> Delivery:
    lines = [
        f"A,{name}@x,1,2021-12-{day:02}T{hour:02}:00:00Z,2021-12-{day:02}T{hour:02}:30:00Z" for hour in range(hours)
    ]
    content = "\n".join(["movie_title,user_email,size_mb,start_at,end_at", *lines, "broken"]) + "\n"
    delivery = land(storage, STREAMS, f"{name}.csv", content)
    assert ingest(storage, STREAMS, delivery.object, "UTC", first_day=FIRST_DAY)
    return delivery


@pytest.fixture
def table(storage: Storage) -> LakeTable:
    return rows_table(storage, STREAMS)


def _split(table: LakeTable, delivery: Delivery) -> None:
    """Write a file for each row of a delivery."""
    base = table.open()
    rows = table.scan().filter(pl.col("delivery") == delivery.id).collect()
    files = list_files(base, delivery.id)
    staged = [action for row in rows.iter_slices(1) for action in stage_rows(table, row)]
    merge_files(table, base, delivery.id, files, staged)


def _rows(table: LakeTable, version: int | None = None) -> list[tuple[object, ...]]:
    return table.scan(version).sort("object", "position").collect().rows()


def _last_version(table: LakeTable, delivery: Delivery) -> int:
    found = find_last_commit(table, table.open(), delivery)
    return found.version if found else 0


def _objects(table: LakeTable) -> int:
    pages = obstore.list(table.storage.store, f"lake/{table.name}/")
    return sum(meta["path"].endswith(".parquet") for page in pages for meta in page if "_delta_log" not in meta["path"])


def _age(path: Path) -> None:
    os.utime(path, (time.time() - 3 * 86_400,) * 2)


# merging


def test_small_files_of_a_delivery_become_one_with_the_same_rows(storage: Storage, table: LakeTable) -> None:
    first, second = _deliver(storage, "a", 5), _deliver(storage, "b", 3)
    _split(table, first)
    before, commits = _rows(table), list(read_all_commits(table))
    freed = merge_small_files(table)
    assert (freed.count, freed.size > 0) == (5, True)
    assert _rows(table) == before
    assert [list_files(table.open(), each.id)["num_records"].to_list() for each in (first, second)] == [[5], [3]]
    assert list(read_all_commits(table)) == commits
    assert [_last_version(table, each) for each in (first, second)] == [1, 2]
    version = table.open().version()
    assert merge_small_files(table).count == 0
    assert table.open().version() == version, "nothing to do is no commit"


def test_a_merged_file_has_no_more_rows_than_one_is_written_with(
    local_storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maintenance, "_MOST_ROWS", 3)
    table = rows_table(local_storage, STREAMS)
    delivery = _deliver(local_storage, "a", 7)
    _split(table, delivery)
    merge_small_files(table)
    assert sorted(list_files(table.open())["num_records"]) == [1, 3, 3]
    assert merge_small_files(table).count == 0


def test_a_dry_run_says_the_same_and_changes_nothing(local_storage: Storage) -> None:
    table = rows_table(local_storage, STREAMS)
    _split(table, _deliver(local_storage, "a", 5))
    version = table.open().version()
    found = merge_small_files(table, dry_run=True), delete_unused_files(table, NOW, dry_run=True)
    assert (table.open().version(), _objects(table)) == (version, 6)
    assert found == (merge_small_files(table), Freed("replaced or left files, lake/streams", 1, found[1].size))


def test_what_is_replaced_while_it_is_merged_stays_replaced(local_storage: Storage) -> None:
    """Whichever commits first, the other gives way: two files with the same rows would both be read."""
    table = rows_table(local_storage, STREAMS)
    _split(table, _deliver(local_storage, "a", 5))
    [(delivery, files)] = maintenance._small_files(base := table.open())
    merged = stage_merged(table, files)
    _deliver(local_storage, "a", 2)
    with pytest.raises(LakeConflictError):
        merge_files(table, base, delivery, files, [merged])
    assert len(_rows(table)) == 2
    assert not maintenance._merge(table, delivery, files), "these files are gone"


def test_what_is_merged_while_it_is_replaced_is_replaced(local_storage: Storage) -> None:
    table = rows_table(local_storage, STREAMS)
    first, other = _deliver(local_storage, "a", 5), _deliver(local_storage, "b", 3)
    _split(table, first)
    late = table.open()
    assert merge_small_files(table).count == 5
    staged = list(stage_rows(table, table.scan().head(2).collect()))
    with pytest.raises(LakeConflictError):
        commit_deliveries(table, late, [(staged, CommitInfo(delivery=first))])
    assert len(_rows(table)) == 8
    commit_deliveries(table, late, [([], CommitInfo(delivery=other))])
    assert len(_rows(table)) == 5, "another object does not mind"


def test_a_delivery_that_comes_during_a_merge_is_taken_in(
    local_storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The intake whose commit conflicts with the merge reads the object again."""
    table = rows_table(local_storage, STREAMS)
    _split(table, _deliver(local_storage, "a", 5))
    read, merges = Staging.read, []

    def reading(self: Staging, path: Path) -> None:
        merges.append(merge_small_files(table).count)
        read(self, path)

    monkeypatch.setattr(Staging, "read", reading)
    _deliver(local_storage, "a", 2)
    assert merges == [5, 0]
    assert len(_rows(table)) == 2


def test_files_without_rows_keep_their_meaning(local_storage: Storage) -> None:
    landed = land(local_storage, USERS, "a.csv", "email,first_name,last_name\n")
    ingest(local_storage, USERS, landed.object, "UTC", first_day=FIRST_DAY, release=landed.etag)
    table = rows_table(local_storage, USERS)
    dumps = read_dumps(table, table.open().version())
    assert dumps.released == {date(2021, 12, 1)}
    assert merge_small_files(table).count == 0
    delete_unused_files(table, NOW)
    assert read_dumps(table, table.open().version()) == dumps


# deleting


def test_replaced_files_go_after_their_time_and_a_reader_within_it_reads_on(storage: Storage, table: LakeTable) -> None:
    _deliver(storage, "a", 5)
    version, before = table.open().version(), _rows(table)
    reader = table.scan()
    _deliver(storage, "a", 2)
    rejects, commits = rejects_table(storage), list(read_all_commits(table))
    assert [delete_unused_files(each, DAY).count for each in (table, rejects)] == [0, 0]
    assert reader.sort("object", "position").collect().rows() == _rows(table, version) == before
    assert [delete_unused_files(each, NOW).count for each in (table, rejects)] == [1, 1]
    assert [delete_unused_files(each, NOW).count for each in (table, rejects)] == [0, 0]
    assert (len(_rows(table)), _objects(table), rejects.scan().collect().height) == (2, 1, 1)
    assert list(read_all_commits(table)) == commits
    assert table.open().version() == 2, "nobody needs a commit that says so"


def test_what_a_killed_writer_left_goes_after_its_time(local_storage: Storage) -> None:
    table = rows_table(local_storage, STREAMS)
    delivery = _deliver(local_storage, "a", 3)
    staged = list(stage_rows(table, table.scan().collect()))
    folder = Path(table.uri)
    left = [folder / action.path for action in staged]
    left += [folder / "x.parquet#1", folder / "_delta_log" / "_commit_0f.json.tmp"]
    for path in left[1:]:
        path.write_text("half")
    assert delete_unused_files(table, DAY).count == 0, "somebody may be writing still"
    for path in left:
        _age(path)
    freed = delete_unused_files(table, DAY)
    assert (freed.count, freed.size) == (3, 8 + sum(path.size for path in staged))
    assert not any(path.exists() for path in left)
    assert count_staged_rows(staged) == len(_rows(table)) == 3
    assert _last_version(table, delivery) == 1


def test_an_object_whose_files_were_merged_is_known_and_not_read_again(table: LakeTable) -> None:
    delivery = _deliver(table.storage, "a", 3)
    _split(table, delivery)
    merge_small_files(table)
    delete_unused_files(table, NOW)
    again = ingest(table.storage, STREAMS, delivery.object, "UTC", first_day=FIRST_DAY)
    assert again
    assert (again.is_known, again.accepted, again.rejected) == (True, 3, 1)
