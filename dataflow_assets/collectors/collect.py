"""Collecting what is new of one source.

Here: finding, choosing by day, bringing and recording, in this order, and keeping secrets out of what is said of it: a
library may quote one that it cannot use. Not here: how a collector does its part (see the
other files), and what follows from what landed (see `orchestration`).
"""

import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date

from dataflow_assets.collectors import open_collector
from dataflow_assets.collectors.base import CollectError, Collector, Record, Remote
from dataflow_assets.collectors.sink import LandingSink, Report
from dataflow_assets.landing.deliveries import Landing
from dataflow_assets.settings import mask_secrets
from dataflow_assets.sources.base import Source
from dataflow_assets.sources.origins.base import Origin


def check_origin(source: Source, timezone: str) -> str:
    """Try to reach where a source `arrives` from; a sentence that says what is there.

    Raises:
        CollectError: it cannot be reached, or is not as declared, and why.
    """
    collector = open_collector(source, timezone)
    with masked_errors(collector.origin):
        return collector.check()


def _nobody(_: str) -> None:
    """Hear nothing."""


@dataclass(frozen=True, kw_only=True)
class Collecting:
    """What is needed to collect from anywhere: where it lands, and what `today` is in the business time zone.

    What a stream brings from before `first_day` lands on that day. With `is_enough`, it is waited for until that is so.
    """

    landing: Landing
    timezone: str
    today: date
    first_day: date = date.min
    progress: Callable[[str], None] = _nobody
    is_enough: Callable[[], bool] | None = None

    def find_new(
        self, source: Source, record: Record, days: Collection[date] | None = None
    ) -> list[tuple[date, Remote]]:
        """What would be collected of a source that `arrives` from somewhere, and on which day it would land.

        Args:
            source: its declaration.
            record: what was collected of it before.
            days: leaves out what lands on others.

        Raises:
            CollectError: the place cannot be looked at.
        """
        collector = open_collector(source, self.timezone, first_day=self.first_day)
        return self._find(collector, record, self._sink(source, record), days)

    def collect(self, source: Source, record: Record, days: Collection[date] | None = None) -> Report:
        """Bring what is new of it into landing; what became of it, and the error that ended it early.

        Killed at any point, it is to be repeated: nothing lands twice, and nothing is left out. Each thing is recorded
        when it has landed. The arguments are those of `find_new`.
        """
        collector = open_collector(source, self.timezone, self.is_enough, self.first_day)
        sink = self._sink(source, record)
        try:
            found = [remote for _, remote in self._find(collector, record, sink, days)]
            sink.expect(found)
            for remote in found:
                if remote.fault:
                    sink.fail(remote, remote.fault)
            if wanted := [remote for remote in found if not remote.fault]:
                with masked_errors(collector.origin):
                    collector.bring(wanted, sink)
        except CollectError as error:
            sink.report.error = error
        failed = sink.report.failed
        sink.report.failed = {path: _masked(collector.origin, reason) for path, reason in failed.items()}
        return sink.close()

    def _sink(self, source: Source, record: Record) -> LandingSink:
        return LandingSink(source.name, self.today, self.landing, record, self.progress)

    def _find(
        self, collector: Collector[Origin], record: Record, sink: LandingSink, days: Collection[date] | None
    ) -> list[tuple[date, Remote]]:
        self.progress(f"Looking at {collector.origin.address}")
        with masked_errors(collector.origin):
            found = list(collector.find(record))
        day_of = sink.days_of(found)
        dated = [(day_of[remote.path], remote) for remote in found]
        return [(day, remote) for day, remote in dated if days is None or day in days]


@contextmanager
def masked_errors(origin: Origin) -> Iterator[None]:
    """Leave the secrets of an origin out of what is said to be wrong with it."""
    try:
        yield
    except CollectError as error:
        raise type(error)(_masked(origin, str(error))) from None


def _masked(origin: Origin, text: str) -> str:
    """The text without the values of the environment variables that an origin names."""
    for variable in origin.variables.values():
        text = mask_secrets(text, os.environ.get(variable, "") if variable else "")
    return text
