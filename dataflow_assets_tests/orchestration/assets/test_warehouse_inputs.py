"""Assets that read the warehouse: what a user's own are given, and what of the tables is read for them and for ours."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from typing import Any

import dagster as dg
import polars as pl
import pytest

from dataflow_assets.orchestration.partitions import daily_partitions
from dataflow_assets.sources import find_source
from dataflow_assets.warehouse.scan import Table
from dataflow_assets_tests.orchestration.builders import Platform, movies_csv, reasons, session, streams_csv
from dataflow_assets_tests.warehouse.builders import allow_only

DAYS = [f"2021-12-0{day}" for day in range(1, 6)]
FEW = {"columns": ["size_mb", "start_at"]}
SCHEMA = find_source("streams").schema.create_empty().schema
Rows = pl.DataFrame | pl.LazyFrame


def prepare(platform: Platform) -> None:
    sessions = [session(f"{day}T1{hour}:00") for number, day in enumerate(DAYS) for hour in range(number + 1)]
    platform.land("streams", "2021-12-31", streams_csv(*sessions))
    platform.land("movies", "2021-12-31", movies_csv("Rust", "Heat"))
    assert platform.run("lake/streams lake/movies warehouse/movies", "2021-12-31").success
    assert platform.run("warehouse/streams", DAYS[0], DAYS[-1]).success


@pytest.fixture
def loaded(copied: Platform) -> Platform:
    """A platform whose warehouse holds five days, each with as many sessions as its number, and two movies."""
    return copied


def as_frame(seen: list[Any]) -> Callable[..., None]:
    def report(rows: pl.DataFrame) -> None:
        seen.append(rows)

    return report


def as_lazy_frame(seen: list[Any]) -> Callable[..., None]:
    def report(rows: pl.LazyFrame) -> None:
        seen.append(rows)

    return report


def as_table(seen: list[Any]) -> Callable[..., None]:
    def report(rows: Table) -> None:
        seen.append(rows)

    return report


KINDS = pytest.mark.parametrize(("kind", "expected"), [(as_frame, pl.DataFrame), (as_lazy_frame, pl.LazyFrame)])


def given(
    platform: Platform, kind: Callable[[list[Any]], Callable[..., None]], table: str, *days: str, **given: Any
) -> Any:
    """What a user's asset, run once for the days from the first to the last, is given of a table."""
    seen: list[Any] = []
    asset = dg.asset(
        partitions_def=daily_partitions(platform.settings),
        backfill_policy=dg.BackfillPolicy.single_run(),
        ins={"rows": dg.AssetIn(table.split("/"), **given)},
    )(kind(seen))
    own = replace(platform, definitions=dg.Definitions.merge(platform.definitions, dg.Definitions([asset])))
    result = own.run("report", days[0], days[-1])
    assert result.success, reasons(result)
    [rows] = seen
    return rows


def of_days(rows: Rows) -> dict[str, int]:
    counted = rows.lazy().group_by(day=pl.col("start_at").dt.date().cast(pl.String)).len().sort("day").collect()
    return dict(counted.iter_rows())


@KINDS
def test_an_asset_is_given_the_days_of_its_run(
    loaded: Platform, kind: Callable[[list[Any]], Callable[..., None]], expected: type[Rows]
) -> None:
    one = given(loaded, kind, "warehouse/streams", DAYS[1])
    several = given(loaded, kind, "warehouse/streams", DAYS[1], DAYS[3])
    assert isinstance(one, expected)
    assert one.lazy().collect_schema() == several.lazy().collect().schema == SCHEMA
    assert of_days(one) == {DAYS[1]: 2}
    assert of_days(several) == {DAYS[1]: 2, DAYS[2]: 3, DAYS[3]: 4}
    empty = given(loaded, kind, "warehouse/streams", "2021-12-20").lazy().collect()
    assert (empty.height, empty.schema) == (0, SCHEMA)


@KINDS
def test_an_asset_is_given_the_days_that_its_mapping_names(
    loaded: Platform, kind: Callable[[list[Any]], Callable[..., None]], expected: type[Rows]
) -> None:
    window = dg.TimeWindowPartitionMapping(start_offset=-1)
    found = given(loaded, kind, "warehouse/streams", DAYS[2], partition_mapping=window)
    assert of_days(found) == {DAYS[1]: 2, DAYS[2]: 3}
    apart = dg.SpecificPartitionsPartitionMapping([DAYS[0], DAYS[3]])
    found = given(loaded, kind, "warehouse/streams", DAYS[2], partition_mapping=apart)
    assert isinstance(found, expected)
    assert of_days(found) == {DAYS[0]: 1, DAYS[3]: 4}


def test_an_asset_may_read_other_days_for_each_partition(loaded: Platform) -> None:
    table = given(loaded, as_table, "warehouse/streams", DAYS[0], DAYS[3])
    assert isinstance(table, Table)
    for number, day in enumerate(DAYS):
        assert of_days(table.scan([date.fromisoformat(day)])) == {day: number + 1}


def test_an_asset_is_given_a_snapshot_as_it_stands(loaded: Platform) -> None:
    for kind in (as_frame, as_lazy_frame):
        movies = given(loaded, kind, "warehouse/movies", DAYS[0], metadata={"columns": ["title"]}).lazy().collect()
        assert sorted(movies.rows()) == [("Heat",), ("Rust",)]


def test_an_asset_is_given_the_days_of_an_answer(loaded: Platform) -> None:
    assert loaded.run("analytics/average_session", DAYS[0], DAYS[-1]).success
    for kind in (as_frame, as_lazy_frame):
        found = given(loaded, kind, "analytics/average_session", DAYS[1], DAYS[2]).lazy().collect()
        assert found.select(pl.col("day").cast(pl.String), "sessions").rows() == [(DAYS[1], 2), (DAYS[2], 3)]


@KINDS
def test_only_the_columns_that_an_input_names_are_read(
    loaded: Platform, kind: Callable[[list[Any]], Callable[..., None]], expected: type[Rows]
) -> None:
    allow_only(_url(loaded), {"streams": ["event_day", *FEW["columns"]]})
    found = given(loaded, kind, "warehouse/streams", DAYS[1], metadata=FEW)
    assert isinstance(found, expected)
    assert dict(found.lazy().collect().schema) == {name: SCHEMA[name] for name in FEW["columns"]}


def test_only_the_columns_that_a_query_uses_are_read(loaded: Platform) -> None:
    allow_only(_url(loaded), {"streams": ["event_day", "size_mb", "start_at"]})
    streams = given(loaded, as_lazy_frame, "warehouse/streams", DAYS[0], DAYS[-1]).lazy()
    assert streams.filter(pl.col("start_at").dt.hour() == 10).select(pl.sum("size_mb")).collect().item() == 5000


def test_a_column_that_the_table_lacks_is_named(loaded: Platform) -> None:
    wrong = {"columns": ["size", "start_at"]}
    with pytest.raises(AssertionError, match="has no columns") as caught:
        given(loaded, as_frame, "warehouse/streams", DAYS[0], metadata=wrong)
    told = "warehouse/streams has no columns ['size']; it has movie_title, user_email, size_mb, start_at, end_at."
    assert told in str(caught.value)


# Of each answer the columns that it uses; of events also the day, by which they are found.
USED: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "average_session": {"streams": ("start_at", "end_at")},
    "book_based_share": {"streams": ("start_at", "movie_title"), "reviews": ("movie_title", "book_title")},
    "engaged_users": {
        "streams": ("start_at", "end_at", "movie_title", "user_email"),
        "movies": ("title", "duration_mins"),
    },
    "median_session_size": {"streams": ("start_at", "size_mb")},
    "movies_by_author_nationality": {
        "streams": ("start_at", "movie_title"),
        "reviews": ("movie_title", "book_title"),
        "books": ("title", "author"),
        "authors": ("name", "nationality"),
    },
    "sessions_in_progress": {"streams": ("start_at", "end_at", "movie_title", "user_email")},
}


def test_an_answer_asks_only_for_the_columns_that_it_uses(loaded: Platform) -> None:
    for name, tables in USED.items():
        allow_only(_url(loaded), {**tables, "streams": ("event_day", *tables["streams"])})
        result = loaded.run(f"analytics/{name}", DAYS[0], DAYS[0] if "nationality" in name else DAYS[-1])
        assert result.success, reasons(result)
    assert loaded.query("SELECT sum(sessions)::int FROM analytics.average_session") == [(15,)]


def _url(platform: Platform) -> str:
    assert platform.settings.database_url
    return platform.settings.database_url.get_secret_value()
