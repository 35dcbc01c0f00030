"""Dagster's event log in PostgreSQL, with fewer statements for the same rows.

A small run has about thirty events, and to store them takes longer than what the run is for. So the partitions that a
run plans to make are stored at once, and so is what a block says of many; nobody is notified of what concerns a run
alone. And that a run has failed is stored so that Dagster's daemon cannot pass it over.

Here: that. Not here: what is masked before it is stored (see `masking`), and connections (see `shared_engine`).
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import sqlalchemy as sa
from dagster_postgres import PostgresEventLogStorage
from sqlalchemy.dialects import postgresql

from dataflow_assets.runtime.ask_once import ask_once
from dataflow_assets.runtime.shared_engine import SharedEngine

_KIND = dg.DagsterEventType
PLANNED = _KIND.ASSET_MATERIALIZATION_PLANNED
_MADE, _JUDGED = _KIND.ASSET_MATERIALIZATION, _KIND.ASSET_CHECK_EVALUATION
_OF_A_RUN_ALONE = {  # and what its code logs, which is of no kind
    *(None, _KIND.ENGINE_EVENT, _KIND.LOGS_CAPTURED, _KIND.STEP_START, _KIND.STEP_INPUT, _KIND.STEP_OUTPUT),
    *(_KIND.STEP_SUCCESS, _KIND.LOADED_INPUT, _KIND.HANDLED_OUTPUT),
    *(_KIND.RESOURCE_INIT_STARTED, _KIND.RESOURCE_INIT_SUCCESS),
}
_MOST_ROWS = 1_000  # of one statement
_OF_EVALUATION = ("asset_key", "check_name", "run_id", "partition")  # unique
_EVALUATIONS = sa.table(  # that Dagster keeps beside their events
    "asset_check_executions",
    *map(sa.column, _OF_EVALUATION),
    *map(sa.column, ("execution_status", "evaluation_event", "evaluation_event_timestamp")),
    *map(sa.column, ("evaluation_event_storage_id", "materialization_event_storage_id")),
)
_WRITE = sa.text("SELECT pg_logical_emit_message(true, 'dataflow', '')")  # the server writes it and all before it


@ask_once("has_table", "has_asset_key_col", "has_secondary_index")
class EventLog(SharedEngine, PostgresEventLogStorage):
    """Dagster's event log."""

    _kept: list[dg.EventLogEntry] | None = None  # what waits to be stored together; None: nothing waits

    def store_event(self, event: dg.EventLogEntry) -> None:
        """Store an event, and what follows from it elsewhere."""
        if self._kept is not None and event.dagster_event_type in (_MADE, _JUDGED) and _partition(event):
            self._kept.append(event)
            return
        if event.dagster_event_type is _KIND.RUN_FAILURE:
            self._store_status(event)
        if event.dagster_event_type not in _OF_A_RUN_ALONE:
            super().store_event(event)
            return
        with self._connect() as connection:
            connection.execute(self.prepare_insert_event(event))

    def _store_status(self, event: dg.EventLogEntry) -> None:
        """Store that a run has failed before its event, and not only after it, as Dagster does.

        Its daemon looks at the event of a failure once, and makes a run again only if its status is that it failed.
        """
        instant = datetime.fromtimestamp(event.timestamp, UTC)
        self._instance.run_storage.handle_run_event(event.run_id, event.get_dagster_event(), instant)

    def store_event_batch(self, events: Sequence[dg.EventLogEntry]) -> None:
        """Store events together."""
        planned = [event for event in events if event.dagster_event_type is PLANNED]
        for start in range(0, len(planned), _MOST_ROWS):
            self._store_planned(planned[start : start + _MOST_ROWS])
        super().store_event_batch([event for event in events if event.dagster_event_type is not PLANNED])

    def _store_planned(self, events: Sequence[dg.EventLogEntry]) -> None:
        """Store what a run plans to make; what is kept of an asset itself is the same by each of its events."""
        of_assets = {event.get_dagster_event().asset_key: event for event in events}
        with self._connect() as connection:
            connection.execute(self.prepare_insert_event_batch(events))
        for event in of_assets.values():
            self.store_asset_event(event, 0)  # of a planned one no number is kept

    @contextmanager
    def storing_together(self) -> Iterator[None]:
        """What the block says of partitions, that they were made or judged, is stored at its end."""
        kept: list[dg.EventLogEntry] = []
        self._kept = kept
        try:
            yield
        finally:
            self._kept = None
            of_assets: dict[Any, list[dg.EventLogEntry]] = {}
            for event in kept:
                of_assets.setdefault((event.dagster_event_type, event.get_dagster_event().asset_key), []).append(event)
            for (kind, _), events in of_assets.items():
                store = self._store_evaluations if kind is _JUDGED else self._store_made
                for start in range(0, len(events), _MOST_ROWS):
                    store(events[start : start + _MOST_ROWS])

    def _store_made(self, events: Sequence[dg.EventLogEntry]) -> None:
        """Store that partitions of one asset were made; the last one alone, for then who waits is notified."""
        super().store_event_batch(events[:-1])
        super().store_event(events[-1])

    def _store_evaluations(self, events: Sequence[dg.EventLogEntry]) -> None:
        """Store what checks say of partitions, in place of what they said of them in the same run before."""
        insert = self.prepare_insert_event_batch(events)
        with self._connect() as connection:
            numbers = connection.execute(insert.returning(insert.table.c.id)).scalars().all()
            rows = [_evaluation_row(event, number) for event, number in zip(events, numbers, strict=True)]
            newest = {tuple(row[name] for name in _OF_EVALUATION): row for row in rows}
            store = postgresql.insert(_EVALUATIONS).values(list(newest.values()))
            others = {one.name: one for one in store.excluded if one.name not in _OF_EVALUATION}
            connection.execute(store.on_conflict_do_update(index_elements=_OF_EVALUATION, set_=others))

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


def storing_together(instance: dg.DagsterInstance) -> AbstractContextManager[None]:
    """`EventLog.storing_together` of an instance, where it has such a log."""
    log = instance.event_log_storage
    return log.storing_together() if isinstance(log, EventLog) else nullcontext()


def _partition(event: dg.EventLogEntry) -> str | None:
    """The partition that an event tells of as made or judged."""
    found = event.get_dagster_event()
    about: Any = found.event_specific_data
    return about.partition if isinstance(about, dg.AssetCheckEvaluation) else found.partition


def _evaluation_row(event: dg.EventLogEntry, number: int) -> dict[str, Any]:
    """What Dagster keeps of an evaluation beside its event, whose number this is."""
    said: Any = event.get_dagster_event().event_specific_data
    made = said.target_materialization_data
    return {
        "asset_key": said.asset_key.to_string(),
        "check_name": said.check_name,
        "run_id": event.run_id,
        "partition": said.partition,
        "execution_status": "SUCCEEDED" if said.passed else "FAILED",
        "evaluation_event": dg.serialize_value(event),
        "evaluation_event_timestamp": datetime.fromtimestamp(event.timestamp, UTC).replace(tzinfo=None),
        "evaluation_event_storage_id": number,
        "materialization_event_storage_id": made.storage_id if made else None,
    }


def _wait_for_no_disk(connection: Any, _: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = off")
    connection.commit()
