"""Writing several partitions in one run, each on its own: one bad partition fails alone.

Here: what every IO manager of ours does around its own way of writing one partition. Not here: that way.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date

import dagster as dg

from dataflow_assets.disk import told_of_full_disk
from dataflow_assets.orchestration.partitions import partition_days
from dataflow_assets.orchestration.passing import is_down, may_pass

Figures = Mapping[str, int | Sequence[str]]  # numbers, and names of columns
_MOST_IN_A_ROW = 3  # partitions that fail because a server is down, before the others are left alone


def write_each(context: dg.OutputContext, write: Callable[[date], Figures]) -> None:
    """Write every partition of the run, and give each materialization its own figures.

    Raises:
        Failure: naming the partitions that failed, and whether another try may help; the others are committed and
            logged, but for those that were left alone because a server is down.
    """
    days = partition_days(context.asset_partition_keys)
    written: dict[str, Figures] = {}
    failed: dict[str, Exception] = {}
    in_a_row = 0
    for day in days:
        try:
            with told_of_full_disk():
                written[day.isoformat()] = write(day)
            in_a_row = 0
        except Exception as error:
            context.log.error(f"{context.asset_key.to_user_string()} {day}: {error}")
            failed[day.isoformat()] = error
            in_a_row = in_a_row + 1 if is_down(error) else 0
        if in_a_row == _MOST_IN_A_ROW:
            break
    if not failed:
        for day_key, figures in written.items():
            context.step_context.add_asset_metadata(partition_metadata(figures), partition_key=day_key)
        return
    for day_key, figures in written.items():
        context.log_event(
            dg.AssetMaterialization(context.asset_key, partition=day_key, metadata=partition_metadata(figures))
        )
    left = len(days) - len(written) - len(failed)
    raise _failure(written, failed, left) from next(iter(failed.values()))


def _failure(written: Mapping[str, Figures], failed: Mapping[str, Exception], left: int) -> dg.Failure:
    not_tried = f", {left} were not tried" if left else ""
    reasons = "; ".join(f"{day_key}: {error}" for day_key, error in failed.items())
    return dg.Failure(
        f"{len(failed)} of {len(failed) + len(written) + left} partitions failed{not_tried}, the others are written. "
        f"{reasons}",
        allow_retries=any(map(may_pass, failed.values())),
    )


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
