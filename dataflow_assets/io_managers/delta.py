"""An IO manager for Delta tables in S3 or in a folder, for any Dagster project.

Here: what an output and an input mean for a table. Not here: which rows a partition is (see `slices`), the kinds of
frame (see `frames`), and how a slice is staged and committed (see `delta_writer`).
"""

import time
from collections.abc import Mapping
from typing import Any

import dagster as dg
import polars as pl
import pyarrow as pa
from deltalake import DeltaTable
from pydantic import Field

from dataflow_assets.errors import NotFoundError
from dataflow_assets.io_managers.asset_tables import made_from
from dataflow_assets.io_managers.delta_columns import OnSchemaChange, fit_columns
from dataflow_assets.io_managers.delta_slices import added_delta_columns, files_of_slices
from dataflow_assets.io_managers.delta_writer import (
    SliceCommit,
    SliceWriter,
    declare_table,
    discard_slices,
    open_existing,
    read_schema,
    stage_slices,
)
from dataflow_assets.io_managers.frames import Frame, give, to_lazy
from dataflow_assets.io_managers.per_partition import Metadata, add_table_metadata, store_each
from dataflow_assets.io_managers.slices import (
    WHOLE,
    Slice,
    added_columns,
    expression,
    input_slices,
    output_slices,
    partition_columns,
)
from dataflow_assets.lake.delta.table import LakeTable, list_files
from dataflow_assets.landing.storage import Storage, open_root


class DeltaIOManager(dg.ConfigurableIOManager):
    """Stores frames as Delta tables, a table for each asset and a slice for each of its partitions.

    An asset returns, and an input is annotated with, a `polars.DataFrame`, a `polars.LazyFrame`, a `pyarrow.Table` or a
    `pyarrow.RecordBatchReader`; lazy frames and readers are streamed. The metadata `partition_expr` of a partitioned
    asset names the column of its partitions (of two dimensions a mapping with the column of each); where a frame lacks
    the column, it is added. Each slice is replaced by a commit of its own: readers see it before or after, and others
    can write other slices at the same time. Values are stored exactly or refused.

    The metadata `made_from` of an output says the version of each of its inputs: a slice is then never replaced by one
    that was made from older ones. The metadata `columns` of an input names the columns that are read.
    """

    root: str = Field(description="Where the tables are: a folder, or s3://bucket/prefix.")
    storage_options: dict[str, str] = Field(
        default={},
        description="Of S3, as Delta Lake names them: aws_region, aws_endpoint_url, aws_access_key_id, … What is not "
        "said comes from the standard AWS chain.",
    )
    on_schema_change: str = Field(
        default="evolve",
        pattern="^(evolve|error)$",
        description="evolve: a new column is added to the table, a missing one is null. error: both are refused.",
    )

    def handle_output(self, context: dg.OutputContext, obj: Frame) -> None:
        """Store a frame: the whole table, or the slice of each partition of the run.

        Raises:
            SchemaMismatchError: columns do not fit the table, or rows none of the partitions; nothing was written.
            Failure: some partitions failed; the others are stored.
        """
        rows, storage, folder = to_lazy(obj), self._open_storage(), _folder(context.asset_key)
        existing, frame_schema = open_existing(storage, folder), rows.collect_schema()
        before = _visible_columns(existing) if existing else pl.Schema()
        slices = output_slices(context, pl.Schema({**before, **frame_schema}))
        versions = made_from(context, slices)
        rows = rows.with_columns(added_columns(slices, frame_schema))
        change: OnSchemaChange = "error" if self.on_schema_change == "error" else "evolve"
        types = fit_columns(rows.collect_schema(), before if existing else None, change, folder)
        table = declare_table(storage, folder, existing, types, _partition_columns(context))
        add_table_metadata(context, ".".join(context.asset_key.path), {**before, **types})
        start, is_stream = time.monotonic(), isinstance(obj, pl.LazyFrame | pa.RecordBatchReader)
        staged = stage_slices(table, rows, slices, types, is_stream=is_stream)
        seconds = (time.monotonic() - start) / len(slices)  # of each: they are staged at once
        writer = SliceWriter(table)

        def store(index: int) -> Metadata:
            commit = writer.commit(slices[index], staged[index], versions[index])
            return {**_describe(context, table, commit), "seconds": seconds}

        try:
            store_each(context, slices, store)
        except BaseException:
            discard_slices(table, staged)
            raise

    def load_input(self, context: dg.InputContext) -> Frame:
        """Load the slices that an input's partitions name; the whole table where there are none.

        Raises:
            NotFoundError: nothing was stored yet, or a column is named that the table does not have.
        """
        storage, folder = self._open_storage(), _folder(context.asset_key)
        existing = open_existing(storage, folder)
        if existing is None:
            if context.has_asset_partitions and not context.asset_partition_keys:
                return give(pl.LazyFrame(), context.dagster_type.typing_type)
            raise NotFoundError(f"There is no table of {folder} in {self.root} yet: materialize the asset first.")
        schema, upstream = _visible_columns(existing), context.upstream_output
        slices = input_slices(context, (upstream and upstream.definition_metadata) or {}, schema)
        rows = _scan(existing, slices, schema)
        return give(_choose_columns(context, rows, schema), context.dagster_type.typing_type)

    def _open_storage(self) -> Storage:
        return open_root(self.root, self.storage_options)


def _folder(asset_key: dg.AssetKey) -> str:
    return "/".join(asset_key.path)


def _partition_columns(context: dg.OutputContext) -> list[str]:
    if not context.has_asset_partitions:
        return []
    metadata, asset = context.definition_metadata or {}, context.asset_key.to_user_string()
    return partition_columns(context.asset_partitions_def, metadata, asset)


def _visible_columns(table: DeltaTable) -> pl.Schema:
    """The columns of a table but for those that only partition its files."""
    schema = read_schema(table)
    added = added_delta_columns(table.metadata().partition_columns, schema)
    return pl.Schema({name: dtype for name, dtype in schema.items() if name not in added})


def _describe(context: dg.OutputContext, table: LakeTable, commit: SliceCommit) -> dict[str, Any]:
    if commit.is_stale:
        context.log.warning(f"{table.folder} was already made from newer inputs, and is left as it is")
    return {
        "dagster/uri": table.uri,
        "rows": commit.rows,
        "bytes": commit.bytes,
        "delta_version": commit.version,
    }


def _scan(table: DeltaTable, slices: list[Slice], schema: pl.Schema) -> pl.LazyFrame:
    """The rows of some slices of a version of a table, read when they are collected."""
    files = files_of_slices(list_files(table), slices, schema)
    if files.is_empty():
        return pl.LazyFrame(schema=schema)
    rows = pl.scan_delta(table)
    if slices != [WHOLE]:
        rows = rows.filter(*_file_filters(files, schema), expression(slices, schema))
    return rows.select(schema.names())


def _file_filters(files: pl.DataFrame, schema: pl.Schema) -> list[pl.Expr]:
    """Conditions by which files without rows of the slices are not opened."""
    names = (name.removeprefix("partition.") for name in files.columns if name.startswith("partition."))
    return [pl.col(name).is_in(files[f"partition.{name}"].unique().to_list()) for name in names if name not in schema]


def _choose_columns(context: dg.InputContext, rows: pl.LazyFrame, schema: Mapping[str, pl.DataType]) -> pl.LazyFrame:
    columns = (context.definition_metadata or {}).get("columns")
    if columns is None:
        return rows
    if unknown := [name for name in columns if name not in schema]:
        raise NotFoundError(
            f"{context.asset_key.to_user_string()} has no columns {unknown}; it has {', '.join(schema)}."
        )
    return rows.select(columns)
