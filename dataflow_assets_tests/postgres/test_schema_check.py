"""A declaration that changes, and tables that do not have its columns: nothing is misread, nothing half loaded."""

from dataclasses import replace
from typing import Any

import dataframely as dy
import polars as pl
import pytest
import sqlalchemy as sa

from dataflow_assets.errors import SchemaMismatchError, WarehouseMismatchError
from dataflow_assets.postgres.connection import connect
from dataflow_assets.postgres.schema import tables_of
from dataflow_assets.postgres.views import views_aside
from dataflow_assets.sources.base import Events, Snapshot
from dataflow_assets.sources.formats import Csv
from dataflow_assets.warehouse.events import DayLoad, load_day
from dataflow_assets.warehouse.scan import scan_source
from dataflow_assets.warehouse.snapshots import SnapshotLoad, load_snapshot
from dataflow_assets_tests.warehouse.builders import AUTHORS, DAY, STREAMS, ask, complete, dump, minutes, sessions

AGE = {"age": dy.Int64(nullable=True)}


def with_schema(source: Any, columns: dict[str, dy.Column]) -> Any:
    return replace(source, reader=Csv(), schema=type("Changed", (dy.Schema,), columns))


AGED: Events = with_schema(STREAMS, {**STREAMS.schema.columns(), **AGE})
REORDERED: Events = with_schema(STREAMS, dict(reversed(STREAMS.schema.columns().items())))
AGED_AUTHORS: Snapshot = with_schema(AUTHORS, {**AUTHORS.schema.columns(), **AGE})


def load(url: str, lake: pl.DataFrame, source: Events = STREAMS, version: int = 1) -> DayLoad:
    with connect(url) as connection:
        return load_day(connection, source, lake.lazy(), version, DAY, "UTC")


def load_dumps(url: str, lake: pl.DataFrame, source: Snapshot = AUTHORS, version: int = 1) -> SnapshotLoad:
    with connect(url) as connection:
        return load_snapshot(connection, source, lake.lazy(), version, complete(lake), lambda _: set())


def make_again(url: str, source: Events | Snapshot) -> None:
    """Make the tables of a source with their columns the other way round."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection, views_aside(connection):
        for table in tables_of(source):
            table.drop(connection)
            options: dict[str, Any] = (
                {"postgresql_partition_by": "LIST (event_day)"} if isinstance(source, Events) else {}
            )
            columns = [column.copy() for column in reversed(table.columns)]
            sa.Table(table.name, sa.MetaData(), *columns, schema=table.schema, **options).create(connection)


def test_columns_are_copied_by_name(database_url: str) -> None:
    lake = sessions(minutes(DAY, 3))
    assert load(database_url, lake, REORDERED).rows == 3
    before = scan_source(database_url, STREAMS, "UTC").sort("start_at").collect()
    assert before.equals(lake.select(STREAMS.schema.column_names()))
    make_again(database_url, STREAMS)
    for source in (STREAMS, REORDERED):
        ask(database_url, "TRUNCATE ledger.event_days")
        assert load(database_url, lake, source).rows == 3
        assert scan_source(database_url, STREAMS, "UTC").sort("start_at").collect().equals(before)


def test_columns_of_dumps_are_copied_and_merged_by_name(database_url: str) -> None:
    make_again(database_url, AUTHORS)
    dumped: list[dict[str, str | None]] = [{"x": "one", "y": None}, {"x": "two", "z": "one"}]
    for version, names in enumerate(dumped, start=1):
        with connect(database_url) as connection:
            load_snapshot(connection, AUTHORS, dump(names).lazy(), version, complete(dump(names)))
        found = ask(database_url, "SELECT name, nationality FROM warehouse.authors_history ORDER BY 1")
        assert dict(found) == names


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("DROP COLUMN size_mb", "warehouse.streams has no column size_mb"),
        ("ALTER size_mb TYPE text", "warehouse.streams has the column size_mb as text, declared double precision"),
        ("ADD extra int NOT NULL", "warehouse.streams requires a column extra, which is not declared"),
        ("RENAME TO other", "warehouse.streams does not exist"),
    ],
)
def test_a_table_without_the_declared_columns_is_left_as_it_is(database_url: str, statement: str, problem: str) -> None:
    ask(database_url, f"ALTER TABLE warehouse.streams {statement}")
    with pytest.raises(WarehouseMismatchError, match=f"{problem}. Nothing was loaded: run `dataflow init-db`"):
        load(database_url, sessions(minutes(DAY, 3)))
    assert ask(database_url, "SELECT relname FROM pg_class WHERE relnamespace = 'warehouse_days'::regnamespace") == []


def test_a_declaration_ahead_of_its_migration_loads_nothing(database_url: str) -> None:
    load_dumps(database_url, dump({"x": "one"}))
    with pytest.raises(
        WarehouseMismatchError, match=r"authors_current has no column age; warehouse\.authors_history has"
    ):
        load_dumps(database_url, dump({"x": "two"}).with_columns(age=pl.lit(7)), AGED_AUTHORS, 2)
    assert ask(database_url, "SELECT nationality FROM warehouse.authors") == [("one",)]
    ask(database_url, "ALTER TABLE warehouse.authors_history ALTER nationality SET NOT NULL")
    with pytest.raises(WarehouseMismatchError, match="requires a value of nationality, which is declared nullable"):
        load_dumps(database_url, dump({"x": "two"}), version=2)


def test_a_column_more_that_may_be_null_is_no_harm(database_url: str) -> None:
    ask(database_url, "ALTER TABLE warehouse.streams ADD note text")
    assert load(database_url, sessions(minutes(DAY, 3))).rows == 3


def test_days_are_made_again_under_another_declaration(database_url: str) -> None:
    lake = sessions(minutes(DAY, 3))
    load(database_url, lake)
    ask(database_url, "ALTER TABLE warehouse.streams ADD age bigint")
    assert scan_source(database_url, AGED, "UTC").collect()["age"].to_list() == [None] * 3
    load(database_url, lake.with_columns(age=pl.lit(7)), AGED)
    assert scan_source(database_url, AGED, "UTC").collect()["age"].to_list() == [7] * 3


def test_both_tables_of_a_snapshot_are_made_again_under_another_declaration(database_url: str) -> None:
    load_dumps(database_url, dump({"x": "one"}))
    for table in ("current", "history"):
        ask(database_url, f"ALTER TABLE warehouse.authors_{table} ADD age bigint")
    assert load_dumps(database_url, dump({"x": "one"}).with_columns(age=pl.lit(7)), AGED_AUTHORS, 2).changed == 2
    assert ask(database_url, "SELECT age FROM warehouse.authors_current") == [(7,)]
    assert load_dumps(database_url, dump({"y": "one"}).with_columns(age=pl.lit(7)), AGED_AUTHORS, 3).changed == 0


def test_rows_of_the_lake_without_a_required_value_change_nothing(database_url: str) -> None:
    load(database_url, sessions(minutes(DAY, 3)))
    without = pl.lit(None, pl.Float64).alias("size_mb")
    with pytest.raises(SchemaMismatchError, match=f'streams of {DAY}: rows in the lake lack .* column "size_mb"'):
        load(database_url, sessions(minutes(DAY, 4)).with_columns(without), version=2)
    assert ask(database_url, "SELECT count(*) FROM warehouse.streams") == [(3,)]
    ask(database_url, "ALTER TABLE warehouse.authors_current ALTER nationality SET NOT NULL")
    required = with_schema(AUTHORS, {**AUTHORS.schema.columns(), "nationality": dy.String()})
    with pytest.raises(SchemaMismatchError, match=r"authors: rows in the lake lack a value .*nationality"):
        load_dumps(database_url, dump({"x": None}), required)
    assert ask(database_url, "SELECT count(*) FROM warehouse.authors") == [(0,)]
