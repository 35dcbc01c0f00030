"""Dagster's event log, with fewer statements: a run of some partitions logs hundreds of events, each by several.

Here: what is stored together, and what is not asked again. Not here: secrets (see `masking`), and connections (see
`storage`).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import dagster as dg
import sqlalchemy as sa
from dagster_postgres import PostgresEventLogStorage

_WRITE = sa.text(
    "SELECT pg_logical_emit_message(true, 'dataflow', '')"
)  # for which, and all before it, the server waits
_PLANNED = dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED


class QuickEventLog(PostgresEventLogStorage):
    """The event log of a database whose tables are of the present version, or soon will be."""

    def store_event_batch(self, events: Sequence[dg.EventLogEntry]) -> None:
        """Store events together: also those of what a run is about to make, which Dagster's own stores one by one."""
        planned = [event for event in events if event.dagster_event_type is _PLANNED]
        others = [event for event in events if event.dagster_event_type is not _PLANNED]
        if planned:
            newest = {event.dagster_event.asset_key: event for event in planned if event.dagster_event}
            with self.index_transaction() as connection:
                connection.execute(self.prepare_insert_event_batch(planned))
                for event in newest.values():
                    self._store_asset_event(connection, event, event_id=0)  # of a plan the id is not kept
        if others:
            super().store_event_batch(others)

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

    def has_table(self, table_name: str) -> bool:
        """Whether there is a table of Dagster; one that is there stays."""
        if table_name not in self._seen:
            if not super().has_table(table_name):
                return False
            self._seen.add(table_name)
        return True

    def has_asset_key_col(self, column_name: str) -> bool:
        """Whether the table of assets has a column; one that is there stays."""
        if column_name not in self._seen:
            if not super().has_asset_key_col(column_name):
                return False
            self._seen.add(column_name)
        return True

    @cached_property
    def _seen(self) -> set[str]:
        return set()


def _wait_for_no_disk(connection: Any, _: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = off")
    connection.commit()
