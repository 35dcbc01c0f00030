"""Backfills in this process: partitions of one asset, in ranges that are a run each.

Here: running the ranges, and going on where a backfill was stopped. Not here: which ranges they are (see
`planning.ranges`), and the backfills of the nights (see `automation.reconcile`).
"""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import date

import dagster as dg

from dataflow_assets.analytics import all_answers
from dataflow_assets.core.suggestions import suggest
from dataflow_assets.errors import NotFoundError, RunFailedError
from dataflow_assets.orchestration.keys import ANALYTICS, LAKE, WAREHOUSE
from dataflow_assets.orchestration.planning.ranges import Range, assets_with, find_ranges, partitions_of_asset
from dataflow_assets.orchestration.resources import open_stores
from dataflow_assets.orchestration.runs.failures import was_interrupted
from dataflow_assets.orchestration.runs.in_process import explain_failure, run_range
from dataflow_assets.orchestration.runs.made import Made, read_materializations, summarize_made
from dataflow_assets.runtime.tags import BACKFILL, BACKFILL_ENDED, RANGE_END, RANGE_START, range_tags
from dataflow_assets.settings import Settings
from dataflow_assets.sources import all_sources
from dataflow_assets.warehouse.answers import making_answers
from dataflow_assets.warehouse.bootstrap import open_warehouse


@dataclass(frozen=True)
class Backfill:
    """The partitions of an asset from one day to another; of months those that begin there."""

    settings: Settings
    asset: dg.AssetKey
    first: date
    last: date

    @property
    def name(self) -> str:
        """What its runs are found by."""
        return f"{self.asset.to_user_string()} {self.first} {self.last}"

    def ranges(self, *, only_stale: bool) -> list[Range]:
        """The runs that it takes: the first and the last partition of each.

        Args:
            only_stale: leave out what is as it should be.
        """
        partitions = partitions_of_asset(self.settings, self.asset)
        stores = open_stores(self.settings)
        return find_ranges(stores, self.asset, partitions, self.first, self.last, only_stale=only_stale)

    def run(
        self,
        definitions: dg.Definitions,
        instance: dg.DagsterInstance,
        wanted: Sequence[Range],
        report: Callable[[str], None],
        tell: Callable[[Range, Made], None],
    ) -> None:
        """Run the ranges one after the other, but for those that a run did before this backfill was stopped.

        Args:
            definitions: those of the asset.
            instance: where the runs are kept.
            wanted: the ranges.
            report: hears what is about to run.
            tell: hears what was made of a range.

        Raises:
            RunFailedError: naming every range that failed, and why; the others are done.
        """
        failures: list[str] = []
        done = self._find_done(instance)
        left = [one for one in wanted if one not in done]
        answers = self.asset.path[0] == ANALYTICS
        with making_answers(open_warehouse(self.settings)) if answers else nullcontext():
            for number, (first, last) in enumerate(left, start=1):
                report(f"{self.asset.to_user_string()} {first} to {last}, {number} of {len(left)}")
                tags = {**range_tags(first, last), BACKFILL: self.name}
                result = run_range(definitions, instance, assets_with(self.asset), tags)
                for made in summarize_made(read_materializations(instance, result.run_id)):
                    tell((first, last), made)
                if was_interrupted(result.all_events):
                    raise KeyboardInterrupt
                if not result.success:
                    failures.append(explain_failure(result))
                if number == len(left):
                    instance.add_run_tags(result.run_id, {BACKFILL_ENDED: "true"})
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
