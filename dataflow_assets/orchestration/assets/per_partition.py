"""Writing several partitions in one run, each on its own: one bad partition fails alone.

Here: what every IO manager of ours does around its own way of writing one partition. Not here: that way.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import date

import dagster as dg
import polars as pl

from dataflow_assets.core.files import told_of_full_disk
from dataflow_assets.orchestration.metadata.metrics import line, preview, speed
from dataflow_assets.orchestration.partitions import partition_days
from dataflow_assets.orchestration.retries import is_down, is_transient

# Numbers, which Dagster plots, names of columns, and what is shown as it is.
Metrics = Mapping[str, int | float | Sequence[str] | dg.MetadataValue]
_PAUSE = 1.0  # seconds: a message to the run's log costs up to 20 ms, as much as a small partition
_MOST_IN_A_ROW = 3  # partitions that fail because a server is down, before the others are left alone


def write_each(context: dg.OutputContext, write: Callable[[date], Metrics]) -> None:
    """Write every partition of the run, give each materialization its own metrics, and say them in the run's log.

    Args:
        context: names the asset and the partitions.
        write: writes one; `seconds` of its metrics are those that it took before.

    Raises:
        Failure: naming the partitions that failed, and whether another try may help; the others are committed and
            logged, but for those that were left alone because a server is down.
    """
    days = partition_days(context.asset_partition_keys)
    written: dict[str, Metrics] = {}
    failed: dict[str, Exception] = {}
    told = _Told(context)
    in_a_row = 0
    for day in days:
        start = time.monotonic()
        try:
            with told_of_full_disk():
                written[day.isoformat()] = _timed(write(day), start)
            told.tell(day, written[day.isoformat()])
            in_a_row = 0
        except Exception as error:
            context.log.error(
                f"{context.asset_key.to_user_string()} {day}: {error}", extra={"partition": day.isoformat()}
            )
            failed[day.isoformat()] = error
            in_a_row = in_a_row + 1 if is_down(error) else 0
        if in_a_row == _MOST_IN_A_ROW:
            break
    told.flush()
    if not failed:
        for day_key, metrics in written.items():
            context.step_context.add_asset_metadata(partition_metadata(metrics), partition_key=day_key)
        return
    _log_events(context, written)
    left = len(days) - len(written) - len(failed)
    raise _failure(written, failed, left) from next(iter(failed.values()))


def log_written(context: dg.OutputContext, metrics: Mapping[date, Metrics]) -> None:
    """Tell of partitions that were written beside those that the run was asked for."""
    timed = {day: {**of_day, **speed(of_day, _seconds(of_day))} for day, of_day in metrics.items()}
    told = _Told(context)
    for day, of_day in timed.items():
        told.tell(day, of_day)
    told.flush()
    _log_events(context, {day.isoformat(): of_day for day, of_day in timed.items()})


def _log_events(context: dg.OutputContext, written: Mapping[str, Metrics]) -> None:
    for day_key, metrics in written.items():
        context.log_event(
            dg.AssetMaterialization(context.asset_key, partition=day_key, metadata=partition_metadata(metrics))
        )


def _failure(written: Mapping[str, Metrics], failed: Mapping[str, Exception], left: int) -> dg.Failure:
    not_tried = f", {left} were not tried" if left else ""
    reasons = "; ".join(f"{day_key}: {error}" for day_key, error in failed.items())
    return dg.Failure(
        f"{len(failed)} of {len(failed) + len(written) + left} partitions failed{not_tried}, the others are written. "
        f"{reasons}",
        allow_retries=any(map(is_transient, failed.values())),
    )


def _timed(metrics: Metrics, start: float) -> Metrics:
    return {**metrics, **speed(metrics, _seconds(metrics) + time.monotonic() - start)}


def _seconds(metrics: Metrics) -> float:
    seconds = metrics.get("seconds", 0)
    assert isinstance(seconds, int | float)
    return seconds


class _Told:
    """The lines of the partitions in the run's log: those of a second together, as each message is stored apart."""

    def __init__(self, context: dg.OutputContext) -> None:
        self._context = context
        self._lines: dict[str, str] = {}
        self._since = time.monotonic()

    def tell(self, day: date, metrics: Metrics) -> None:
        """Say what became of a partition, at once or soon."""
        self._lines[day.isoformat()] = line(self._context.asset_key.to_user_string(), day, metrics)
        if time.monotonic() - self._since > _PAUSE:
            self.flush()

    def flush(self) -> None:
        """Say what was not said yet."""
        if self._lines:
            self._context.log.info("\n".join(self._lines.values()), extra={"lines": self._lines})
        self._lines, self._since = {}, time.monotonic()


def as_metadata(metrics: Metrics) -> dict[str, dg.MetadataValue]:
    """Metrics as Dagster shows them, and plots the numbers."""
    return {name: _metadata_value(value) for name, value in metrics.items()}


def _metadata_value(value: int | float | Sequence[str] | dg.MetadataValue) -> dg.MetadataValue:
    match value:
        case dg.MetadataValue():
            return value
        case int():
            return dg.MetadataValue.int(value)
        case float():
            return dg.MetadataValue.float(value)
    return dg.MetadataValue.json(list(value))


def previewed(rows: pl.DataFrame, is_newest: bool) -> Metrics:
    """A preview of a partition's rows, if it is the newest of its run: the event log keeps each one for ever."""
    return {"preview": dg.MetadataValue.md(preview(rows))} if is_newest else {}


def partition_metadata(metrics: Metrics) -> dict[str, dg.MetadataValue]:
    """What a materialization says of its partition; `rows` is how many rows the partition has now."""
    metadata = as_metadata(metrics)
    if "rows" in metrics:
        metadata["dagster/partition_row_count"] = metadata["rows"]
    return metadata
