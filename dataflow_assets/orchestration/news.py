"""What was materialized since a sensor looked last.

Here: reading an asset's materializations after a cursor so that none is missed, and the cursor. Not here: what
follows from them.

The database numbers events before others can see them: one may appear after another with a higher number. So those
of the last minute are read again at each tick, and the cursor holds which of them were given before.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from itertools import takewhile

import dagster as dg

_SETTLING_SECONDS = 60.0
_LIMIT = 5_000  # the rest is left for the next tick

_Place = tuple[int, list[int]]  # all events up to a number were given, and these after it


@dataclass(frozen=True)
class Told:
    """One materialization of one day: the number of its event, and the figures that it says of the day."""

    asset: dg.AssetKey
    day: date
    number: int
    figures: Mapping[str, int]


class News:
    """The materializations that are new to a cursor, and the cursor after them."""

    def __init__(
        self, instance: dg.DagsterInstance, partitions: dg.PartitionsDefinition[str], cursor: str | None
    ) -> None:
        self._instance = instance
        self._partitions = partitions
        self._places: dict[str, _Place] = json.loads(cursor) if cursor else {}

    @property
    def cursor(self) -> str:
        """The cursor after what was given."""
        return json.dumps(self._places)

    def of(self, asset: dg.AssetKey) -> list[Told]:
        """What is new of an asset, oldest first; what is said of no partition or of an unknown one is left out."""
        settled, given = self._places.get(asset.to_user_string(), (0, []))
        wanted = dg.AssetRecordsFilter(asset, after_storage_id=settled)
        found = self._instance.fetch_materializations(wanted, limit=_LIMIT, ascending=True).records
        rest = time.time() - _SETTLING_SECONDS
        for record in takewhile(lambda record: record.timestamp < rest, found):
            settled = record.storage_id
        later = [record.storage_id for record in found if record.storage_id > settled]
        self._places[asset.to_user_string()] = (settled, later)
        known = set(given)
        return [
            Told(asset, date.fromisoformat(day), record.storage_id, _figures(record))
            for record in found
            if record.storage_id not in known and self._partitions.has_partition_key(day := record.partition_key or "")
        ]

    def figures_before(self, told: Told, *, of_its_day: bool) -> Mapping[str, int]:
        """The figures that were told last of the asset before, of the same day or of any; none if nothing was."""
        days = [told.day.isoformat()] if of_its_day else None
        earlier = dg.AssetRecordsFilter(told.asset, days, before_storage_id=told.number)
        records = self._instance.fetch_materializations(earlier, limit=1).records
        return _figures(records[0]) if records else {}


def cursor_after(events: Mapping[dg.AssetKey, int]) -> str:
    """The cursor to which the materializations of each asset are new that came after an event's number."""
    return json.dumps({asset.to_user_string(): (event, []) for asset, event in events.items()})


def _figures(record: dg.EventLogRecord) -> dict[str, int]:
    assert record.asset_materialization
    metadata = record.asset_materialization.metadata
    whole = {name: value.value for name, value in metadata.items() if isinstance(value, dg.IntMetadataValue)}
    return {name: value for name, value in whole.items() if value is not None}
