"""Writing several partitions in one run: one bad partition fails alone.

Here: what every asset of ours does around its own way of writing one partition, or several. Not here: that way.
"""

import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg

from dataflow_assets.core.files import explain_full_disk
from dataflow_assets.core.iteration import batched
from dataflow_assets.errors import DataFlowError
from dataflow_assets.orchestration.metadata.metrics import Metrics, line, partition_metadata, speed
from dataflow_assets.orchestration.partitions import run_days
from dataflow_assets.orchestration.retries import is_down, is_transient
from dataflow_assets.runtime.event_log import storing_together
from dataflow_assets.runtime.tags import DEFERS_EVENTS

Written = dg.MaterializeResult[Any] | dg.Output[None]
_PAUSE = 1.0  # seconds: a message to the run's log costs up to 20 ms, as much as a small partition
Together = Callable[[Sequence[date]], Iterable[Mapping[date, Metrics]]]
_MOST_TOGETHER = 50  # partitions; as many are made again after a crash
_MOST_IN_A_ROW = 3  # partitions that fail because a server is down, before the others are left alone


def write_each(
    context: dg.AssetExecutionContext,
    write: Callable[[date], Metrics],
    *folders: Path,
    together: Together = lambda _: (),
) -> None:
    """Write every partition of the run, give each materialization its own metrics, and say them in the run's log.

    Args:
        context: names the asset and the partitions.
        write: writes one; `seconds` of its metrics are those that it took before.
        folders: where it writes; how much is free there is said where a disk is full.
        together: writes some of several partitions at once, and gives the metrics of each, as soon as they are
            committed; those that it leaves out, or fails at, are then written one by one.

    Raises:
        Failure: naming the partitions that failed, and whether another try may help; the others are committed and
            logged, but for those that were left alone because a server is down.
    """
    days = run_days(context)
    written, failed = _try_each(context, _write_ahead(context, days, together), write, folders)
    if failed or DEFERS_EVENTS in context.run.tags:
        _log_materializations(context, written)
    else:
        for day, metrics in written.items():
            context.add_asset_metadata(partition_metadata(metrics), partition_key=day.isoformat())
    if not failed:
        return
    left = len(days) - len(written) - len(failed)
    bugs = (error for error in failed.values() if not isinstance(error, DataFlowError))
    raise _failure(written, failed, left) from next(bugs, None)


def _try_each(
    context: dg.AssetExecutionContext,
    days: Iterable[tuple[date, Metrics | None]],
    write: Callable[[date], Metrics],
    folders: tuple[Path, ...],
) -> tuple[dict[date, Metrics], dict[date, Exception]]:
    """The metrics of the days that were written, and why others failed; those with metrics are written already."""
    written: dict[date, Metrics] = {}
    failed: dict[date, Exception] = {}
    log = _PartitionLog(context)
    in_a_row = 0
    for day, metrics in days:
        start = time.monotonic()
        try:
            with explain_full_disk(*folders):
                written[day] = metrics or _with_speed(write(day), time.monotonic() - start)
            log.add(day, written[day])
            in_a_row = 0
        except Exception as error:
            name = context.asset_key.to_user_string()
            context.log.error(f"{name} {day}: {_explained(error)}", extra={"partition": day.isoformat()})
            failed[day] = error
            in_a_row = in_a_row + 1 if is_down(error) else 0
        if in_a_row == _MOST_IN_A_ROW:
            break
    log.flush()
    return written, failed


def _write_ahead(
    context: dg.AssetExecutionContext, days: Iterable[date], together: Together
) -> Iterator[tuple[date, Metrics | None]]:
    """The days, each with its metrics where it was written together with others."""
    for group in batched(days, _MOST_TOGETHER):
        written = _write_together(context, group, together) if len(group) > 1 else {}
        yield from ((day, written.get(day)) for day in group)


def _write_together(context: dg.AssetExecutionContext, days: Sequence[date], together: Together) -> dict[date, Metrics]:
    written: dict[date, Metrics] = {}
    start = time.monotonic()
    try:
        for metrics in together(days):
            share = (time.monotonic() - start) / len(metrics)
            written |= {day: _with_speed(of_day, share) for day, of_day in metrics.items()}
            start = time.monotonic()
    except Exception as error:  # of one of them, which fails alone when it is written by itself
        why = f"as together they could not be: {_explained(error)}"
        context.log.warning(f"What is left of {days[0]} to {days[-1]} is written one by one, {why}")
    return written


def _explained(error: Exception) -> str:
    """The sentence of an error that a user can mend; of any other its trace too, which is for the log alone."""
    if isinstance(error, DataFlowError):
        return str(error)
    return f"{error}\n{''.join(traceback.format_exception(error)).rstrip()}"


def log_others(context: dg.AssetExecutionContext, metrics: Mapping[date, Metrics]) -> None:
    """Say of partitions that they were written, beside those that the run was asked for."""
    written = {day: _with_speed(of_day) for day, of_day in metrics.items()}
    log = _PartitionLog(context)
    for day, of_day in written.items():
        log.add(day, of_day)
    log.flush()
    _log_materializations(context, written)


def outputs_of(checks: Iterable[dg.AssetCheckSpec]) -> Iterator[Written]:
    """The outputs of an asset that has written its partitions, and logged the evaluations of its checks, itself."""
    yield dg.MaterializeResult()
    for check in checks:
        yield dg.Output(None, check.get_python_identifier())


def _log_materializations(context: dg.AssetExecutionContext, written: Mapping[date, Metrics]) -> None:
    with storing_together(context.instance):
        for day, metrics in written.items():
            metadata = partition_metadata(metrics)
            context.log_event(dg.AssetMaterialization(context.asset_key, partition=day.isoformat(), metadata=metadata))


def _failure(written: Mapping[date, Metrics], failed: Mapping[date, Exception], left: int) -> dg.Failure:
    not_tried = f", {left} were not tried" if left else ""
    reasons = "; ".join(f"{day}: {error}" for day, error in failed.items())
    return dg.Failure(
        f"{len(failed)} of {len(failed) + len(written) + left} partitions failed{not_tried}, the others are written. "
        f"{reasons}",
        allow_retries=any(map(is_transient, failed.values())),
    )


def _with_speed(metrics: Metrics, more_seconds: float = 0.0) -> Metrics:
    seconds = metrics.get("seconds", 0)
    assert isinstance(seconds, int | float)
    return {**metrics, **speed(metrics, seconds + more_seconds)}


class _PartitionLog:
    """The lines of the partitions in the run's log: those of a second together, as each message is stored apart."""

    def __init__(self, context: dg.AssetExecutionContext) -> None:
        self._context = context
        self._lines: dict[str, str] = {}
        self._since = time.monotonic()

    def add(self, day: date, metrics: Metrics) -> None:
        """Say what became of a partition, at once or soon."""
        self._lines[day.isoformat()] = line(self._context.asset_key.to_user_string(), day, metrics)
        if time.monotonic() - self._since > _PAUSE:
            self.flush()

    def flush(self) -> None:
        """Say what was not said yet."""
        if self._lines:
            self._context.log.info("\n".join(self._lines.values()), extra={"lines": self._lines})
        self._lines, self._since = {}, time.monotonic()
