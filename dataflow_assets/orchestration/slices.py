"""Writing several partitions in one run, each on its own: one bad partition fails alone.

Here: what every IO manager of ours does around its own way of writing one partition. Not here: that way.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import date

import dagster as dg
import polars as pl

from dataflow_assets.errors import ConflictError, DataFlowError, LockTimeoutError, WarehouseUnavailableError
from dataflow_assets.orchestration.partitions import partition_days
from dataflow_assets.orchestration.reports import line, preview, speed

# Numbers, which Dagster plots, names of columns, and what is shown as it is.
Figures = Mapping[str, int | float | Sequence[str] | dg.MetadataValue]
_PAUSE = 1.0  # seconds: a message to the run's log costs up to 20 ms, as much as a small partition
_PASSING = (ConflictError, LockTimeoutError, WarehouseUnavailableError)  # trying again later may help


def write_each(context: dg.OutputContext, write: Callable[[date], Figures]) -> None:
    """Write every partition of the run, give each materialization its own figures, and say them in the run's log.

    Args:
        context: names the asset and the partitions.
        write: writes one; `seconds` of its figures are those that it took before.

    Raises:
        Failure: naming the partitions that failed; the others are committed and logged.
    """
    written: dict[str, Figures] = {}
    failed: dict[str, Exception] = {}
    told = _Told(context)
    for day in partition_days(context.asset_partition_keys):
        start = time.monotonic()
        try:
            written[day.isoformat()] = _timed(write(day), start)
            told.tell(day, written[day.isoformat()])
        except Exception as error:
            context.log.error(
                f"{context.asset_key.to_user_string()} {day}: {error}", extra={"partition": day.isoformat()}
            )
            failed[day.isoformat()] = error
    told.flush()
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


def _timed(figures: Figures, start: float) -> Figures:
    before = figures.get("seconds", 0)
    assert isinstance(before, int | float)
    return {**figures, **speed(figures, before + time.monotonic() - start)}


class _Told:
    """The lines of the partitions in the run's log: those of a second together, as each message is stored apart."""

    def __init__(self, context: dg.OutputContext) -> None:
        self._context = context
        self._lines: dict[str, str] = {}
        self._since = time.monotonic()

    def tell(self, day: date, figures: Figures) -> None:
        self._lines[day.isoformat()] = line(self._context.asset_key.to_user_string(), day, figures)
        if time.monotonic() - self._since > _PAUSE:
            self.flush()

    def flush(self) -> None:
        if self._lines:
            self._context.log.info("\n".join(self._lines.values()), extra={"lines": self._lines})
        self._lines, self._since = {}, time.monotonic()


def as_metadata(figures: Figures) -> dict[str, dg.MetadataValue]:
    """Figures as Dagster shows them, and plots the numbers."""
    return {name: _metadata_value(value) for name, value in figures.items()}


def _metadata_value(value: int | float | Sequence[str] | dg.MetadataValue) -> dg.MetadataValue:
    match value:
        case dg.MetadataValue():
            return value
        case int():
            return dg.MetadataValue.int(value)
        case float():
            return dg.MetadataValue.float(value)
    return dg.MetadataValue.json(list(value))


def previewed(rows: pl.DataFrame, is_newest: bool) -> Figures:
    """A preview of a partition's rows, if it is the newest of its run: the event log keeps each one for ever."""
    return {"preview": dg.MetadataValue.md(preview(rows))} if is_newest else {}


def partition_metadata(figures: Figures) -> dict[str, dg.MetadataValue]:
    """What a materialization says of its partition; `rows` is how many rows the partition has now."""
    metadata = as_metadata(figures)
    if "rows" in figures:
        metadata["dagster/partition_row_count"] = metadata["rows"]
    return metadata
