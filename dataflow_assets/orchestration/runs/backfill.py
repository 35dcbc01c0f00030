"""Backfills in this process: partitions of one asset, in ranges that are a run each.

Here: which ranges, running them, and going on where one was stopped. Not here: which partitions are undone (see
`undone`), and the backfills of the nights (see `nightly`).
"""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import date

import dagster as dg

from dataflow_assets.analytics import all_answers, find_answer
from dataflow_assets.errors import NotFoundError, RunFailedError
from dataflow_assets.lake.delta.table import rows_table
from dataflow_assets.landing.storage import open_storage
from dataflow_assets.orchestration.assets import ANALYTICS, PUBLISHED, WAREHOUSE, answer_partitions
from dataflow_assets.orchestration.lake_io_manager import LAKE
from dataflow_assets.orchestration.partitions import (
    RANGE_END,
    RANGE_START,
    daily_partitions,
    partition_days,
    range_tags,
    ranges,
)
from dataflow_assets.orchestration.planning.staleness import undone
from dataflow_assets.orchestration.runs.failures import was_interrupted
from dataflow_assets.orchestration.runs.in_process import reason, run_range
from dataflow_assets.settings import Settings
from dataflow_assets.sources import all_sources, find_source
from dataflow_assets.sources.base import Events
from dataflow_assets.warehouse.answers import making_answers
from dataflow_assets.warehouse.bootstrap import open_warehouse

_TAG = "dataflow/backfill"  # of its runs: asset, first and last partition
_END = "dataflow/backfill_ended"  # of its last run, where it came to its end

Range = tuple[str, str]


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

    @property
    def assets(self) -> list[dg.AssetKey]:
        """The asset, and of an answer its copy in the published file."""
        layer, name = self.asset.path
        return [self.asset, dg.AssetKey([PUBLISHED, name])] if layer == ANALYTICS else [self.asset]

    def ranges(self, *, only_missing: bool) -> list[Range]:
        """The runs that it takes: the first and the last partition of each.

        Args:
            only_missing: leave out what is as it should be.
        """
        keys = self._partitions().get_partition_keys()
        days = [day for day in partition_days(keys) if self.first <= day <= self.last]
        if only_missing and days:
            days = undone(self.settings, self.asset, days)
        return ranges(self._partitions(), days, _sizes(self.settings, self.asset))

    def run(
        self,
        definitions: dg.Definitions,
        instance: dg.DagsterInstance,
        wanted: Sequence[Range],
        report: Callable[[str], None],
    ) -> None:
        """Run the ranges one after the other, but for those that a run did before this backfill was stopped.

        Raises:
            RunFailedError: naming every range that failed, and why; the others are done.
        """
        failures: list[str] = []
        done = self._done(instance)
        left = [one for one in wanted if one not in done]
        answers = self.asset.path[0] == ANALYTICS
        with making_answers(open_warehouse(self.settings)) if answers else nullcontext():
            for number, (first, last) in enumerate(left, start=1):
                report(f"{self.asset.to_user_string()} {first} to {last}, {number} of {len(left)}")
                tags = {**range_tags(first, last), _TAG: self.name}
                result = run_range(definitions, instance, self.assets, tags)
                if was_interrupted(result.all_events):
                    raise KeyboardInterrupt
                if not result.success:
                    failures.append(reason(result))
                if number == len(left):
                    instance.add_run_tags(result.run_id, {_END: "true"})
        if failures:
            raise RunFailedError("\n".join(failures))

    def _done(self, instance: dg.DagsterInstance) -> set[Range]:
        """The ranges that were done by runs of this backfill since it last came to its end."""
        done: set[Range] = set()
        for run in instance.get_runs(dg.RunsFilter(tags={_TAG: self.name})):  # newest first
            if _END in run.tags:
                break
            if run.status is dg.DagsterRunStatus.SUCCESS:
                done.add((run.tags[RANGE_START], run.tags[RANGE_END]))
        return done

    def _partitions(self) -> dg.TimeWindowPartitionsDefinition:
        layer, name = self.asset.path
        return (
            answer_partitions(self.settings, find_answer(name))
            if layer == ANALYTICS
            else daily_partitions(self.settings)
        )


def find_asset(name: str) -> dg.AssetKey:
    """The key of an asset that can be backfilled, such as `warehouse/streams`.

    Raises:
        NotFoundError: naming those that there are.
    """
    known = [f"{layer}/{source.name}" for layer in (LAKE, WAREHOUSE) for source in all_sources()]
    known += [f"{ANALYTICS}/{answer.name}" for answer in all_answers()]
    if name not in known:
        raise NotFoundError(f"There is no asset {name!r} to backfill; there are {', '.join(known)}.")
    return dg.AssetKey(name.split("/"))


def _sizes(settings: Settings, asset: dg.AssetKey) -> dict[date, int]:
    """How many bytes the days of an asset read; of an answer, and of what was never read before, nobody knows."""
    layer, name = asset.path
    if layer == ANALYTICS:
        return {}
    source = find_source(name)
    column = "event_date" if isinstance(source, Events) and layer == WAREHOUSE else "delivery_day"
    return rows_table(open_storage(settings), source).sizes(column)
