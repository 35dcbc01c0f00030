"""Collecting from streams for as long as it is wanted.

Here: round after round, whatever fails in one. Not here: a round (see `collect`).
"""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from dataflow_assets.collectors import collector_for
from dataflow_assets.collectors.base import Record
from dataflow_assets.collectors.collect import Collecting
from dataflow_assets.errors import DataFlowError
from dataflow_assets.sources.base import Source

_ROUND_SECONDS = 300.0  # after which new partitions are looked for
_PAUSE_SECONDS = 10.0


def is_stream(source: Source) -> bool:
    """Whether what a source brings comes all the time."""
    return source.arrives is not None and collector_for(type(source.arrives)).is_stream


def follow(
    sources: Sequence[Source],
    collecting_until: Callable[[Callable[[], bool]], Collecting],
    record_of: Callable[[Source], Record],
    stop: threading.Event,
    tell: Callable[[str], None],
) -> None:
    """Collect from some streams until an event is set; what came until then has landed.

    Args:
        sources: those of streams.
        collecting_until: how to collect until something is true.
        record_of: the record of a source.
        stop: ends it.
        tell: hears each failure, a lasting one once.
    """
    with ThreadPoolExecutor(len(sources), "follow") as each:
        for source in sources:
            each.submit(_follow, source, collecting_until, record_of, stop, tell)


def _follow(
    source: Source,
    collecting_until: Callable[[Callable[[], bool]], Collecting],
    record_of: Callable[[Source], Record],
    stop: threading.Event,
    tell: Callable[[str], None],
) -> None:
    told = ""
    while not stop.is_set():
        end = time.monotonic() + _ROUND_SECONDS
        try:
            report = collecting_until(lambda end=end: stop.is_set() or time.monotonic() > end).collect(  # type: ignore[misc]
                source, record_of(source)
            )
            sentences = [f"{path}: {reason}" for path, reason in report.failed.items() if path not in report.told]
            problem = "\n".join([*sentences, *([str(report.error)] if report.error else [])])
        except DataFlowError as error:
            problem = str(error)
        except Exception as error:
            problem = f"{type(error).__name__}: {error}"
        if problem and problem != told:
            tell(f"{source.name}: {problem}")
        told = problem
        if problem:
            stop.wait(_PAUSE_SECONDS)
