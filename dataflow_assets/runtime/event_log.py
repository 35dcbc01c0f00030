"""Dagster's event log in PostgreSQL, with fewer statements for the same rows.

A small run has about thirty events, and to store them takes longer than what the run is for. So the partitions that a
run plans to make are stored at once, and nobody is notified of what concerns a run alone.

Here: that. Not here: what is masked before it is stored (see `masking`), and connections (see `shared_engine`).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import dagster as dg
import sqlalchemy as sa
from dagster_postgres import PostgresEventLogStorage

from dataflow_assets.runtime.ask_once import ask_once
from dataflow_assets.runtime.shared_engine import SharedEngine

_KIND = dg.DagsterEventType
_PLANNED = _KIND.ASSET_MATERIALIZATION_PLANNED
_OF_A_RUN_ALONE = {  # and what its code logs, which is of no kind
    *(None, _KIND.ENGINE_EVENT, _KIND.LOGS_CAPTURED, _KIND.STEP_START, _KIND.STEP_INPUT, _KIND.STEP_OUTPUT),
    *(_KIND.STEP_SUCCESS, _KIND.LOADED_INPUT, _KIND.HANDLED_OUTPUT),
    *(_KIND.RESOURCE_INIT_STARTED, _KIND.RESOURCE_INIT_SUCCESS),
}
_MOST_ROWS = 1_000  # of one statement
_WRITE = sa.text("SELECT pg_logical_emit_message(true, 'dataflow', '')")  # the server writes it and all before it


@ask_once("has_table", "has_asset_key_col", "has_secondary_index")
class EventLog(SharedEngine, PostgresEventLogStorage):
    """Dagster's event log."""

    def store_event(self, event: dg.EventLogEntry) -> None:
        """Store an event, and what follows from it elsewhere."""
        if event.dagster_event_type not in _OF_A_RUN_ALONE:
            super().store_event(event)
            return
        with self._connect() as connection:
            connection.execute(self.prepare_insert_event(event))

    def store_event_batch(self, events: Sequence[dg.EventLogEntry]) -> None:
        """Store events together."""
        planned = [event for event in events if event.dagster_event_type is _PLANNED]
        for start in range(0, len(planned), _MOST_ROWS):
            self._store_planned(planned[start : start + _MOST_ROWS])
        super().store_event_batch([event for event in events if event.dagster_event_type is not _PLANNED])

    def _store_planned(self, events: Sequence[dg.EventLogEntry]) -> None:
        """Store what a run plans to make; what is kept of an asset itself is the same by each of its events."""
        of_assets = {event.get_dagster_event().asset_key: event for event in events}
        with self._connect() as connection:
            connection.execute(self.prepare_insert_event_batch(events))
        for event in of_assets.values():
            self.store_asset_event(event, 0)  # of a planned one no number is kept

    @contextmanager
    def written_at_the_end(self) -> Iterator[None]:
        """The server need not wait for its disk at each event of the block; at its end all of them are written.

        Where the server or its machine fails meanwhile, the events of the last second may be lost, and nothing else.
        """
        sa.event.listen(self._engine, "connect", _wait_for_no_disk)
        self._engine.dispose()
        try:
            yield
        finally:
            sa.event.remove(self._engine, "connect", _wait_for_no_disk)
            self._engine.dispose()
        with self._connect() as connection:
            connection.execute(_WRITE)


def _wait_for_no_disk(connection: Any, _: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = off")
    connection.commit()
