"""What a run of a collected `landing/<source>` does: brings what is new, and says what became of it.

Here: what is said of each day. Not here: finding and bringing (see `collectors`), which know nothing of Dagster.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

import dagster as dg

from dataflow_assets.collectors.collect import Collecting
from dataflow_assets.collectors.sink import Landed, Report
from dataflow_assets.core.files import explain_full_disk
from dataflow_assets.core.formatting import few
from dataflow_assets.landing.deliveries import Landing
from dataflow_assets.landing.storage import Storage
from dataflow_assets.ledger.collected import open_record
from dataflow_assets.orchestration.assets.per_partition import log_others
from dataflow_assets.orchestration.checks import judge_run
from dataflow_assets.orchestration.checks.base import Outcome
from dataflow_assets.orchestration.metadata import links
from dataflow_assets.orchestration.metadata.metrics import Metrics, partition_metadata
from dataflow_assets.settings import Settings
from dataflow_assets.sources.base import Source

_MOST_NAMED = 5  # of what failed


@dataclass(frozen=True)
class CollectRun:
    """A run of one source: of its days, or of what is new of `any_day`."""

    context: dg.AssetExecutionContext
    settings: Settings
    storage: Storage
    outcome: Outcome
    any_day: bool

    @property
    def source(self) -> Source:
        """The source that is collected."""
        return self.outcome.target.source

    def write(self) -> None:
        """Bring it and say so, day by day; let the checks judge, and then fail where something failed.

        Raises:
            Failure: naming what could not be brought, where that was not said before; the rest has landed.
            CollectError: the place cannot be used.
        """
        start = time.monotonic()
        report = self._collect()
        days = _metrics_by_day(report, time.monotonic() - start)
        self.outcome.present.extend(days)
        if self.any_day or report.error or report.failed:
            log_others(self.context, {day: said for day, said in days.items() if self._has_partition(day)})
        else:
            for day in self.outcome.days:
                metadata = partition_metadata(days.get(day) or _metrics([], time.monotonic() - start))
                self.context.add_asset_metadata(metadata, partition_key=day.isoformat())
        judge_run(self.context, self.outcome)
        self._tell(report)

    def _collect(self) -> Report:
        collecting = Collecting(
            landing=Landing(self.storage),
            timezone=self.settings.timezone,
            today=self.outcome.today,
            first_day=self.settings.first_day,
        )
        record = open_record(self.outcome.url, self.source.name)
        with explain_full_disk(self.settings.home):
            return collecting.collect(self.source, record, None if self.any_day else set(self.outcome.days))

    def _has_partition(self, day: date) -> bool:
        partitions = self.context.assets_def.partitions_def
        assert partitions
        has_partition = bool(partitions.has_partition_key(day.isoformat()))
        if not has_partition:
            self.context.log.warning(f"{self.source.name}: the day {day} has no partition, so nothing takes its files")
        return has_partition

    def _tell(self, report: Report) -> None:
        """Say what waits and what failed, and fail where that is new."""
        for path, reason in report.postponed.items():
            self.context.log.info(f"{path} waits: {reason}")
        for path, reason in report.failed.items():
            again = " as before" if path in report.told else ""
            self.context.log.warning(f"{path} could not be collected{again}: {reason}")
        if report.error:
            raise report.error
        if new := {path: reason for path, reason in report.failed.items() if path not in report.told}:
            reasons = few((f"{path}: {reason}" for path, reason in new.items()), _MOST_NAMED)
            raise dg.Failure(
                f"{len(new)} of {self.source.name} could not be collected, the others were. {reasons}",
                allow_retries=False,
            )


def _metrics_by_day(report: Report, seconds: float) -> Mapping[date, Metrics]:
    by_day: dict[date, list[Landed]] = {}
    for landed in report.landed:
        by_day.setdefault(landed.delivery.day, []).append(landed)
    return {day: _metrics(found, seconds) for day, found in sorted(by_day.items())}


def _metrics(landed: Iterable[Landed], seconds: float) -> Metrics:
    """What is said of a day: its new files; `seconds` are those of the run."""
    found = list(landed)
    return {
        "objects": len(found),
        "bytes": sum(one.delivery.size for one in found),
        "seconds": round(seconds, 3),
        **links.collected_paths([one.remote.path for one in found]),
    }
