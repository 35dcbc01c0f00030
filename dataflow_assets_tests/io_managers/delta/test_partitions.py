"""Frames of every kind go into Delta tables and come back, whole or by partitions of every kind."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import dagster as dg
import polars as pl
import pyarrow as pa
import pytest
from deltalake import DeltaTable

from dataflow_assets_tests.io_managers.delta.builders import KINDS, Root, Runs, as_kind, failure, metadata_of

DAILY = dg.DailyPartitionsDefinition("2021-12-01", end_date="2022-01-01")
DAYS = ("2021-12-01", "2021-12-02", "2021-12-03")
BY_DAY = {"partition_expr": "day"}


def by_day(*days: str, value: int = 1) -> pl.DataFrame:
    """A row for each day."""
    return pl.DataFrame({"day": [date.fromisoformat(day) for day in days], "value": [value] * len(days)})


def files(root: Root) -> set[str]:
    options = {**root.options, "aws_allow_http": "true"}
    return set(DeltaTable(f"{root.root}/some/numbers", storage_options=options).file_uris())


# kinds of frame


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__module__.split(".")[0] + "." + kind.__name__)
def test_a_frame_of_each_kind_comes_back_as_each_kind(root: Root, kind: type) -> None:
    rows = pl.DataFrame(
        {
            "text": ["a", None, "ü"],
            "number": [1, None, 3],
            "amount": [Decimal("1.10"), Decimal("-9999999999999999999999999999.99"), None],
            "instant": [datetime(2021, 12, 1, 12, 0, 0, 123456, tzinfo=UTC), None, datetime(1, 1, 1, tzinfo=UTC)],
            "local": [
                datetime.fromisoformat("2021-12-01T12:00"),
                None,
                datetime.fromisoformat("9999-12-31T23:59:59.999999"),
            ],
            "day": [date(2021, 12, 1), None, date(1, 1, 1)],
            "flag": [True, None, False],
            "bytes": [b"\x00", None, b""],
            "many": [[{"a": 1}], None, []],
        },
        schema_overrides={"amount": pl.Decimal(38, 2)},
    )
    runs = Runs(root.manager())
    runs.store(as_kind(rows, kind))
    for other in KINDS:
        assert runs.load(other).equals(rows), f"{kind} stored, {other} loaded"


def test_storing_again_replaces_the_table(root: Root) -> None:
    runs = Runs(root.manager())
    runs.store(pl.DataFrame({"value": [1, 2]}))
    runs.store(pl.DataFrame({"value": [3]}))
    assert runs.load()["value"].to_list() == [3]
    assert len(files(root)) == 1


def test_an_empty_frame_is_an_empty_table_with_its_columns(root: Root) -> None:
    runs = Runs(root.manager())
    runs.store(pl.DataFrame(schema={"value": pl.Int32, "text": pl.String}))
    found = runs.load()
    assert (found.height, found.schema) == (0, pl.Schema({"value": pl.Int32, "text": pl.String}))


def test_what_is_no_frame_is_refused_with_the_kinds_that_are(folder: Root) -> None:
    assert "cannot store a value of type int" in failure(Runs(folder.manager()).store(3, is_error=True))


def test_a_table_that_was_never_stored_is_asked_for_in_vain(folder: Root) -> None:
    with pytest.raises(Exception, match="materialize the asset first"):
        Runs(folder.manager()).load()


def test_an_input_may_name_its_columns(folder: Root) -> None:
    runs = Runs(folder.manager())
    runs.store(pl.DataFrame({"a": [1], "b": [2], "c": [3]}))
    assert runs.load(columns=["c", "a"]).rows() == [(3, 1)]
    with pytest.raises(Exception, match=r"has no columns \['d'\]; it has a, b, c"):
        runs.load(columns=["d"])


# kinds of partition

UTC_HOUR = dg.HourlyPartitionsDefinition("2021-12-01-00:00", end_date="2021-12-02-00:00")
REGIONS = ("north", "São Paulo/x y", "__a=b%20", "1~")


def _instants(first: datetime, step: timedelta, count: int) -> list[datetime]:
    return [first + number * step for number in range(count)]


_START = datetime(2021, 12, 1, tzinfo=UTC)
PARTITIONED: dict[str, tuple[dg.PartitionsDefinition[Any], Any, pl.DataFrame, list[str]]] = {
    "hourly": (
        UTC_HOUR,
        "at",
        pl.DataFrame({"at": _instants(_START, timedelta(minutes=30), 6), "value": range(6)}),
        ["2021-12-01-00:00", "2021-12-01-01:00", "2021-12-01-02:00"],
    ),
    "daily by date": (DAILY, "day", by_day(*DAYS, *DAYS), list(DAYS)),
    "daily by instant": (
        dg.DailyPartitionsDefinition("2021-12-01", timezone="Asia/Tokyo", end_date="2022-01-01"),
        "at",
        pl.DataFrame({"at": _instants(_START - timedelta(hours=9), timedelta(hours=12), 6), "value": range(6)}),
        list(DAYS),
    ),
    "daily by local time": (
        DAILY,
        "at",
        pl.DataFrame({"at": _instants(_START.replace(tzinfo=None), timedelta(hours=12), 6), "value": range(6)}),
        list(DAYS),
    ),
    "daily by text": (DAILY, "day", by_day(*DAYS, *DAYS).with_columns(pl.col("day").cast(pl.String)), list(DAYS)),
    "weekly": (
        dg.WeeklyPartitionsDefinition("2021-11-28", end_date="2022-01-02"),
        "day",
        pl.DataFrame({"day": pl.date_range(date(2021, 11, 28), date(2021, 12, 18), eager=True), "value": range(21)}),
        ["2021-11-28", "2021-12-05", "2021-12-12"],
    ),
    "monthly": (
        dg.MonthlyPartitionsDefinition("2021-10-01", end_date="2022-02-01"),
        "at",
        pl.DataFrame({"at": _instants(datetime(2021, 10, 1, tzinfo=UTC), timedelta(days=10), 8), "value": range(8)}),
        ["2021-10-01", "2021-11-01", "2021-12-01"],
    ),
    "static": (
        dg.StaticPartitionsDefinition(list(REGIONS)),
        "region",
        pl.DataFrame({"region": REGIONS * 2, "value": range(8)}),
        list(REGIONS),
    ),
    "static numbers": (
        dg.StaticPartitionsDefinition(["-1", "0", "7"]),
        "value",
        pl.DataFrame({"value": [-1, 0, 7, 7]}),
        ["-1", "0", "7"],
    ),
}


def _of_key(name: str, key: str) -> pl.Expr:
    """The rows of a partition, said in another way than the manager does."""
    partitions, column, _, _ = PARTITIONED[name]
    if not isinstance(partitions, dg.TimeWindowPartitionsDefinition):
        return pl.col(column).cast(pl.String) == key
    window = partitions.time_window_for_partition_key(key)
    dtype = PARTITIONED[name][2].schema[column]
    if dtype == pl.String:
        return pl.col(column) == key
    is_local = dtype == pl.Date or dtype == pl.Datetime("us")
    start, end = (
        end.replace(tzinfo=None) if is_local else datetime.fromtimestamp(end.timestamp(), UTC) for end in window
    )
    return (pl.col(column) >= start) & (pl.col(column) < end)


# A folder keeps every kind, and a bucket those whose keys are spelled in different ways in its objects' names.
IN_A_BUCKET = ("hourly", "daily by date", "static")
PLACES = [*(("folder", name) for name in PARTITIONED), *(("s3", name) for name in IN_A_BUCKET)]


@pytest.mark.parametrize(("root", "name"), PLACES, indirect=["root"])
def test_each_partition_is_replaced_on_its_own_and_a_range_at_once(root: Root, name: str) -> None:
    partitions, column, rows, keys = PARTITIONED[name]
    runs = Runs(root.manager(), partitions, {"partition_expr": column})
    runs.store(rows, keys[0], keys[-1])
    assert runs.load().sort(rows.columns).equals(rows.sort(rows.columns)), "an asset without partitions gets all"
    of_key = rows.filter(_of_key(name, keys[1]))
    assert 0 < of_key.height < rows.height
    before = files(root)
    for kind in (pl.LazyFrame, pa.Table):
        assert runs.load(kind, keys[1]).sort(rows.columns).equals(of_key.sort(rows.columns))
    assert runs.load(pl.DataFrame, *keys[:2]).height == rows.filter(_of_key(name, keys[0])).height + of_key.height
    runs.store(of_key.head(1), keys[1])
    expected = pl.concat([rows.filter(~_of_key(name, keys[1])), of_key.head(1)])
    assert runs.load().sort(rows.columns).equals(expected.sort(rows.columns))
    kept = before & files(root)
    assert kept, "the files of other partitions stay"
    runs.store(rows.clear(), keys[1])
    assert files(root) == kept


def test_dynamic_partitions_come_as_they_are_made(folder: Root) -> None:
    runs = Runs(folder.manager(), dg.DynamicPartitionsDefinition(name="customers"), {"partition_expr": "customer"})
    for number, customer in enumerate(["a", "b/c"]):
        runs.instance.add_dynamic_partitions("customers", [customer])
        runs.store(pl.DataFrame({"customer": [customer], "value": [number]}), customer)
    assert runs.load(pl.DataFrame, "b/c")["value"].to_list() == [1]
    assert sorted(runs.load()["value"]) == [0, 1]


# two dimensions

BOTH = dg.MultiPartitionsDefinition({"region": dg.StaticPartitionsDefinition(["north", "south"]), "day": DAILY})
BY_BOTH = {"partition_expr": {"day": "day", "region": "region"}}


def _both(*pairs: tuple[str, str, int]) -> pl.DataFrame:
    frame = pl.DataFrame(pairs, schema={"day": pl.String, "region": pl.String, "value": pl.Int64}, orient="row")
    return frame.with_columns(pl.col("day").str.to_date())


def test_keys_of_two_dimensions_are_paired_by_dimension(root: Root) -> None:
    runs = Runs(root.manager(), BOTH, BY_BOTH)
    rows = _both(*((day, region, number) for number, day in enumerate(DAYS) for region in ("north", "south")))
    for day in DAYS:
        for region in ("north", "south"):
            key = dg.MultiPartitionKey({"day": day, "region": region})
            runs.store(rows.filter(pl.col("day") == date.fromisoformat(day), pl.col("region") == region), key)
    key = dg.MultiPartitionKey({"day": DAYS[1], "region": "south"})
    runs.store(_both((DAYS[1], "south", 9)), key)
    assert runs.load(pl.DataFrame, key).rows() == [(date(2021, 12, 2), "south", 9)]
    assert sorted(runs.load()["value"]) == [0, 0, 1, 2, 2, 9]


def test_a_range_over_two_dimensions_stores_each_pair(folder: Root) -> None:
    runs = Runs(folder.manager(), BOTH, BY_BOTH)
    rows = _both(*((day, "north", number) for number, day in enumerate(DAYS)))
    first, last = (dg.MultiPartitionKey({"day": day, "region": "north"}) for day in (DAYS[0], DAYS[2]))
    result = runs.store(rows, first, last)
    assert {key: found["rows"] for key, found in metadata_of(result).items()} == {f"{day}|north": 1 for day in DAYS}
    assert runs.load(pl.DataFrame, dg.MultiPartitionKey({"day": DAYS[2], "region": "north"}))["value"].to_list() == [2]
    assert runs.load(pl.DataFrame, dg.MultiPartitionKey({"day": DAYS[2], "region": "south"})).is_empty()


# a partition column that the frame lacks


@pytest.mark.parametrize(
    ("partitions", "key", "value"),
    [
        (DAILY, "2021-12-02", date(2021, 12, 2)),
        (UTC_HOUR, "2021-12-01-03:00", datetime(2021, 12, 1, 3, tzinfo=UTC)),
        (dg.StaticPartitionsDefinition(["a", "b"]), "b", "b"),
    ],
)
def test_the_partition_column_is_added_where_the_frame_lacks_it(
    folder: Root, partitions: dg.PartitionsDefinition[Any], key: str, value: object
) -> None:
    runs = Runs(folder.manager(), partitions, {"partition_expr": "slice"})
    for number in (1, 2):
        runs.store(pl.DataFrame({"value": [number]}), key)
    assert runs.load().rows() == [(2, value)]


def test_a_frame_without_the_partition_column_cannot_be_of_several_partitions(folder: Root) -> None:
    runs = Runs(folder.manager(), DAILY, BY_DAY)
    assert "The frame has no column day" in failure(
        runs.store(pl.DataFrame({"value": [1]}), DAYS[0], DAYS[1], is_error=True)
    )


# traps of ranges


def test_rows_of_another_partition_are_refused_and_nothing_is_written(root: Root) -> None:
    runs = Runs(root.manager(), DAILY, BY_DAY)
    runs.store(by_day(DAYS[0]), DAYS[0])
    before = files(root)
    for frame in (by_day(DAYS[0], "2021-12-09"), by_day(DAYS[0]).vstack(pl.DataFrame({"day": [None], "value": [1]}))):
        for kind in KINDS:
            assert "1 rows belong to none of the partitions of this run" in failure(
                runs.store(as_kind(frame, kind), DAYS[0], is_error=True)
            )
    assert files(root) == before


def test_a_range_with_its_ends_swapped_is_refused(folder: Root) -> None:
    runs = Runs(folder.manager(), DAILY, BY_DAY)
    result = runs.store(by_day(*DAYS), DAYS[2], DAYS[0], is_error=True)
    assert not result.success
    assert "backwards" in failure(result)


def test_a_range_over_excluded_days_stores_the_days_that_are_left(folder: Root) -> None:
    weekdays = dg.TimeWindowPartitionsDefinition(
        start=_START, fmt="%Y-%m-%d", cron_schedule="0 0 * * *", exclusions=["0 0 * * 6", "0 0 * * 0"]
    )
    runs = Runs(folder.manager(), weekdays, BY_DAY)
    days = ["2021-12-02", "2021-12-03", "2021-12-06", "2021-12-07"]
    result = runs.store(by_day(*days), days[0], days[-1])
    assert sorted(metadata_of(result)) == days  # type: ignore[type-var]
    assert sorted(runs.load(pl.DataFrame, days[1], days[2])["day"].cast(pl.String)) == days[1:3]
    assert "belong to none" in failure(runs.store(by_day(*days, "2021-12-04"), days[0], days[-1], is_error=True))


def test_an_offset_that_names_no_partition_gives_no_rows(folder: Root) -> None:
    runs = Runs(folder.manager(), DAILY, BY_DAY)
    before = dg.TimeWindowPartitionMapping(start_offset=-1, end_offset=-1, allow_nonexistent_upstream_partitions=True)
    assert runs.load(pl.DataFrame, DAYS[0], mapping=before).is_empty(), "there is not even a table"
    runs.store(by_day(*DAYS), DAYS[0], DAYS[2])
    assert runs.load(pl.DataFrame, DAYS[0], mapping=before).is_empty()
    assert runs.load(pl.DataFrame, DAYS[1], mapping=before)["day"].to_list() == [date(2021, 12, 1)]


def test_a_month_gets_its_days(folder: Root) -> None:
    runs = Runs(folder.manager(), DAILY, BY_DAY)
    runs.store(by_day(*DAYS), DAYS[0], DAYS[2])
    monthly = dg.MonthlyPartitionsDefinition("2021-11-01", end_date="2022-01-01")
    assert runs.load(pl.DataFrame, "2021-12-01", partitions=monthly).height == 3


# metadata


def test_each_partition_has_dagsters_metadata(folder: Root) -> None:
    runs = Runs(folder.manager(), DAILY, BY_DAY)
    found = metadata_of(runs.store(by_day(DAYS[0], DAYS[0], DAYS[1]), DAYS[0], DAYS[1]))
    assert {key: each["dagster/partition_row_count"] for key, each in found.items()} == {DAYS[0]: 2, DAYS[1]: 1}
    first = found[DAYS[0]]
    assert first["dagster/uri"] == f"{folder.root}/some/numbers"
    assert {column.name: column.type for column in first["dagster/column_schema"].columns} == {
        "day": "Date",
        "value": "Int64",
    }
    assert first["bytes"] > 0
    assert first["seconds"] >= 0
    whole = metadata_of(Runs(folder.manager()).store(pl.DataFrame({"x": [1]}), is_error=True))
    assert whole == {}, "the table has partitions already"
