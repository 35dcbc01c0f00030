"""Tables of assets in PostgreSQL: their names, keys, columns and versions, and what a reader sees meanwhile."""

import threading
from datetime import date, timedelta
from typing import Any

import dagster as dg
import dataframely as dy
import polars as pl
import psycopg2
import pytest

from dataflow_assets.io_managers import PostgresIOManager
from dataflow_assets_tests.io_managers.builders import Project, reasons
from dataflow_assets_tests.warehouse.builders import ask, wait_until_blocked

DAILY = dg.DailyPartitionsDefinition("2024-01-01", end_date="2024-01-11")
DAYS = [date(2024, 1, 1) + timedelta(days=n) for n in range(10)]
BY_DAY: dict[str, Any] = {"partition_expr": "day"}


class Tagged(dy.Schema):
    n = dy.Int32()
    tags = dy.List(dy.String(), nullable=True)
    price = dy.Decimal(10, 2, nullable=True)
    kind = dy.Enum(["a", "b"], nullable=True)


TAGGED = {"dataframely_schema": f"{__name__}:Tagged"}


def _never_run() -> None:
    raise AssertionError


def days(*count: int) -> pl.DataFrame:
    """So many rows for each day, in turn."""
    return pl.DataFrame({"day": [day for day, rows in zip(DAYS, count, strict=False) for _ in range(rows)]})


@pytest.mark.parametrize(
    ("name", "metadata", "table"),
    [
        ("table", {}, "public.table"),
        ("sales/orders", {}, "sales.orders"),
        ("a/sales/orders", {}, "sales.orders"),
        ("sales/orders", {"schema": "Other", "table": 'odd "one"'}, 'Other.odd "one"'),
    ],
)
def test_the_table_is_named_by_the_key_or_the_metadata(
    postgres: Project, name: str, metadata: dict[str, Any], table: str
) -> None:
    result = postgres.store(pl.DataFrame({"n": [1]}), name=name, metadata=metadata)
    assert result.success, reasons(result)
    said = postgres.metadata_of(result, name)[None]
    assert said["dagster/table_name"] == table
    assert said["dagster/row_count"] == said["rows"] == 1
    assert said["bytes"] > 0
    assert said["seconds"] >= 0
    assert [(column.name, column.type) for column in said["dagster/column_schema"].columns] == [("n", "bigint")]
    assert postgres.load(pl.DataFrame, of=name).rows() == [(1,)]


def test_a_schema_of_the_configuration_is_that_of_short_keys(postgres: Project) -> None:
    postgres.io_manager = PostgresIOManager(url=postgres.url, schema_="mine")
    assert postgres.store(pl.DataFrame({"n": [1]})).success
    assert ask(postgres.url, "SELECT n FROM mine.table") == [(1,)]


@pytest.mark.parametrize("value", [{"n": 1}, None, "text"], ids=str)
def test_a_value_that_is_no_frame_is_refused(postgres: Project, value: object) -> None:
    assert "return one of polars.DataFrame" in reasons(postgres.store(value))


def test_an_input_before_its_table_is_told_to_materialize_it(postgres: Project) -> None:
    postgres.replace(dg.asset(name="table")(_never_run))
    with pytest.raises(AssertionError, match=r"There is no table public\.table: materialize table first"):
        postgres.load(pl.DataFrame)


@pytest.mark.parametrize("make", [pl.DataFrame, pl.LazyFrame], ids=["frame", "lazy"])
@pytest.mark.parametrize(
    ("order_by", "kept"),
    [([], [("a", 1, "third"), ("b", 9, "fourth")]), (["at"], [("a", 5, "second"), ("b", 9, "fourth")])],
    ids=["by position", "by column"],
)
def test_of_rows_with_equal_keys_the_last_stays(
    postgres: Project, make: Any, order_by: list[str], kept: list[tuple[Any, ...]]
) -> None:
    rows = {"id": ["a", "a", "a", "b"], "at": [3, 5, 1, 9], "said": ["first", "second", "third", "fourth"]}
    result = postgres.store(make(rows), metadata={"key": ["id"], "order_by": order_by})
    assert result.success, reasons(result)
    assert postgres.metadata_of(result)[None]["superseded"] == 2
    assert postgres.metadata_of(result)[None]["dagster/row_count"] == 2
    assert sorted(postgres.load(pl.DataFrame).rows()) == kept


def test_a_key_is_unique_within_its_partition(postgres: Project) -> None:
    metadata: dict[str, Any] = {**BY_DAY, "key": ["id"]}
    frame = days(2, 2).with_columns(id=pl.Series([1, 1, 1, 2]))
    result = postgres.store(frame, "2024-01-01", "2024-01-02", partitions_def=DAILY, metadata=metadata)
    assert result.success, reasons(result)
    superseded = {key: said["superseded"] for key, said in postgres.metadata_of(result).items()}
    assert superseded == {"2024-01-01": 1, "2024-01-02": 0}
    with pytest.raises(psycopg2.errors.UniqueViolation):
        ask(postgres.url, "INSERT INTO public.table SELECT * FROM public.table")
    nobody = frame.with_columns(id=pl.lit(None, pl.Int64))
    result = postgres.store(nobody, "2024-01-01", "2024-01-02", partitions_def=DAILY, metadata=metadata)
    assert 'column "id" of relation' in reasons(result)


def test_a_column_more_is_added_and_one_less_is_null(postgres: Project) -> None:
    given: dict[str, Any] = {"partitions_def": DAILY, "metadata": BY_DAY}
    assert postgres.store(days(1).with_columns(a=1), "2024-01-01", **given).success
    assert postgres.store(days(0, 1).with_columns(b=pl.lit("x")), "2024-01-02", **given).success
    found = postgres.load(pl.DataFrame).sort("day")
    assert found.rows() == [(DAYS[0], 1, None), (DAYS[1], None, "x")]
    assert postgres.store(days(0, 0, 1).with_columns(a=None, c=None), "2024-01-03", **given).success
    assert postgres.load(pl.DataFrame).columns == ["day", "a", "b"]


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        (pl.DataFrame({"a": ["x"], "b": [1]}), "a is String, in the table bigint"),
        (pl.DataFrame({"a": [1.0], "b": [1]}), "a is Float64, in the table bigint"),
        (pl.DataFrame({"a": [2**63], "b": [1]}, schema={"a": pl.UInt64, "b": pl.Int64}), "a is UInt64"),
    ],
)
def test_another_type_is_one_error_before_anything_is_written(
    postgres: Project, changed: pl.DataFrame, why: str
) -> None:
    assert postgres.store(pl.DataFrame({"a": [1], "b": [1]})).success
    said = reasons(postgres.store(changed))
    assert why in said
    assert "Nothing was written" in said
    assert postgres.load(pl.DataFrame).rows() == [(1, 1)]


@pytest.mark.parametrize("columns", [{"a": [1]}, {"a": [1], "b": [1], "c": [1]}, {"a": ["x"], "b": [1]}])
def test_a_manager_may_refuse_every_change_of_columns(postgres: Project, columns: dict[str, Any]) -> None:
    postgres.io_manager = PostgresIOManager(url=postgres.url, on_schema_change="error")
    assert postgres.store(pl.DataFrame({"a": [1], "b": [1]})).success
    assert postgres.store(pl.DataFrame({"a": [1], "b": [2]})).success
    assert "do not fit public.table" in reasons(postgres.store(pl.DataFrame(columns)))
    assert postgres.load(pl.DataFrame).rows() == [(1, 2)]


def test_a_declared_schema_makes_the_table_and_types_what_is_given(postgres: Project) -> None:
    rows = {"n": [1], "tags": [["a", 'b"']], "kind": ["a"]}
    frame = pl.DataFrame(rows, schema={"n": pl.Int16, "tags": pl.List(pl.String), "kind": pl.String})
    result = postgres.store(frame, metadata=TAGGED)
    assert result.success, reasons(result)
    found = postgres.load(pl.DataFrame)
    assert found.schema == Tagged.create_empty().schema
    assert found.select("n", "tags", "price", "kind").rows() == [(1, ["a", 'b"'], None, "a")]
    lazy = postgres.load(pl.LazyFrame, metadata={"columns": ["kind", "n"]})
    assert lazy.filter(pl.col("kind") == "a", pl.col("n") > 0).collect().rows() == [("a", 1)]
    assert 'null value in column "n"' in reasons(postgres.store(frame.with_columns(n=None), metadata=TAGGED))


@pytest.mark.parametrize("path", ["nowhere:Nothing", "polars:Nothing", "polars:DataFrame"])
def test_a_declared_schema_that_is_none_is_named(postgres: Project, path: str) -> None:
    result = postgres.store(pl.DataFrame({"n": [1]}), metadata={"dataframely_schema": path})
    assert path in reasons(result)


def test_a_partition_column_beside_a_declared_schema_is_not_given(postgres: Project) -> None:
    frame = days(1, 2).with_columns(n=pl.lit(1, pl.Int32))
    given: dict[str, Any] = {"partitions_def": DAILY, "metadata": {**BY_DAY, **TAGGED}}
    assert postgres.store(frame, "2024-01-01", "2024-01-02", **given).success
    found = postgres.load(pl.LazyFrame, "2024-01-02", partitions_def=DAILY).collect()
    assert (found.height, found.columns) == (2, Tagged.column_names())


def test_a_table_that_is_always_loaded_whole(postgres: Project) -> None:
    given: dict[str, Any] = {"partitions_def": DAILY, "metadata": {**BY_DAY, "whole_table": True}}
    assert postgres.store(days(1, 2), "2024-01-01", "2024-01-02", **given).success
    assert postgres.load(pl.DataFrame, "2024-01-09", partitions_def=DAILY).height == 3


def test_only_the_columns_that_an_input_names_or_a_query_uses_are_read(postgres: Project) -> None:
    assert postgres.store(pl.DataFrame({"a": [1, 2], "b": [3, 4], "secret": [5, 6]})).success
    ask(
        postgres.url,
        "REVOKE SELECT ON public.table FROM CURRENT_USER; GRANT SELECT (a, b) ON public.table TO CURRENT_USER",
    )
    assert sorted(postgres.load(pl.DataFrame, metadata={"columns": ["b", "a"]}).rows()) == [(3, 1), (4, 2)]
    lazy = postgres.load(pl.LazyFrame)
    assert lazy.filter(pl.col("a") == 2).select("b").collect().rows() == [(4,)]
    with pytest.raises(AssertionError, match=r"table has no columns \['c'\]; it has a, b, secret"):
        postgres.load(pl.DataFrame, metadata={"columns": ["c"]})


def test_a_filter_is_asked_of_the_server(postgres: Project) -> None:
    assert postgres.store(days(1, 2, 3), "2024-01-01", "2024-01-03", partitions_def=DAILY, metadata=BY_DAY).success
    # A server that read another row would fail: the view divides by zero on it.
    n = "1 / (CASE WHEN day = '2024-01-02' THEN 1 ELSE 0 END) AS n"
    ask(postgres.url, f"CREATE VIEW careful AS SELECT day, {n} FROM public.table")
    postgres.replace(dg.asset(name="careful")(_never_run))
    lazy = postgres.load(pl.LazyFrame, of="careful")
    assert lazy.filter(pl.col("day") == DAYS[1]).collect().height == 2


def versioned(frame: pl.DataFrame, **made_from: Any) -> Any:
    def value(context: dg.AssetExecutionContext) -> pl.DataFrame:
        context.add_output_metadata({"made_from": made_from})
        return frame

    return value


def test_a_partition_that_was_made_from_newer_versions_is_left_alone(postgres: Project) -> None:
    given: dict[str, Any] = {"partitions_def": DAILY, "metadata": BY_DAY}
    for number, version in enumerate((7, 6, 7, 8)):
        frame = days(1, 0).with_columns(n=number)
        result = postgres.store(versioned(frame, lake=version, other=1), "2024-01-01", **given)
        assert result.success, reasons(result)
        stale = postgres.metadata_of(result)["2024-01-01"].get("is_stale", 0)
        assert stale == (version == 6)
        assert postgres.load(pl.DataFrame)["n"].to_list() == [0 if stale else number]
    by_key = {"2024-01-01": {"lake": 5}, "2024-01-02": {"lake": 5}}
    frame = days(2, 2).with_columns(n=99)
    result = postgres.store(versioned(frame, **by_key), "2024-01-01", "2024-01-02", **given)
    counts = {key: said["dagster/partition_row_count"] for key, said in postgres.metadata_of(result).items()}
    assert counts == {"2024-01-01": 1, "2024-01-02": 2}


@pytest.mark.parametrize("made_from", [{"lake": "7"}, {"2024-01-02": {"lake": 7}}, {"lake": None}])
def test_versions_that_say_nothing_of_a_partition_are_refused(postgres: Project, made_from: dict[str, Any]) -> None:
    result = postgres.store(versioned(days(1), **made_from), "2024-01-01", partitions_def=DAILY, metadata=BY_DAY)
    assert "made_from of table is" in reasons(result)


def test_another_run_of_one_partition_leaves_the_rows_of_the_others_where_they_are(postgres: Project) -> None:
    given: dict[str, Any] = {"partitions_def": DAILY, "metadata": BY_DAY}
    assert postgres.store(days(5, 5, 5), "2024-01-01", "2024-01-03", **given).success
    others = "SELECT ctid, xmin, day FROM public.table WHERE day <> '2024-01-02' ORDER BY 1"
    before = ask(postgres.url, others)
    assert postgres.store(days(0, 7), "2024-01-02", **given).success
    assert ask(postgres.url, others) == before
    assert postgres.load(pl.DataFrame).height == 17


@pytest.mark.parametrize("metadata", [BY_DAY, {**BY_DAY, "key": ["n"]}], ids=["rows", "keyed"])
def test_a_reader_in_an_open_transaction_neither_waits_nor_keeps_anyone_waiting(
    postgres: Project, metadata: dict[str, Any]
) -> None:
    given: dict[str, Any] = {"partitions_def": DAILY, "metadata": metadata}
    frame = days(3, 3).with_row_index("n")
    assert postgres.store(frame, "2024-01-01", "2024-01-02", **given).success
    connection = psycopg2.connect(postgres.url)
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM public.table WHERE day = '2024-01-01'")
        assert postgres.store(frame.head(2), "2024-01-01", **given).success
        cursor.execute("SET LOCAL lock_timeout = '1ms'; SELECT count(*) FROM public.table WHERE day = '2024-01-01'")
        assert cursor.fetchall() == [(2,)]
    connection.close()


def test_two_runs_of_one_partition_at_once_leave_the_rows_of_one(postgres: Project) -> None:
    assert postgres.store(days(2), "2024-01-01", partitions_def=DAILY, metadata=BY_DAY).success
    results: list[dg.ExecuteInProcessResult] = []
    connection = psycopg2.connect(postgres.url)
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT * FROM public.table FOR UPDATE")  # the first run waits here, the second for the first
        threads = [
            threading.Thread(target=lambda n=n: results.append(_store_in_own_instance(postgres.url, n))) for n in (3, 4)
        ]
        for thread in threads:
            thread.start()
        wait_until_blocked(postgres.url, 2)
    connection.close()
    for thread in threads:
        thread.join(300)
    assert [result.success for result in results] == [True, True]
    assert ask(postgres.url, "SELECT count(*) FROM public.table")[0][0] in (3, 4)


def _store_in_own_instance(url: str, rows: int) -> dg.ExecuteInProcessResult:
    with dg.DagsterInstance.ephemeral() as instance:
        project = Project(PostgresIOManager(url=url), instance)
        return project.store(days(rows), "2024-01-01", partitions_def=DAILY, metadata=BY_DAY)
