"""The assets `analytics/<answer>`: what is answered again for each day or month.

The work is done here and not by an IO manager that is handed a frame: each partition is stored in one transaction with
the versions of the tables that it was made from, so that a slow run never replaces what a newer one wrote.

Here: what they depend on and say of themselves, and making one partition after the other. Not here: what an answer
says (see `analytics`), and the statements (see `warehouse.answers`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date

import dagster as dg
import polars as pl

from dataflow_assets.analytics import Answer
from dataflow_assets.lake.delta.table import rows_table
from dataflow_assets.orchestration.assets.per_partition import Written, outputs_of, write_each
from dataflow_assets.orchestration.checks import check_specs, judge_run
from dataflow_assets.orchestration.checks.base import Outcome, Target
from dataflow_assets.orchestration.keys import ANALYTICS, WAREHOUSE
from dataflow_assets.orchestration.metadata.columns import columns_of_answer
from dataflow_assets.orchestration.metadata.lineage import answer_columns, describe_columns
from dataflow_assets.orchestration.metadata.metrics import Metrics, preview_newest
from dataflow_assets.orchestration.partitions import answer_partitions, partition_days
from dataflow_assets.orchestration.planning.inputs import days_before, days_read, have_events, versions_read
from dataflow_assets.orchestration.resources import DATABASE, DatabaseResource, ObjectStoreResource
from dataflow_assets.orchestration.retries import retry_transient
from dataflow_assets.orchestration.warehouse_tables import WAREHOUSE_TABLES
from dataflow_assets.postgres.connection import Connections
from dataflow_assets.settings import Settings
from dataflow_assets.sources import find_source
from dataflow_assets.sources.base import Events, Source
from dataflow_assets.warehouse.answers import load_answer
from dataflow_assets.warehouse.compute_answer import compute_answer
from dataflow_assets.warehouse.lake_events import current_rows
from dataflow_assets.warehouse.scan import Table, open_table


def build_answer_asset(settings: Settings, answer: Answer) -> dg.AssetsDefinition:
    """The asset of an answer's table."""
    target = Target(ANALYTICS, answer)
    checks = check_specs(target)

    @dg.asset(
        name=answer.name,
        key_prefix=ANALYTICS,
        group_name=ANALYTICS,
        description=answer.description,
        owners=[answer.owner],
        kinds={"polars" if answer.statement is None else "sql", "postgres"},
        partitions_def=answer_partitions(settings, answer),
        backfill_policy=dg.BackfillPolicy.single_run(),
        deps=[_dependency(answer, find_source(name), settings.timezone) for name in answer.reads],
        io_manager_key=WAREHOUSE_TABLES,
        pool=DATABASE,
        metadata={
            **describe_columns(columns_of_answer(answer), answer_columns(answer, WAREHOUSE)),
            "dagster/table_name": f"{ANALYTICS}.{answer.name}",
        },
        check_specs=checks,
    )
    def answer_table(
        context: dg.AssetExecutionContext, database: DatabaseResource, object_store: ObjectStoreResource
    ) -> Iterator[Written]:
        with retry_transient(context):
            days = partition_days(context.partition_keys)
            outcome = Outcome(target=target, database=database, today=settings.today, days=days)
            _AnswerRun(context, settings, answer, outcome, object_store).write()
        yield from outputs_of(checks)

    return answer_table


def _dependency(answer: Answer, source: Source, timezone: str) -> dg.AssetDep:
    key = [WAREHOUSE, source.name]
    if not isinstance(source, Events):
        # The latest values of every key: an answer does not ask how they were on its day.
        return dg.AssetDep(key, partition_mapping=dg.LastPartitionMapping())
    # The first days have none before them, and a month that is not over yet has days to come.
    mapping = dg.TimeWindowPartitionMapping(
        start_offset=-days_before(answer, timezone), allow_nonexistent_upstream_partitions=True
    )
    return dg.AssetDep(key, partition_mapping=mapping)


@dataclass(frozen=True)
class _AnswerRun:
    """A run of some partitions of an answer."""

    context: dg.AssetExecutionContext
    settings: Settings
    answer: Answer
    outcome: Outcome
    object_store: ObjectStoreResource

    def write(self) -> None:
        """Make and store one partition after the other, and let the checks judge, whatever fails."""
        tables = {name: self._open_table(find_source(name)) for name in self.answer.reads}
        connections = Connections(self.outcome.url)
        try:
            # Each reads its own days, in batches, and no run holds the days of all.
            write_each(self.context, lambda day: self._write_day(tables, connections, day), self.settings.home)
        finally:
            judge_run(self.context, self.outcome)

    def _open_table(self, source: Source) -> Table:
        """The table of a source, or what of it the lake has where the settings say so; versions are the table's."""
        timezone = self.settings.timezone
        table = open_table(self.outcome.url, source, timezone)
        if self.settings.events_from == "warehouse" or not isinstance(source, Events):
            return table
        lake = rows_table(self.object_store.open_storage(), source).scan()  # after the versions: never older than they
        return replace(table, scan=lambda days: current_rows(lake, source, list(days), timezone))

    def _write_day(self, tables: Mapping[str, Table], connections: Connections, day: date) -> Metrics:
        name = self.answer.name
        read = days_read(self.answer, day, self.settings.timezone)
        made_from = versions_read(tables, read)
        rows = self._compute(tables, connections, read, day)
        with connections.take() as connection:
            load = load_answer(connection, name, self.answer.grain, day, rows, made_from)
        if load.is_stale:
            self.context.log.warning(f"{name} of {day} was already made from newer tables")
        self.outcome.present.append(day)
        return {"rows": load.rows, **preview_newest(rows, is_newest=day == max(self.outcome.days))}

    def _compute(
        self, tables: Mapping[str, Table], connections: Connections, read: list[date], day: date
    ) -> pl.DataFrame:
        if not have_events(tables, read):
            return self.answer.schema.create_empty()
        return compute_answer(connections, self.answer, tables, day, read, self.settings.timezone)
