"""Writing several partitions in one run, each on its own: one bad partition fails alone.

Here: what every IO manager of ours does around its own way of writing one partition. Not here: that way.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date

import dagster as dg

from dataflow_assets.disk import DiskFullError, told_of_full_disk
from dataflow_assets.errors import ConflictError, DataFlowError, LockTimeoutError, WarehouseUnavailableError
from dataflow_assets.orchestration.partitions import partition_days

Figures = Mapping[str, int | Sequence[str]]  # numbers, and names of columns
_PASSING = (ConflictError, DiskFullError, LockTimeoutError, WarehouseUnavailableError)  # trying again later may help


def write_each(context: dg.OutputContext, write: Callable[[date], Figures]) -> None:
    """Write every partition of the run, and give each materialization its own figures.

    Raises:
        Failure: naming the partitions that failed; the others are committed and logged.
    """
    written: dict[str, Figures] = {}
    failed: dict[str, Exception] = {}
    for day in partition_days(context.asset_partition_keys):
        try:
            with told_of_full_disk():
                written[day.isoformat()] = write(day)
        except Exception as error:
            context.log.error(f"{context.asset_key.to_user_string()} {day}: {error}")
            failed[day.isoformat()] = error
    if not failed:
        for day_key, figures in written.items():
            context.step_context.add_asset_metadata(partition_metadata(figures), partition_key=day_key)
        return
    for day_key, figures in written.items():
        context.log_event(
            dg.AssetMaterialization(context.asset_key, partition=day_key, metadata=partition_metadata(figures))
        )
    is_permanent = all(
        isinstance(error, DataFlowError) and not isinstance(error, _PASSING) for error in failed.values()
    )
    reasons = "; ".join(f"{day_key}: {error}" for day_key, error in failed.items())
    raise dg.Failure(
        f"{len(failed)} of {len(failed) + len(written)} partitions failed, the others are written. {reasons}",
        allow_retries=not is_permanent,
    ) from next(iter(failed.values()))


def as_metadata(figures: Figures) -> dict[str, dg.MetadataValue]:
    """Figures as Dagster shows them, and plots the numbers."""
    return {
        name: dg.MetadataValue.int(value) if isinstance(value, int) else dg.MetadataValue.json(list(value))
        for name, value in figures.items()
    }


def partition_metadata(figures: Figures) -> dict[str, dg.MetadataValue]:
    """What a materialization says of its partition; `rows` is how many rows the partition has now."""
    metadata = as_metadata(figures)
    if "rows" in figures:
        metadata["dagster/partition_row_count"] = metadata["rows"]
    return metadata
