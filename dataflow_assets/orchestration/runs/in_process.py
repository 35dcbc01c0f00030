"""From landed objects to answers, in this process, as runs of the Dagster instance.

Here: running what follows from a delivery, in order. Not here: what a run does, which answers follow (see
`planning.downstream`), and runs that the daemon starts.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from typing import Any

import dagster as dg

from dataflow_assets.analytics import Answer, all_answers
from dataflow_assets.errors import RunFailedError
from dataflow_assets.landing.deliveries import Delivery
from dataflow_assets.ledger.event_days import read_loaded_days
from dataflow_assets.ledger.settled import find_settled, read_touched_days
from dataflow_assets.orchestration.checks import references_known
from dataflow_assets.orchestration.ingest_config import ingest_config
from dataflow_assets.orchestration.keys import LAKE, PUBLISHED, WAREHOUSE
from dataflow_assets.orchestration.partitions import batched_stretches, daily_partitions, stretches
from dataflow_assets.orchestration.planning.downstream import Choose, affected_partitions
from dataflow_assets.orchestration.planning.staleness import find_stale_answers, stale_partitions
from dataflow_assets.orchestration.planning.unpublished import find_unpublished
from dataflow_assets.orchestration.resources import Stores, open_stores
from dataflow_assets.orchestration.runs.code_location import REPOSITORY_TAG, in_code_location
from dataflow_assets.orchestration.runs.failures import first_failure, was_interrupted
from dataflow_assets.orchestration.runs.made import Made, find_touched, read_materializations, summarize_made
from dataflow_assets.postgres.connection import connect
from dataflow_assets.runtime.tags import IN_PROCESS, MAX_RETRIES, MAX_RUNTIME, stretches_tags
from dataflow_assets.settings import Settings
from dataflow_assets.sources import find_source
from dataflow_assets.sources.base import Events, Source
from dataflow_assets.warehouse.answers import making_answers
from dataflow_assets.warehouse.bootstrap import open_warehouse
from dataflow_assets.warehouse.staleness import find_changed_by_hand

_SECONDS_HERE = 24 * 3600  # after which the daemon takes such a run for one whose process was killed
_TAGS = {IN_PROCESS: "true", MAX_RUNTIME: str(_SECONDS_HERE), MAX_RETRIES: "0", **REPOSITORY_TAG}
_MOST_NOTES = 3  # of one check
_ALL: Mapping[str, Any] = {}
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass
class Materializer:
    """Runs assets of one code location in this process; `report` hears what is about to run, `tell` what was made.

    `definitions` gives those of the code location. It is asked for each run, and not where there is nothing to do.

    `warnings` are what the checks of the last deliveries warned of. `has_kept` says that some of what follows from them
    was left as it is, since nothing that it is made from has changed.
    """

    settings: Settings
    definitions: Callable[[], dg.Definitions | dg.RepositoryDefinition]
    instance: dg.DagsterInstance
    report: Callable[[str], None] = lambda _: None
    tell: Callable[[Made], None] = lambda _: None
    tags: Mapping[str, str] = field(default_factory=dict)  # of the runs
    warnings: list[str] = field(default_factory=list, init=False)
    has_kept: bool = field(default=False, init=False)
    _touched: dict[str, set[date]] = field(default_factory=dict, init=False)
    _failures: list[str] = field(default_factory=list, init=False)
    _warned: list[dg.AssetCheckEvaluation] = field(default_factory=list, init=False)

    def materialize(self, deliveries: Sequence[Delivery], *, release: bool = False) -> None:
        """Take deliveries into the lake and bring the warehouse, the answers and the published file after them.

        Of what follows from them, only that is made again whose inputs have changed since.

        Where a run fails the others still run, on what there is. To `release` them is to load also what would be
        quarantined.

        Raises:
            RunFailedError: naming every run that failed, and why.
        """
        self._begin({})
        stores = open_stores(self.settings)
        settled = set() if release else self._find_settled(stores, deliveries)  # whose days were touched before
        self._touched, self.has_kept = read_touched_days(stores.url, settled), bool(settled)
        new = [delivery for delivery in deliveries if delivery not in settled]
        if new:
            self._run_lake(new, release=release)
        self._load_settled(stores, settled, {delivery.source for delivery in new})
        self._follow([find_source(name) for name in sorted({delivery.source for delivery in deliveries})], stores)

    def _find_settled(self, stores: Stores, deliveries: Sequence[Delivery]) -> set[Delivery]:
        return set(find_settled(stores.url, stores.storage, deliveries, stores.timezone, self.settings.first_day))

    def _run_lake(self, deliveries: Sequence[Delivery], *, release: bool) -> None:
        """Take deliveries into the lake; the tables of snapshots are brought after it by the same runs."""
        sources = [find_source(name) for name in sorted({delivery.source for delivery in deliveries})]
        lake = [dg.AssetKey([LAKE, source.name]) for source in sources]
        snapshots = [dg.AssetKey([WAREHOUSE, source.name]) for source in sources if not isinstance(source, Events)]
        self._run(
            [*lake, *snapshots],
            daily_partitions(self.settings),
            {delivery.day for delivery in deliveries},
            ingest_config(deliveries, release=release),
        )

    def _load_settled(self, stores: Stores, settled: Set[Delivery], loaded: Set[str]) -> None:
        """Bring the tables of snapshots after deliveries that the lake held before, but for those that are `loaded`."""
        for name in sorted({delivery.source for delivery in settled} - loaded):
            if not isinstance(find_source(name), Events):
                key, days = dg.AssetKey([WAREHOUSE, name]), {one.day for one in settled if one.source == name}
                self._run([key], daily_partitions(self.settings), stale_partitions(stores, key, sorted(days)))

    def follow(self, touched: Mapping[str, set[date]]) -> None:
        """Bring the warehouse, the answers and the published file after the event days that deliveries touched.

        Raises:
            RunFailedError: naming every run that failed, and why.
        """
        self._begin(touched)
        self._follow([find_source(name) for name in sorted(touched)])

    def _begin(self, touched: Mapping[str, set[date]]) -> None:
        self._touched, self._failures, self._warned, self.has_kept = dict(touched), [], [], False

    def _follow(self, sources: Sequence[Source], stores: Stores | None = None) -> None:
        """Make what follows from the days that were touched; where `stores` are given, only what is stale there."""
        for source in sources:
            if isinstance(source, Events) and (days := self._touched.get(source.name, set())):
                chosen = self._choose_days(stores, source, days) if stores else days
                self._run([dg.AssetKey([WAREHOUSE, source.name])], daily_partitions(self.settings), chosen)
        self._run_answers(sources, partial(self._find_outdated, stores) if stores else _choose_all)
        self.warnings = _summarize(self._warned)
        if self._failures:
            raise RunFailedError("\n".join(self._failures))

    def make_answers(self, changed: Mapping[str, set[date]]) -> None:
        """Bring the answers and the published file after the event days of sources that changed.

        Raises:
            RunFailedError: naming every run that failed, and why.
        """
        self._begin(changed)
        self._run_answers([find_source(name) for name in sorted(changed)], _choose_all)
        if self._failures:
            raise RunFailedError("\n".join(self._failures))

    def _choose_days(self, stores: Stores, source: Events, days: Set[date]) -> Set[date]:
        """The days of an event table that are stale, or do not hold what was loaded."""
        stale = set(stale_partitions(stores, dg.AssetKey([WAREHOUSE, source.name]), sorted(days)))
        with connect(stores.url) as connection:
            return self._note_kept(stale | find_changed_by_hand(connection, source, days - stale), days)

    def _find_outdated(self, stores: Stores) -> Choose:
        """Of an answer, the partitions that are stale, or that the published file does not hold as they are."""
        find_stale, file = find_stale_answers(stores, all_answers()), self.settings.published_file

        def choose(answer: Answer, days: Set[date]) -> Set[date]:
            unpublished = find_unpublished(self.instance, stores.url, file, answer, days)
            return self._note_kept({*find_stale(answer, days), *unpublished}, days)

        return choose

    def _note_kept(self, chosen: Set[date], among: Set[date]) -> Set[date]:
        self.has_kept |= len(chosen) < len(among)
        return chosen

    def _run_answers(self, sources: Sequence[Source], look: Callable[[], Choose]) -> None:
        """Run the answers that read a source, those with the same partitions together.

        `look` is called once nobody else makes answers, and says how to choose among their partitions.
        """
        changed = {source.name: self._touched.get(source.name, set()) for source in sources}
        url = open_warehouse(self.settings)
        published: list[dg.AssetMaterialization] = []
        with making_answers(url):
            with connect(url) as connection:
                loaded = partial(read_loaded_days, connection)
                affected = affected_partitions(changed, loaded, self.settings.timezone, look())
            for together in affected:
                made = self._run(together.assets, together.partitions(self.settings), together.days)
                published += [one for one in made if one.asset_key.path[0] == PUBLISHED]
        for one in summarize_made(published):
            self.tell(one)

    def _run(
        self,
        assets: Iterable[dg.AssetKey],
        partitions: dg.PartitionsDefinition[str],
        days: Iterable[date],
        config: Mapping[str, Any] = _ALL,
    ) -> list[dg.AssetMaterialization]:
        """Run assets of these partitions for some days; what was materialized.

        One asset takes one run. Where others follow in the same run, each stretch without a gap takes one, for a day
        that fails keeps them from all days of its run. Of the published copies `tell` hears later, of all together.
        """
        selection = list(assets)
        made: list[dg.AssetMaterialization] = []
        is_one = len(selection) == 1
        for share in batched_stretches(partitions, days) if is_one else ([one] for one in stretches(partitions, days)):
            self.report(", ".join(key.to_user_string() for key in selection))
            result = run_range(
                self.definitions(), self.instance, selection, {**stretches_tags(share), **self.tags}, config
            )
            made += read_materializations(self.instance, result.run_id)
            self._note_warnings(result)
            if not result.success:
                self._failures.append(explain_failure(result))
        self._note_touched(made)
        for one in summarize_made(one for one in made if one.asset_key.path[0] != PUBLISHED):
            self.tell(one)
        return made

    def _note_touched(self, made: Iterable[dg.AssetMaterialization]) -> None:
        for source, days in find_touched(made).items():
            self._touched.setdefault(source, set()).update(days)

    def _note_warnings(self, result: dg.ExecuteInProcessResult) -> None:
        for entry in self.instance.all_logs(result.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION):
            event = entry.get_dagster_event()
            assert isinstance(event.event_specific_data, dg.AssetCheckEvaluation)
            self._warned += [event.event_specific_data] if event.event_specific_data.description else []


def _choose_all() -> Choose:
    return lambda _, days: days


def _summarize(warned: Sequence[dg.AssetCheckEvaluation]) -> list[str]:
    """What checks warned of: each of its first partitions, but what was not known only once for each source."""
    of_references = [evaluation for evaluation in warned if evaluation.check_name == references_known.CHECK.name]
    others: dict[dg.AssetCheckKey, list[str]] = {}
    for evaluation in warned:
        if evaluation.check_name != references_known.CHECK.name:
            others.setdefault(evaluation.asset_check_key, []).append(str(evaluation.description))
    few = (note for check, sentences in others.items() for note in _first_few(check, sentences))
    return [*few, *references_known.notes(of_references)]


def _first_few(check: dg.AssetCheckKey, sentences: Sequence[str]) -> list[str]:
    """What a check said of some partitions, and where the rest of it stands."""
    more = len(sentences) - _MOST_NOTES
    rest = f"The check {check.name} of {check.asset_key.to_user_string()} warns of {more:,} partitions more."
    return [*sentences[:_MOST_NOTES], *([rest] if more > 0 else [])]


def run_range(
    definitions: dg.Definitions | dg.RepositoryDefinition,
    instance: dg.DagsterInstance,
    assets: Sequence[dg.AssetKey],
    tags: Mapping[str, str],
    config: Mapping[str, Any] = _ALL,
) -> dg.ExecuteInProcessResult:
    """Run assets in this process, for the partitions that the tags name; it may fail.

    Raises:
        KeyboardInterrupt: somebody stopped it, which Dagster takes for a failure of the run alone.
    """
    job = (
        definitions.get_implicit_global_asset_job_def()
        if isinstance(definitions, dg.RepositoryDefinition)
        else definitions.resolve_implicit_global_asset_job_def()
    )
    with in_code_location(instance, job.name):
        result = job.execute_in_process(
            instance=instance,
            asset_selection=assets,
            tags={**tags, **_TAGS},
            run_config={**QUIET, **config},
            raise_on_error=False,
        )
    if was_interrupted(result.all_events):
        raise KeyboardInterrupt(f"The run {result.run_id} was interrupted.")
    return result


def explain_failure(result: dg.ExecuteInProcessResult) -> str:
    """Why a run failed, in a sentence."""
    why = first_failure(result.all_events) or "see the run's log in the Dagster UI"
    return f"The run {result.run_id} failed: {why}"
