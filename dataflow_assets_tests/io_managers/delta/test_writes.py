"""Writers and readers of one Delta table at once, bad slices, and results that were made from older inputs."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from dataflow_assets.io_managers import delta_writer
from dataflow_assets.io_managers.delta_writer import SliceWriter
from dataflow_assets_tests.io_managers.delta.builders import Root, Runs, as_kind, failure, metadata_of
from dataflow_assets_tests.io_managers.delta.test_partitions import BY_DAY, DAILY, DAYS, by_day, files


def stored(root: Root) -> set[Path]:
    """All data files in a folder, whether a version has them or not."""
    return set(Path(root.root).rglob("*.parquet"))


def store_apart(root: Root, frame: pl.DataFrame, day: str) -> bool:
    """Store a day in a run on an instance of this thread; whether it succeeded."""
    with dg.DagsterInstance.ephemeral() as instance:
        return Runs(root.manager(), DAILY, BY_DAY, instance).store(frame, day).success


# at once


def test_writers_of_different_partitions_at_once_all_commit(root: Root) -> None:
    barrier = threading.Barrier(4)

    def write(day: str) -> bool:
        barrier.wait()
        return store_apart(root, by_day(day), day)

    days = [f"2021-12-{day:02}" for day in range(1, 5)]
    for _ in range(2):
        with ThreadPoolExecutor(4) as pool:
            assert all(pool.map(write, days))
    assert sorted(Runs(root.manager(), DAILY, BY_DAY).load()["day"].cast(pl.String)) == days
    assert len(files(root)) == 4


def test_writers_of_one_partition_at_once_leave_the_rows_of_one(root: Root) -> None:
    barrier = threading.Barrier(4)

    def write(value: int) -> bool:
        barrier.wait()
        return store_apart(root, by_day(DAYS[0], DAYS[0], value=value), DAYS[0])

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(write, range(4)))
    found = Runs(root.manager(), DAILY, BY_DAY).load()["value"]
    assert (len(found), found.n_unique()) == (2, 1)


def test_writers_that_each_bring_a_column_all_come_in(folder: Root) -> None:
    Runs(folder.manager(), DAILY, BY_DAY).store(by_day(DAYS[0]), DAYS[0])
    barrier = threading.Barrier(3)

    def write(number: int) -> bool:
        rows = by_day(f"2021-12-0{number}").with_columns(pl.lit(number).alias(f"new_{number}"))
        barrier.wait()
        return store_apart(folder, rows, f"2021-12-0{number}")

    with ThreadPoolExecutor(3) as pool:
        assert all(pool.map(write, (2, 3, 4)))
    found = Runs(folder.manager(), DAILY, BY_DAY).load().sort("day")
    assert found.select("new_2", "new_3", "new_4").rows() == [
        *((None, None, None), (2, None, None), (None, 3, None), (None, None, 4)),
    ]


def test_a_reader_sees_a_partition_before_or_after_never_between(folder: Root) -> None:
    runs = Runs(folder.manager(), DAILY, BY_DAY)
    size, rounds = 1_000, 8

    def frame(value: int) -> pl.LazyFrame:
        return pl.LazyFrame({"day": [date(2021, 12, 1)] * size, "value": [value] * size})

    runs.store(frame(0), DAYS[0])
    is_over = threading.Event()
    found: list[tuple[int, ...]] = []

    def read() -> None:
        with dg.DagsterInstance.ephemeral() as instance:
            reader = Runs(folder.manager(), DAILY, BY_DAY, instance)
            while not is_over.is_set():
                values = reader.load(pl.DataFrame, DAYS[0])["value"]
                found.append((len(values), *values.unique()))

    thread = threading.Thread(target=read)
    thread.start()
    for value in range(1, rounds):
        runs.store(frame(value), DAYS[0])
    is_over.set()
    thread.join()
    assert {each[0] for each in found} == {size}
    assert {len(each) for each in found} == {2}, "all rows of one writer"


def test_a_writer_that_comes_too_late_looks_again(folder: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its table was opened before another one wrote the same partition; both rows would stay."""
    runs = Runs(folder.manager(), DAILY, BY_DAY)
    runs.store(by_day(DAYS[0]), DAYS[0])
    overtaken = iter([True])
    commit = SliceWriter._commit

    def overtake(self: SliceWriter, *arguments: Any) -> Any:
        for _ in overtaken:
            Runs(folder.manager(), DAILY, BY_DAY).store(by_day(DAYS[0], value=2), DAYS[0])
        return commit(self, *arguments)

    monkeypatch.setattr(SliceWriter, "_commit", overtake)
    runs.store(by_day(DAYS[0], value=3), DAYS[0])
    assert runs.load()["value"].to_list() == [3]


# made from


def test_an_older_result_never_replaces_a_newer_one(root: Root) -> None:
    runs = Runs(root.manager(), DAILY, BY_DAY)
    runs.store(by_day(DAYS[0], value=2), DAYS[0], made_from={"lake": 2, "users": 1})
    runs.store(by_day(DAYS[1], value=1), DAYS[1], made_from={"lake": 1})
    before = files(root)
    result = runs.store(by_day(DAYS[0], DAYS[0], value=1), DAYS[0], made_from={"lake": 1, "users": 2})
    assert files(root) == before
    assert metadata_of(result)[DAYS[0]]["rows"] == 1, "what is there"
    runs.store(by_day(DAYS[0], value=3), DAYS[0], made_from={"lake": 2})
    assert sorted(runs.load()["value"]) == [1, 3]


def test_what_a_result_was_made_from_may_be_said_for_each_partition(folder: Root) -> None:
    runs = Runs(folder.manager(), DAILY, BY_DAY)
    runs.store(by_day(*DAYS[:2], value=5), *DAYS[:2], made_from={DAYS[0]: {"lake": 5}, DAYS[1]: {"lake": 3}})
    runs.store(by_day(*DAYS[:2], value=4), *DAYS[:2], made_from={"lake": 4})
    assert runs.load().sort("day")["value"].to_list() == [5, 4]


def test_a_table_without_partitions_is_guarded_too(folder: Root) -> None:
    runs = Runs(folder.manager())
    runs.store(pl.DataFrame({"value": [2]}), made_from={"lake": 2})
    runs.store(pl.DataFrame({"value": [1]}), made_from={"lake": 1})
    assert runs.load()["value"].to_list() == [2]


@pytest.mark.parametrize("made_from", [{"lake": "new"}, {DAYS[0]: {"lake": True}}])
def test_what_is_no_version_is_refused(folder: Root, made_from: dict[str, Any]) -> None:
    runs = Runs(folder.manager(), DAILY, BY_DAY)
    assert "say name -> version (int) for all partitions" in failure(
        runs.store(by_day(DAYS[0]), DAYS[0], made_from=made_from, is_error=True)
    )
    assert not stored(folder)


# what fails


def test_a_bad_partition_fails_alone(folder: Root) -> None:
    runs = Runs(folder.manager(), DAILY, BY_DAY)
    runs.store(by_day(*DAYS), DAYS[0], DAYS[2])
    rows = by_day(*DAYS).with_columns(value=pl.Series([7, 2**63, 9], dtype=pl.UInt64))
    for kind in (pl.DataFrame, pl.LazyFrame):
        result = runs.store(as_kind(rows, kind), DAYS[0], DAYS[2], is_error=True)
        assert "1 of 3 partitions of some/numbers failed, the others are stored" in failure(result)
        assert f"{DAYS[1]}: The column value is stored as Int64, which does not hold 9223372036854775808" in failure(
            result
        )
        events = runs.instance.fetch_materializations(dg.AssetKey(["some", "numbers"]), limit=2).records
        assert {event.partition_key for event in events} == {DAYS[0], DAYS[2]}
        assert runs.load().sort("day")["value"].to_list() == [7, 1, 9]


def test_a_stream_that_breaks_leaves_nothing(folder: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delta_writer, "_STAGE_ROWS", 1)

    def break_at_last(values: pl.Series) -> pl.Series:
        if 3 in values:
            raise ValueError("the source broke")
        return values

    runs = Runs(folder.manager(), DAILY, BY_DAY)
    runs.store(by_day(*DAYS), DAYS[0], DAYS[2])
    before = stored(folder)
    rows = by_day(*DAYS).with_columns(value=pl.Series([1, 2, 3])).lazy()
    broken = rows.with_columns(pl.col("value").map_batches(break_at_last, return_dtype=pl.Int64))
    assert "the source broke" in failure(runs.store(broken, DAYS[0], DAYS[2], is_error=True))
    assert stored(folder) == before
    assert runs.load()["value"].to_list() == [1, 1, 1]


def test_a_writer_that_dies_before_its_commit_leaves_no_files(folder: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    class Died(BaseException):
        """The process is told to die."""

    def die(*_: Any) -> None:
        raise Died

    runs = Runs(folder.manager())
    runs.store(pl.DataFrame({"value": [1]}))
    before = stored(folder)
    monkeypatch.setattr(delta_writer, "replace_files", die)
    with pytest.raises(Died):
        runs.store(pl.DataFrame({"value": [2]}))
    monkeypatch.undo()
    assert stored(folder) == before
    runs.store(pl.DataFrame({"value": [3]}))
    assert runs.load()["value"].to_list() == [3]


def test_a_table_of_longer_partitions_is_not_torn(folder: Root) -> None:
    at = {"partition_expr": "at"}
    day = pl.DataFrame({"value": [1]}).with_columns(at=pl.datetime(2021, 12, 1, 0, 30, time_zone="UTC"))
    Runs(folder.manager(), DAILY, at).store(day, DAYS[0])
    hourly = Runs(folder.manager(), dg.HourlyPartitionsDefinition("2021-12-01-00:00"), at)
    said = failure(hourly.store(day, "2021-12-01-00:00", is_error=True))
    assert "reaches beyond the partition 2021-12-01-00:00" in said
    assert hourly.load(pl.DataFrame, "2021-12-01-00:00").height == 1
    assert hourly.load(pl.DataFrame, "2021-12-01-01:00").is_empty()
    assert len(stored(folder)) == 1


def test_other_partition_columns_are_refused(folder: Root) -> None:
    Runs(folder.manager()).store(by_day(DAYS[0]))
    runs = Runs(folder.manager(), DAILY, BY_DAY)
    assert "is partitioned by [], and the asset wants ['day']" in failure(
        runs.store(by_day(DAYS[0]), DAYS[0], is_error=True)
    )


def test_a_stream_is_never_held_whole(folder: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delta_writer, "_STAGE_ROWS", 60_000)
    heights: list[int] = []
    split = delta_writer._split

    def watch(batch: pl.DataFrame) -> Any:
        heights.append(batch.height)
        return split(batch)

    monkeypatch.setattr(delta_writer, "_split", watch)
    runs = Runs(folder.manager(), DAILY, BY_DAY)
    rows = pl.LazyFrame({"value": range(500_000)}).with_columns(day=pl.date(2021, 12, pl.col("value") % 3 + 1))
    runs.store(rows, DAYS[0], DAYS[2])
    assert sum(heights) == 500_000
    assert max(heights) <= 160_000
    assert runs.load().height == 500_000
