"""What Dagster keeps of runs and ticks, without secrets.

A sentence of a library or of a person's code may quote a URL with its password. It is masked before it is stored, so
that nobody finds it in the UI, in the database or in an alert.

Here: the storages, each as Dagster's own but for that. Not here: what a secret is (see `settings`), and what processes
print and log (see `core.logging`).
"""

import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

import dagster as dg
from dagster_postgres import PostgresRunStorage, PostgresScheduleStorage

from dataflow_assets.runtime.ask_once import ask_once
from dataflow_assets.runtime.event_log import PLANNED, EventLog
from dataflow_assets.runtime.shared_engine import SharedEngine

Mask = Callable[[str], str]
_Value = TypeVar("_Value")
# The fields, and the kinds of metadata, that hold free text. All others say what a thing is, and a password that is a
# common word must not change them.
_TEXTS = ("message", "user_message", "stack", "description", "skip_reason", "text", "md_str", "url")
_FREE = ("JsonMetadataEntryData", "TableRecord")


class MaskedEventLog(EventLog):
    """The event log."""

    def __init__(self, url: str, mask: Mask) -> None:
        super().__init__(url, should_autocreate_tables=False)
        self._mask = mask

    def dispose(self) -> None:
        """Close what is kept open for all storages: an instance that is closed tells this one alone."""
        super().dispose()
        self._engine.dispose()

    def store_event(self, event: dg.EventLogEntry) -> None:
        """Store an event."""
        super().store_event(masked(event, self._mask))

    def store_event_batch(self, events: Sequence[dg.EventLogEntry]) -> None:
        """Store events together; what a run plans to make is said by names alone."""
        super().store_event_batch(
            [event if event.dagster_event_type is PLANNED else masked(event, self._mask) for event in events]
        )


@ask_once("has_instigators_table", "has_built_index")
class MaskedSchedules(SharedEngine, PostgresScheduleStorage):
    """The ticks of sensors and schedules, with why they failed."""

    def __init__(self, url: str, mask: Mask) -> None:
        super().__init__(url, should_autocreate_tables=False)
        self._mask = mask

    def create_tick(self, tick_data: Any) -> Any:
        """Store the beginning of a tick."""
        return super().create_tick(masked(tick_data, self._mask))

    def update_tick(self, tick: Any) -> Any:
        """Store what became of a tick."""
        return super().update_tick(tick._replace(tick_data=masked(tick.tick_data, self._mask)))


@ask_once("has_run_stats_index_cols", "has_backfill_id_column", "has_built_index")
class MaskedRuns(SharedEngine, PostgresRunStorage):
    """The runs, and the backfills with why they failed."""

    def __init__(self, url: str, mask: Mask) -> None:
        super().__init__(url, should_autocreate_tables=False)
        self._mask = mask

    def update_backfill(self, partition_backfill: Any) -> None:
        """Store what became of a backfill."""
        super().update_backfill(masked(partition_backfill, self._mask))


def masked(value: _Value, mask: Mask) -> _Value:
    """What Dagster can serialize, with its free texts masked; the value itself where that changes nothing."""
    fields = json.loads(dg.serialize_value(cast("Any", value)))
    clean = _clean(fields, mask, is_text=False)
    if clean == fields:
        return value
    found = dg.deserialize_value(json.dumps(clean))
    assert isinstance(found, type(value))
    return found


def _clean(value: Any, mask: Mask, *, is_text: bool) -> Any:
    if isinstance(value, str):
        return mask(value) if is_text else value
    if isinstance(value, list):
        return [_clean(item, mask, is_text=is_text) for item in value]
    if isinstance(value, dict):
        is_text = is_text or value.get("__class__") in _FREE
        return {
            name: item if name.startswith("__") else _clean(item, mask, is_text=is_text or name in _TEXTS)
            for name, item in value.items()
        }
    return value
