"""Backfills: partitions of one asset, in ranges that are a run each, in this process or on workers.

Here: running the ranges, and going on where a backfill was stopped. Not here: which ranges they are (see
`planning.ranges`), and the backfills of the nights (see `automation.reconcile`).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import date
from typing import Any

import dagster as dg

from dataflow_assets.analytics import all_answers, find_answer
from dataflow_assets.core.suggestions import suggest
from dataflow_assets.errors import NotFoundError, RunFailedError
from dataflow_assets.orchestration.automation.jobs import ANSWERS
from dataflow_assets.orchestration.keys import ANALYTICS, LAKE, WAREHOUSE
from dataflow_assets.orchestration.partitions import partition_days
from dataflow_assets.orchestration.planning.ranges import Range, assets_with, find_ranges, partitions_of_asset
from dataflow_assets.orchestration.planning.staleness import stale_partitions
from dataflow_assets.orchestration.resources import open_stores
from dataflow_assets.orchestration.runs.in_process import explain_failure, run_range
from dataflow_assets.orchestration.runs.made import Made, read_materializations, summarize_made
from dataflow_assets.orchestration.runs.on_workers import explain_failed_run, run_on_workers
from dataflow_assets.runtime.code_version import code_version
from dataflow_assets.runtime.tags import BACKFILL, BACKFILL_ENDED, RANGE_END, RANGE_START, range_tags
from dataflow_assets.settings import Settings
from dataflow_assets.sources import all_sources
from dataflow_assets.warehouse.answers import making_answers
from dataflow_assets.warehouse.bootstrap import open_warehouse


@dataclass(frozen=True)
class Ended:
    """A run of a range that has ended, and why it failed, if it did."""

    range_: Range
    run_id: str
    failure: str | None


@dataclass(frozen=True)
class Backfill:
    """The partitions of an asset from one day to another; of months those that begin there."""

    settings: Settings
    asset: dg.AssetKey
    first: date
    last: date
    slots: int = 1  # how many runs are made at once; more than one by Celery workers

    @property
    def name(self) -> str:
        """What its runs are found by: runs by other code are none of it."""
        return f"{self.asset.to_user_string()} {self.first} {self.last} {code_version()}"

    @property
    def job(self) -> str:
        """The job that makes the asset."""
        layer, name = self.asset.path
        return ANSWERS[find_answer(name).grain] if layer == ANALYTICS else layer

    def ranges(self, *, only_stale: bool) -> list[Range]:
        """The runs that it takes: the first and the last partition of each.

        Args:
            only_stale: leave out what is as it should be.

        Raises:
            NotFoundError: the asset has no partition then.
        """
        partitions = partitions_of_asset(self.settings, self.asset)
        if not self._days_among(keys := partitions.get_partition_keys()):
            what = f"{self.asset.to_user_string()} has no partition from {self.first} to {self.last}"
            raise NotFoundError(f"{what}: they go from {keys[0]} to {keys[-1]}.")
        stores = open_stores(self.settings)
        return find_ranges(
            stores, self.asset, partitions, self.first, self.last, only_stale=only_stale, slots=self.slots
        )

    def find_left(self, instance: dg.DagsterInstance, ranges: Sequence[Range]) -> list[Range]:
        """Those among all ranges that are to be run: not what a run did before this backfill was stopped.

        What has become stale since then is run again. Where nothing would be left, it was stopped as it ended, and a
        new one begins.
        """
        done = self._find_done(instance)
        partitions = partitions_of_asset(self.settings, self.asset)
        days = self._days_among(partitions.get_partition_keys()) if done else []
        stale = (
            {day.isoformat() for day in stale_partitions(open_stores(self.settings), self.asset, days)} if days else ()
        )
        left = [one for one in ranges if one not in done or any(one[0] <= day <= one[1] for day in stale)]
        return left or list(ranges)

    def _days_among(self, keys: Iterable[str]) -> list[date]:
        return [day for day in partition_days(keys) if self.first <= day <= self.last]

    def run(
        self,
        definitions: dg.Definitions,
        instance: dg.DagsterInstance,
        wanted: Sequence[Range],
        report: Callable[[str], None],
        tell: Callable[[Range, Made], None],
    ) -> None:
        """Run ranges one after the other.

        Args:
            definitions: those of the asset.
            instance: where the runs are kept.
            wanted: the ranges.
            report: hears what is about to run.
            tell: hears what was made of a range.

        Raises:
            RunFailedError: naming every range that failed, and why; the others are done.
        """

        def run_each() -> Iterator[Ended]:
            for number, range_ in enumerate(wanted, start=1):
                report(f"{self.asset.to_user_string()} {range_[0]} to {range_[1]}, {number} of {len(wanted)}")
                result = run_range(definitions, instance, assets_with(self.asset), self._tags(range_))
                yield Ended(range_, result.run_id, None if result.success else explain_failure(result))

        answers = self.asset.path[0] == ANALYTICS
        with making_answers(open_warehouse(self.settings)) if answers else nullcontext():
            self._tell_each(instance, wanted, run_each(), tell)

    def run_on_workers(
        self,
        job: Any,
        instance: dg.DagsterInstance,
        wanted: Sequence[Range],
        report: Callable[[str], None],
        tell: Callable[[Range, Made], None],
    ) -> None:
        """The same, by Celery workers: as many ranges at once as there are slots.

        Args:
            job: the one of that name, as `dg.build_reconstructable_job` gives it.
            instance: where the runs are kept.
            wanted: the ranges.
            report: hears how many ranges are done.
            tell: hears what was made of a range.

        Raises:
            RunFailedError: naming every range that failed, and why; the others are done.
        """
        tags = [self._tags(range_) for range_ in wanted]

        def run_each() -> Iterator[Ended]:
            done = run_on_workers(instance, job, assets_with(self.asset), tags, self.slots)
            for number, (which, run) in enumerate(done, start=1):
                report(f"{self.asset.to_user_string()}, {number} of {len(wanted)}, {self.slots} at once")
                yield Ended(wanted[which], run.run_id, None if run.is_success else explain_failed_run(instance, run))

        report(f"{self.asset.to_user_string()}, {len(wanted)} runs, {self.slots} at once")
        self._tell_each(instance, wanted, run_each(), tell)

    def _tags(self, range_: Range) -> dict[str, str]:
        return {**range_tags(*range_), BACKFILL: self.name}

    def _tell_each(
        self,
        instance: dg.DagsterInstance,
        wanted: Sequence[Range],
        ended: Iterable[Ended],
        tell: Callable[[Range, Made], None],
    ) -> None:
        """Tell what was made by the run of each range as it ends; the newest run says that all have."""
        failures: list[str] = []
        runs: dict[Range, str] = {}
        for one in ended:
            runs[one.range_] = one.run_id
            for made in summarize_made(read_materializations(instance, one.run_id)):
                tell(one.range_, made)
            failures += [one.failure] if one.failure else []
        if wanted:
            instance.add_run_tags(runs[wanted[-1]], {BACKFILL_ENDED: "true"})
        if failures:
            raise RunFailedError("\n".join(failures))

    def _find_done(self, instance: dg.DagsterInstance) -> set[Range]:
        """The ranges that were done by runs of this backfill since it last came to its end."""
        done: set[Range] = set()
        for run in instance.get_runs(dg.RunsFilter(tags={BACKFILL: self.name})):  # newest first
            if BACKFILL_ENDED in run.tags:
                break
            if run.status is dg.DagsterRunStatus.SUCCESS:
                done.add((run.tags[RANGE_START], run.tags[RANGE_END]))
        return done


def find_asset(name: str) -> dg.AssetKey:
    """The key of an asset that can be backfilled, such as `warehouse/streams`.

    Raises:
        NotFoundError: naming those that there are.
    """
    known = [f"{layer}/{source.name}" for layer in (LAKE, WAREHOUSE) for source in all_sources()]
    known += [f"{ANALYTICS}/{answer.name}" for answer in all_answers()]
    if name not in known:
        raise NotFoundError(
            f"There is no asset {name!r} to backfill; there are {', '.join(known)}.{suggest(name, known)}"
        )
    return dg.AssetKey(name.split("/"))
