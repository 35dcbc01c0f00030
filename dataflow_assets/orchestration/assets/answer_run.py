"""What a run of `analytics/<answer>` does: makes its partitions from the warehouse, and says what became of them.

The work is done here and not by an IO manager that is handed a frame: each partition is stored with the versions of the
tables that it was made from, in one transaction, so that a slow run never replaces what a newer one wrote.

Here: the order, and what is said of each partition. Not here: the statements (see `warehouse.answers`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date

import dagster as dg
import polars as pl

from dataflow_assets.analytics import Answer
from dataflow_assets.core.iteration import batched_by_size
from dataflow_assets.lake.delta.table import rows_table
from dataflow_assets.orchestration.assets.per_partition import write_each
from dataflow_assets.orchestration.checks import judge_run
from dataflow_assets.orchestration.checks.base import Outcome
from dataflow_assets.orchestration.metadata.metrics import Metrics, preview_newest
from dataflow_assets.orchestration.planning.inputs import days_read, have_events, versions_read
from dataflow_assets.orchestration.resources import ObjectStoreResource
from dataflow_assets.postgres.arrow import BATCH_ROWS
from dataflow_assets.postgres.connection import Connections
from dataflow_assets.settings import Settings
from dataflow_assets.sources import find_source
from dataflow_assets.sources.base import Events, Source
from dataflow_assets.warehouse.answers import AnswerLoad, load_answers
from dataflow_assets.warehouse.compute_answer import compute_answer, require_declared
from dataflow_assets.warehouse.held_rows import hold_rows
from dataflow_assets.warehouse.lake_events import current_rows
from dataflow_assets.warehouse.scan import Table, open_table

_Made = tuple[date, pl.DataFrame]


@dataclass(frozen=True)
class AnswerRun:
    """A run of some partitions of an answer."""

    context: dg.AssetExecutionContext
    settings: Settings
    answer: Answer
    outcome: Outcome
    object_store: ObjectStoreResource

    def write(self) -> None:
        """Make and store the partitions, small ones together, and let the checks judge, whatever fails."""
        tables = {name: self._open_table(find_source(name)) for name in self.answer.reads}
        connections = Connections(self.outcome.url)

        def write(day: date) -> Metrics:
            return self._store(tables, connections, [(day, self._compute(tables, connections, day))])[day]

        def write_small(days: Sequence[date]) -> Iterator[Mapping[date, Metrics]]:
            made = self._compute_small(tables, connections, days)
            for batch in batched_by_size(made, len(days), lambda one: one[1].height, BATCH_ROWS):
                yield self._store(tables, connections, batch)

        try:
            write_each(self.context, write, self.settings.home, together=write_small)
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

    def _compute_small(
        self, tables: Mapping[str, Table], connections: Connections, days: Sequence[date]
    ) -> Iterator[_Made]:
        """Those of some partitions that can be made from rows that fit into memory."""
        if self.answer.compute is None:
            return
        read = sorted({of_one for day in days for of_one in self._days_read(day)})
        held = hold_rows(self.answer, tables, read, self.settings.timezone) if have_events(tables, read) else tables
        if held is None:
            return
        for day in days:
            with suppress(Exception):  # it is made once more by itself, and says why
                yield day, self._compute(held, connections, day)

    def _compute(self, tables: Mapping[str, Table], connections: Connections, day: date) -> pl.DataFrame:
        read = self._days_read(day)
        if not have_events(tables, read):
            return self.answer.schema.create_empty()
        return compute_answer(connections, self.answer, tables, day, read, self.settings.timezone)

    def _store(
        self, tables: Mapping[str, Table], connections: Connections, made: Iterable[_Made]
    ) -> dict[date, Metrics]:
        """Put partitions into the answer's table, all or none; what is said of each."""
        rows = dict(made)
        require_declared(self.answer, pl.concat(rows.values()))  # at once: for each it would take milliseconds
        of_days = {day: (of_day, versions_read(tables, self._days_read(day))) for day, of_day in rows.items()}
        with connections.take() as connection:
            loads = load_answers(connection, self.answer.name, self.answer.grain, of_days)
        return {day: self._describe(day, rows[day], load) for day, load in loads.items()}

    def _describe(self, day: date, rows: pl.DataFrame, load: AnswerLoad) -> Metrics:
        if load.is_stale:
            self.context.log.warning(f"{self.answer.name} of {day} was already made from newer tables")
        self.outcome.present.append(day)
        return {"rows": load.rows, **preview_newest(rows, is_newest=day == max(self.outcome.days))}

    def _days_read(self, day: date) -> list[date]:
        return days_read(self.answer, day, self.settings.timezone)
