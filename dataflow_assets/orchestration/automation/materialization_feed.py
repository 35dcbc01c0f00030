"""What was materialized since a sensor looked last.

Here: reading an asset's materializations after a cursor, and the cursor. Not here: how a cursor misses none (see
`event_cursor`), and what follows from them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import dagster as dg

from dataflow_assets.orchestration.event_cursor import EventCursor, read_cursors, write_cursors

_LIMIT = 5_000  # the rest is left for the next tick


@dataclass(frozen=True)
class Materialization:
    """One materialization of one day: its run, the number of its event and when that was, in seconds since 1970, and
    the metrics that it says of the day.
    """

    asset: dg.AssetKey
    day: date
    run: str
    number: int
    at: float
    metrics: Mapping[str, int]


class MaterializationFeed:
    """The materializations that are new to a cursor, and the cursor after them."""

    def __init__(
        self, instance: dg.DagsterInstance, partitions: dg.PartitionsDefinition[str], cursor: str | None
    ) -> None:
        self._instance = instance
        self._partitions = partitions
        self._cursors = read_cursors(cursor) if cursor else {}

    @property
    def cursor(self) -> str:
        """The cursor after what was given."""
        return write_cursors(self._cursors)

    def read(self, asset: dg.AssetKey) -> list[Materialization]:
        """What is new of an asset, oldest first; what is said of no partition or of an unknown one is left out."""
        cursor = self._cursors.get(asset.to_user_string(), EventCursor())
        wanted = dg.AssetRecordsFilter(asset, after_storage_id=cursor.settled)
        found = self._instance.fetch_materializations(wanted, limit=cursor.limit(_LIMIT), ascending=True).records
        self._cursors[asset.to_user_string()] = cursor.after(found)
        return [
            Materialization(
                *(asset, date.fromisoformat(day), record.run_id, record.storage_id, record.timestamp), _metrics(record)
            )
            for record in cursor.new(found)
            if self._partitions.has_partition_key(day := record.partition_key or "")
        ]

    def metrics_before(self, materialization: Materialization, *, of_its_day: bool) -> Mapping[str, int]:
        """The metrics of the asset's materialization before one, of the same day or of any; none if there is none."""
        days = [materialization.day.isoformat()] if of_its_day else None
        earlier = dg.AssetRecordsFilter(materialization.asset, days, before_storage_id=materialization.number)
        records = self._instance.fetch_materializations(earlier, limit=1).records
        return _metrics(records[0]) if records else {}


def cursor_after(events: Mapping[dg.AssetKey, int]) -> str:
    """The cursor to which the materializations of each asset are new that came after an event's number."""
    return write_cursors({asset.to_user_string(): EventCursor(event) for asset, event in events.items()})


def _metrics(record: dg.EventLogRecord) -> dict[str, int]:
    assert record.asset_materialization
    metadata = record.asset_materialization.metadata
    whole = {name: value.value for name, value in metadata.items() if isinstance(value, dg.IntMetadataValue)}
    return {name: value for name, value in whole.items() if value is not None}
