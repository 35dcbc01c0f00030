"""Every kind of partition is stored and given slice by slice, in single runs and in ranges."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg
import polars as pl
import pytest

from dataflow_assets_tests.io_managers.builders import Project, reasons

DAILY = dg.DailyPartitionsDefinition("2024-01-01", end_date="2024-01-11")
REGIONS = dg.StaticPartitionsDefinition(["north", "east", "south"])
BY_DAY: dict[str, Any] = {"partition_expr": "day"}
START = datetime(2024, 1, 1, tzinfo=UTC)
DAYS = [date(2024, 1, 1) + timedelta(days=n) for n in range(10)]


def instants(step: timedelta, count: int) -> list[datetime]:
    return [START + n * step for n in range(count)]


# Of each kind: the definition, the column's values (each partition has the same number), first and last key of a range,
# a key within it, and how many partitions the range has.
KINDS: dict[str, tuple[dg.PartitionsDefinition[Any], pl.Series, tuple[str, str], str, int]] = {
    "hourly": (
        dg.HourlyPartitionsDefinition("2024-01-01-00:00", end_date="2024-01-01-10:00"),
        pl.Series("at", instants(timedelta(minutes=30), 20)),
        ("2024-01-01-02:00", "2024-01-01-05:00"),
        "2024-01-01-03:00",
        4,
    ),
    "daily": (DAILY, pl.Series("at", DAYS), ("2024-01-03", "2024-01-05"), "2024-01-04", 3),
    "daily in Berlin": (
        dg.DailyPartitionsDefinition("2024-03-30", end_date="2024-04-02", timezone="Europe/Berlin"),
        pl.Series("at", [datetime(2024, 3, 29, 23, 30, tzinfo=UTC) + n * timedelta(hours=1) for n in range(71)]),
        ("2024-03-30", "2024-03-31"),
        "2024-03-31",
        2,
    ),
    "weekly": (
        dg.WeeklyPartitionsDefinition("2024-01-07", end_date="2024-03-03"),
        pl.Series("at", [date(2024, 1, 7) + timedelta(days=n) for n in range(56)]),
        ("2024-01-14", "2024-01-28"),
        "2024-01-21",
        3,
    ),
    "monthly": (
        dg.MonthlyPartitionsDefinition("2024-01-01", end_date="2025-01-01"),
        pl.Series("at", [date(2024, month, day) for month in range(1, 13) for day in (1, 28)]),
        ("2024-02-01", "2024-04-01"),
        "2024-03-01",
        3,
    ),
    "static": (REGIONS, pl.Series("at", ["north", "east", "south"]), ("north", "east"), "east", 2),
    "static numbers": (
        dg.StaticPartitionsDefinition(["1", "2", "10"]),
        pl.Series("at", [1, 2, 10], dtype=pl.Int16),
        ("2", "10"),
        "10",
        2,
    ),
    "dynamic": (dg.DynamicPartitionsDefinition(name="shops"), pl.Series("at", ["a'b", "c"]), ("a'b", "c"), "c", 2),
}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest, postgres: Project) -> str:
    postgres.instance.add_dynamic_partitions("shops", ["a'b", "c"])
    return str(request.param)


@pytest.mark.parametrize("make", [pl.DataFrame, pl.LazyFrame], ids=["frame", "lazy"])
def test_a_range_and_then_one_partition_of_it(postgres: Project, kind: str, make: Any) -> None:
    partitions, values, ends, key, count = KINDS[kind]
    given: dict[str, Any] = {"partitions_def": partitions, "metadata": {"partition_expr": "at"}}
    in_range, in_key = _of_keys(postgres, partitions, values, *ends), _of_keys(postgres, partitions, values, key)
    result = postgres.store(make({"at": in_range, "run": ["first"] * len(in_range)}), *ends, **given)
    assert result.success, reasons(result)
    counts = {name: said["dagster/partition_row_count"] for name, said in postgres.metadata_of(result).items()}
    assert (len(counts), sum(counts.values())) == (count, len(in_range))
    again = postgres.store(make({"at": in_key, "run": ["again"] * len(in_key)}), key, **given)
    assert again.success, reasons(again)
    everything = postgres.load(pl.DataFrame)
    assert everything["at"].sort().to_list() == in_range.sort().to_list()
    assert everything.filter(run="again").height == len(in_key) == counts[key]
    one = postgres.load(pl.DataFrame, key, partitions_def=partitions)
    assert one["at"].sort().to_list() == in_key.sort().to_list()
    assert postgres.load(pl.LazyFrame, *ends, partitions_def=partitions).collect().height == len(in_range)


def _of_keys(
    postgres: Project, partitions: dg.PartitionsDefinition[Any], values: pl.Series, first: str, last: str | None = None
) -> pl.Series:
    """The values of the partitions from the first key to the last, by what the definition itself says."""
    keys = partitions.get_partition_keys(dynamic_partitions_store=postgres.instance)
    wanted = keys[keys.index(first) : keys.index(last or first) + 1]
    if not isinstance(partitions, dg.TimeWindowPartitionsDefinition):
        return values.filter(values.cast(pl.String).is_in(wanted))
    windows = [partitions.time_window_for_partition_key(key) for key in wanted]
    start, end = windows[0].start, windows[-1].end
    if values.dtype == pl.Date:
        return values.filter((values >= start.date()) & (values < end.date()))
    return values.filter((values >= start.astimezone(UTC)) & (values < end.astimezone(UTC)))


TWO = dg.MultiPartitionsDefinition({"zone": REGIONS, "day": DAILY})
OF_TWO: dict[str, Any] = {"partitions_def": TWO, "metadata": {"partition_expr": {"day": "day", "zone": "region"}}}


def test_two_dimensions_are_paired_by_key_whatever_their_order(postgres: Project) -> None:
    frame = pl.DataFrame({"day": DAYS[:4]}).join(pl.DataFrame({"region": ["north", "east", "south"]}), how="cross")
    frame = frame.with_columns(name=pl.format("{}|{}", pl.col("day").cast(pl.String), "region"))
    result = postgres.store(
        lambda context: frame.filter(pl.col("name").is_in([str(key) for key in context.partition_keys])),
        *("2024-01-01|north", "2024-01-04|south"),
        **OF_TWO,
    )
    assert result.success, reasons(result)
    said = postgres.metadata_of(result)
    assert {key: of["dagster/partition_row_count"] for key, of in said.items()} == dict.fromkeys(frame["name"], 1)
    assert postgres.store(pl.DataFrame({"name": ["new"] * 2}), "2024-01-02|east", **OF_TWO).success
    found = postgres.load(pl.DataFrame, "2024-01-02|east", partitions_def=TWO)
    assert found.select("name", "day", "region").rows() == [("new", date(2024, 1, 2), "east")] * 2
    rest = postgres.load(pl.DataFrame)
    assert set(rest["name"]) == {*frame["name"], "new"} - {"2024-01-02|east"}


def test_a_column_that_the_frame_lacks_is_added(postgres: Project) -> None:
    given: dict[str, Any] = {"partitions_def": DAILY, "metadata": BY_DAY}
    assert postgres.store(pl.DataFrame({"n": [1, 2]}), "2024-01-03", **given).success
    assert postgres.load(pl.DataFrame).rows() == [(1, date(2024, 1, 3)), (2, date(2024, 1, 3))]
    result = postgres.store(pl.DataFrame({"n": [1, 2]}), "2024-01-03", "2024-01-04", **given)
    assert "nobody knows which rows are of which" in reasons(result)


@pytest.mark.parametrize("keys", [("2024-01-03",), ("2024-01-03", "2024-01-04")], ids=["one", "range"])
@pytest.mark.parametrize("stray", [date(2024, 1, 7), None])
@pytest.mark.parametrize("make", [pl.DataFrame, pl.LazyFrame], ids=["frame", "lazy"])
def test_rows_of_no_partition_of_the_run_are_refused(
    postgres: Project, make: Any, stray: date | None, keys: tuple[str, ...]
) -> None:
    frame = make({"day": [date(2024, 1, 3), stray], "n": [1, 2]})
    result = postgres.store(frame, *keys, partitions_def=DAILY, metadata=BY_DAY)
    assert not result.success
    assert "1 rows belong to" in reasons(result)
    assert postgres.load(pl.DataFrame).height == 0


def test_a_range_that_a_calendar_excludes_is_refused(postgres: Project) -> None:
    workdays = dg.DailyPartitionsDefinition("2024-01-01", end_date="2024-01-12", exclusions=["0 0 * * 6", "0 0 * * 0"])
    given: dict[str, Any] = {"partitions_def": workdays, "metadata": BY_DAY}
    frame = pl.DataFrame({"day": [date(2024, 1, 8)]})
    for ends in (("2024-01-06", "2024-01-07"), ("2024-01-06", "2024-01-08")):
        assert "an end of it is no partition" in reasons(postgres.store(frame, *ends, **given))
    over = postgres.store(frame, "2024-01-05", "2024-01-08", **given)
    assert over.success, reasons(over)
    assert set(postgres.metadata_of(over)) == {"2024-01-05", "2024-01-08"}


def test_a_range_with_its_ends_swapped_is_refused(postgres: Project) -> None:
    result = postgres.store(
        pl.DataFrame({"day": []}, schema={"day": pl.Date}),
        *("2024-01-05", "2024-01-03"),
        partitions_def=DAILY,
        metadata=BY_DAY,
    )
    assert not result.success
    assert "the range is backwards" in reasons(result)


def test_an_input_whose_mapping_names_no_partition_has_no_rows(postgres: Project) -> None:
    frame = pl.DataFrame({"day": DAYS})
    assert postgres.store(frame, "2024-01-01", "2024-01-10", partitions_def=DAILY, metadata=BY_DAY).success
    before = dg.TimeWindowPartitionMapping(start_offset=-1, end_offset=-1)
    for key, height in (("2024-01-01", 0), ("2024-01-02", 1)):
        found = postgres.load(pl.DataFrame, key, partitions_def=DAILY, partition_mapping=before)
        assert (found.height, found.schema) == (height, frame.schema)


def test_a_mapping_of_several_partitions_gives_all_of_them(postgres: Project) -> None:
    frame = pl.DataFrame({"day": DAYS})
    assert postgres.store(frame, "2024-01-01", "2024-01-10", partitions_def=DAILY, metadata=BY_DAY).success
    apart = dg.SpecificPartitionsPartitionMapping(["2024-01-02", "2024-01-03", "2024-01-07"])
    found = postgres.load(pl.LazyFrame, "2024-01-01", partitions_def=DAILY, partition_mapping=apart)
    assert sorted(found.collect()["day"]) == [DAYS[1], DAYS[2], DAYS[6]]


def test_a_bad_partition_of_a_range_fails_alone(postgres: Project) -> None:
    fine = pl.Series([0, 1, 2000], dtype=pl.Int64).cast(pl.Datetime("ns"))
    frame = pl.DataFrame({"day": DAYS[:3], "at": fine})
    result = postgres.store(frame, "2024-01-01", "2024-01-03", partitions_def=DAILY, metadata=BY_DAY)
    assert not result.success
    assert "1 of 3 partitions of table failed, the others are stored. 2024-01-02: The column at" in reasons(result)
    assert set(postgres.metadata_of(result)) == {"2024-01-01", "2024-01-03"}
    assert sorted(postgres.load(pl.DataFrame)["day"]) == [DAYS[0], DAYS[2]]


def test_a_partition_without_rows_takes_away_those_that_were_there(postgres: Project) -> None:
    given: dict[str, Any] = {"partitions_def": DAILY, "metadata": BY_DAY}
    assert postgres.store(pl.DataFrame({"day": DAYS[:2]}), "2024-01-01", "2024-01-02", **given).success
    assert postgres.store(pl.DataFrame({"day": []}, schema={"day": pl.Date}), "2024-01-01", **given).success
    assert postgres.load(pl.DataFrame)["day"].to_list() == [DAYS[1]]


@pytest.mark.parametrize("metadata", [{}, {"partition_expr": ""}, {"partition_expr": "date(at)"}])
def test_the_column_of_the_partitions_must_be_named(postgres: Project, metadata: dict[str, Any]) -> None:
    result = postgres.store(pl.DataFrame({"n": [1]}), "2024-01-01", partitions_def=DAILY, metadata=metadata)
    assert "does not name the column of each" in reasons(result)


def test_hours_of_a_zone_need_instants(postgres: Project) -> None:
    hourly = dg.HourlyPartitionsDefinition("2024-10-27-00:00", end_date="2024-10-28-00:00", timezone="Europe/Berlin")
    frame = pl.DataFrame({"at": [START.replace(tzinfo=None)]})
    given: dict[str, Any] = {"partitions_def": hourly, "metadata": {"partition_expr": "at"}}
    assert "use a Datetime with a time zone" in reasons(postgres.store(frame, "2024-10-27-01:00", **given))
