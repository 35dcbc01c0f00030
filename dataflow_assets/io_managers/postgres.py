"""Frames in PostgreSQL, for any Dagster project: one table per asset, one atomic replacement per partition.

Here: what storing and loading an asset mean. Not here: the statements (see `postgres`), what an asset's metadata says
(see `asset_tables`, `slices`), and the kinds of frame (see `frames`).
"""

from collections.abc import Sequence
from typing import Literal

import dagster as dg
import polars as pl
from pydantic import Field

from dataflow_assets.errors import NotFoundError, SchemaMismatchError
from dataflow_assets.io_managers.asset_tables import AssetTable, asset_table, made_from
from dataflow_assets.io_managers.frames import Frame, give, to_polars
from dataflow_assets.io_managers.per_partition import Metadata, add_table_metadata, store_each
from dataflow_assets.io_managers.postgres_slices import (
    Replacement,
    frame_types,
    scan_slices,
    split_slices,
    sql_condition,
)
from dataflow_assets.io_managers.slices import Slice, added_columns, input_slices, output_slices
from dataflow_assets.postgres.connection import Connections
from dataflow_assets.postgres.made_from import ensure_record
from dataflow_assets.postgres.tables import Wanted, ensure_table, table_columns


class PostgresIOManager(dg.ConfigurableIOManager):
    """Stores what an asset returns in a table of PostgreSQL, and gives a table to the assets downstream.

    Kinds of frame, returned and (by annotation) taken: `pl.DataFrame`, `pl.LazyFrame` (streamed; an input of this kind
    is read when it is collected, with its columns and filters), `pa.Table`, `pa.RecordBatchReader`.

    Metadata of the asset (`@dg.asset(metadata=…)`):

    - schema, table: of the table; else the last two parts of the asset's key.
    - partition_expr: the column of the partitions, or of two dimensions a mapping from dimension to column. A column
      that the frame lacks is added.
    - dataframely_schema: "package.module:Class": the table's columns, and the types that a reader is given.
    - key: columns that identify a row within its partition; of rows with equal keys the last stays.
    - order_by: the columns by which one of these is later; without them it is their order in the frame.
    - whole_table: readers are given the whole table, whatever their partitions.

    Metadata of an input (`dg.AssetIn(metadata=…)`): all of these, and `columns`, those that are read.

    Metadata of an output (`context.add_output_metadata`): `made_from`, a mapping from the name of an input to its
    version, or from partition key to such a mapping. A partition that was made from newer versions is left alone.

    Each partition is replaced in one transaction. Who reads it sees what was there before or after, and nobody waits.
    In a run of several partitions a bad one fails alone.
    """

    url: str = Field(description="The database: postgresql://user:password@host:port/database. Use an EnvVar.")
    schema_: str = Field(default="public", description="The schema of an asset whose key has one part.")
    on_schema_change: Literal["evolve", "error"] = Field(
        default="evolve",
        description="Whether a frame may have a column more than its table (added, nullable) or less (null).",
    )

    def handle_output(self, context: dg.OutputContext, obj: Frame) -> None:
        """Put the frame's rows in place of those of the run's partitions.

        Raises:
            TypeError: the value is no frame.
            SchemaMismatchError: the rows do not fit the table, or a value its column; nothing of the partition is
                written.
            NotFoundError: the metadata names something that is not there.
            Failure: partitions of several failed; the others are stored.
        """
        table = asset_table(_path(context), context.definition_metadata or {}, self.schema_)
        connections = Connections(self.url)
        with connections.take() as connection:
            held = table_columns(connection, table.schema, table.table)
        frame, slices = _sliced(context, to_polars(obj), frame_types(held))
        versions = made_from(context, slices)
        wanted = _wanted(table, frame.collect_schema(), slices)
        with connections.take() as connection:
            columns = ensure_table(connection, wanted, may_change=self.on_schema_change == "evolve")
            if any(versions):
                ensure_record(connection)
        add_table_metadata(context, table.name, {name: column.type for name, column in columns.items()})
        with split_slices(frame, slices) as parts:

            def store(index: int) -> Metadata:
                with connections.take() as connection:
                    replacement = Replacement(table, columns, slices[index], parts[index], versions[index])
                    metadata = replacement.run(connection)
                if "is_stale" in metadata:
                    context.log.warning(f"{table.name} {slices[index].key or ''} was already made from newer versions")
                return metadata

            store_each(context, slices, store)

    def load_input(self, context: dg.InputContext) -> Frame:
        """The rows of the partitions that the input's mapping names; all of them downstream of no partition.

        Raises:
            NotFoundError: there is no such table, or `columns` names one that it does not have.
            TypeError: the input is annotated with a type that is no frame.
        """
        upstream = context.upstream_output
        metadata = {**((upstream and upstream.definition_metadata) or {}), **(context.definition_metadata or {})}
        table = asset_table(_path(context), metadata, self.schema_)
        connections = Connections(self.url)
        with connections.take() as connection:
            held = table_columns(connection, table.schema, table.table)
        if not held:
            raise NotFoundError(f"There is no table {table.name}: materialize {'/'.join(_path(context))} first.")
        where = sql_condition(input_slices(context, metadata, frame_types(held)))
        return give(_chosen(context, scan_slices(connections, table, held, where)), context.dagster_type.typing_type)


def _path(context: dg.OutputContext | dg.InputContext) -> Sequence[str]:
    if context.has_asset_key:
        return context.asset_key.path
    upstream = context.upstream_output if isinstance(context, dg.InputContext) else context
    return [upstream.name if upstream else context.name]


def _sliced(
    context: dg.OutputContext, frame: pl.DataFrame | pl.LazyFrame, held: pl.Schema
) -> tuple[pl.DataFrame | pl.LazyFrame, list[Slice]]:
    """The frame with its partition columns, and the slices that it is put into."""
    schema = frame.collect_schema()
    slices = output_slices(context, pl.Schema({**held, **schema}))
    return frame.with_columns(added_columns(slices, schema)), slices


def _wanted(table: AssetTable, schema: pl.Schema, slices: Sequence[Slice]) -> Wanted:
    if missing := [name for name in (*table.key, *table.order_by) if name not in schema]:
        raise SchemaMismatchError(
            f"The rows of {table.name} have no columns {', '.join(missing)} of its key and order."
        )
    return Wanted(
        schema=table.schema,
        table=table.table,
        dtypes=schema,
        declared=table.declared_types or pl.Schema(),
        required=table.required,
        slice_columns=[bounds.column for bounds in slices[0].bounds],
        key=table.key,
    )


def _chosen(context: dg.InputContext, rows: pl.LazyFrame) -> pl.LazyFrame:
    """The columns that the input's metadata names; all of them where it names none."""
    known = rows.collect_schema().names()
    columns = (context.definition_metadata or {}).get("columns") or known
    if unknown := [name for name in columns if name not in known]:
        raise NotFoundError(f"{'/'.join(_path(context))} has no columns {unknown}; it has {', '.join(known)}.")
    return rows.select(columns)
