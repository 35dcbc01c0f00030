"""From landed objects to answers, in this process, as runs of the Dagster instance.

Here: which partitions of which assets follow from a delivery, and running them in order. Not here: what a
run does, and runs that the daemon starts.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

import dagster as dg

from dataflow_assets.analytics import Answer, all_answers
from dataflow_assets.errors import RunFailedError
from dataflow_assets.landing.deliveries import Delivery
from dataflow_assets.orchestration.assets import ANALYTICS, LAKE, PUBLISHED, WAREHOUSE, days_before
from dataflow_assets.orchestration.lake_io_manager import DAYS_SUFFIX
from dataflow_assets.orchestration.partitions import range_tags, ranges
from dataflow_assets.settings import Settings
from dataflow_assets.sources import find_source
from dataflow_assets.sources.declaration import Events, Source
from dataflow_assets.warehouse.database import connect
from dataflow_assets.warehouse.event_days import loaded_days
from dataflow_assets.warehouse.opening import open_warehouse

_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass
class Materializer:
    """Runs assets of one code location in this process; `report` hears what is about to run."""

    settings: Settings
    definitions: dg.Definitions
    instance: dg.DagsterInstance
    report: Callable[[str], None]
    touched: dict[str, set[date]] = field(default_factory=dict)

    def materialize(self, deliveries: Sequence[Delivery]) -> None:
        """Take deliveries into the lake and bring the warehouse, the answers and the published file after them.

        Raises:
            RunFailedError: a run failed; what other runs and partitions did stays.
        """
        sources = [find_source(name) for name in sorted({delivery.source for delivery in deliveries})]
        days = {delivery.day for delivery in deliveries}
        snapshots = [[WAREHOUSE, source.name] for source in sources if not isinstance(source, Events)]
        self._run([*([LAKE, source.name] for source in sources), *snapshots], days)
        for source in sources:
            if isinstance(source, Events):
                self._run([[WAREHOUSE, source.name]], self.touched.get(source.name, set()))
        self._run_answers(sources)

    def _run_answers(self, sources: Sequence[Source]) -> None:
        """Run the answers that read a source, those with the same partitions together."""
        together: dict[tuple[date, ...], list[Answer]] = {}
        for answer in all_answers():
            if read := [source for source in sources if source.name in answer.reads]:
                together.setdefault(tuple(sorted(self._partitions(answer, read))), []).append(answer)
        for partitions, answers in together.items():
            keys = [[layer, answer.name] for answer in answers for layer in (ANALYTICS, PUBLISHED)]
            self._run(keys, partitions)

    def _partitions(self, answer: Answer, changed: Sequence[Source]) -> set[date]:
        """The answer's partitions that may say something else now."""
        events = [source for name in answer.reads if isinstance(source := find_source(name), Events)]
        days: set[date] = set()
        for source in events:
            # A changed snapshot may change the answer of every day that there is.
            is_all = any(not isinstance(other, Events) for other in changed)
            days |= self._loaded_days(source) if is_all else set()
            days |= self.touched.get(source.name, set())
        if answer.grain == "month":
            return {day.replace(day=1) for day in days}
        return {day + timedelta(days=after) for day in days for after in range(days_before(answer) + 1)}

    def _loaded_days(self, source: Events) -> set[date]:
        with connect(open_warehouse(self.settings)) as connection:
            return loaded_days(connection, source)

    def _run(self, keys: Iterable[Sequence[str]], partitions: Iterable[date]) -> None:
        """Run assets of one grain for their partitions, a run for each stretch without a gap."""
        selection = [dg.AssetKey(key) for key in keys]
        job = self.definitions.resolve_implicit_job_def_def_for_assets(selection)
        assert job is not None
        definition = job.asset_layer.get(selection[0]).partitions_def
        known = [day for day in partitions if definition and definition.has_partition_key(day.isoformat())]
        for first, last in _stretches(known, is_monthly=isinstance(definition, dg.MonthlyPartitionsDefinition)):
            self.report(", ".join(key.to_user_string() for key in selection))
            result = job.execute_in_process(
                instance=self.instance,
                asset_selection=selection,
                tags=range_tags(first, last),
                run_config=_QUIET,
                raise_on_error=False,
            )
            self._note_touched(result)
            if not result.success:
                raise RunFailedError(_reason(result))

    def _note_touched(self, result: dg.ExecuteInProcessResult) -> None:
        for event in result.get_asset_materialization_events():
            layer, name = event.asset_key.path if event.asset_key else ("", "")
            if layer == LAKE and name.endswith(DAYS_SUFFIX) and event.partition:
                self.touched.setdefault(name.removesuffix(DAYS_SUFFIX), set()).add(date.fromisoformat(event.partition))


def _stretches(days: Iterable[date], *, is_monthly: bool) -> list[tuple[date, date]]:
    if not is_monthly:
        return list(ranges(days))
    months = {12 * day.year + day.month - 1 for day in days}
    found = ranges(date.fromordinal(month) for month in months)
    return [(_month(first.toordinal()), _month(last.toordinal())) for first, last in found]


def _month(number: int) -> date:
    return date(number // 12, number % 12 + 1, 1)


def _reason(result: dg.ExecuteInProcessResult) -> str:
    failures = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    errors = [failure.error for failure in failures if failure.error]
    message = errors[0].message.strip() if errors else "see the run's log in the Dagster UI"
    return f"The run {result.run_id} failed: {message}"
