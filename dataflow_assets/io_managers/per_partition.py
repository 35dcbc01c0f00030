"""Storing several partitions in one run, each on its own: one bad partition fails alone.

Here: what every IO manager does around its own way of storing one slice, and the metadata that Dagster knows. Not here:
that way.
"""

import time
from collections.abc import Callable, Mapping, Sequence

import dagster as dg

from dataflow_assets.errors import ConflictError, LockTimeoutError, WarehouseRefusedError, WarehouseUnavailableError
from dataflow_assets.io_managers.slices import Slice

Metadata = Mapping[str, int | float | str | dg.MetadataValue]
_TRANSIENT = (ConflictError, LockTimeoutError, WarehouseUnavailableError, OSError)


def store_each(context: dg.OutputContext, slices: Sequence[Slice], store: Callable[[int], Metadata]) -> None:
    """Store every slice of a run, and give each materialization its own metadata.

    Args:
        context: names the asset and the partitions.
        slices: those of the run, or the whole table alone.
        store: stores the slice of that number; its metadata, where `rows` says how many rows the slice has now, and
            `seconds` those that it took before.

    Raises:
        Failure: naming the partitions that failed; the others are committed and logged.
    """
    if not context.has_asset_partitions:
        context.add_output_metadata(dict(_timed(store, 0, "dagster/row_count")))
        return
    stored: dict[str, Metadata] = {}
    failed: dict[str, Exception] = {}
    for index, each in enumerate(slices):
        key = str(each.key)
        try:
            stored[key] = _timed(store, index, "dagster/partition_row_count")
        except Exception as error:
            context.log.error(f"{context.asset_key.to_user_string()} {key}: {error}")
            failed[key] = error
    if failed:
        for key, metadata in stored.items():
            context.log_event(dg.AssetMaterialization(context.asset_key, partition=key, metadata=metadata))
        raise _failure(context, stored, failed) from next(iter(failed.values()))
    for key, metadata in stored.items():
        context.step_context.add_asset_metadata(metadata, partition_key=key)


def _timed(store: Callable[[int], Metadata], index: int, row_count: str) -> Metadata:
    start = time.monotonic()
    metadata = store(index)
    before = metadata.get("seconds", 0)
    assert isinstance(before, int | float), "seconds are a number"
    return {**metadata, row_count: metadata["rows"], "seconds": round(before + time.monotonic() - start, 3)}


def _failure(context: dg.OutputContext, stored: Mapping[str, Metadata], failed: Mapping[str, Exception]) -> dg.Failure:
    reasons = "; ".join(f"{key}: {error}" for key, error in failed.items())
    return dg.Failure(
        f"{len(failed)} of {len(failed) + len(stored)} partitions of {context.asset_key.to_user_string()} failed, the "
        f"others are stored. {reasons}",
        allow_retries=any(map(_is_transient, failed.values())),
    )


def _is_transient(error: Exception) -> bool:
    return isinstance(error, _TRANSIENT) and not isinstance(error, WarehouseRefusedError)


def add_table_metadata(context: dg.OutputContext, name: str, columns: Mapping[str, object]) -> None:
    """Say the name of a table and the types of its columns, where the asset does not say it itself.

    Args:
        context: of the output.
        name: of the table, with its schema.
        columns: by name, their types.
    """
    schema = dg.TableSchema([dg.TableColumn(column, str(dtype)) for column, dtype in columns.items()])
    known: dict[str, dg.MetadataValue] = {
        "dagster/table_name": dg.MetadataValue.text(name),
        "dagster/column_schema": dg.MetadataValue.table_schema(schema),
    }
    said = context.output_metadata or {}
    context.add_output_metadata({key: value for key, value in known.items() if key not in said})
