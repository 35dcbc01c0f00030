"""Which partitions of an answer the published file may not hold as its table does.

Here: that, by what Dagster recorded. A run that makes an answer plans to publish it too: where it was stopped between
the two, a plan is left that nothing followed. Not here: which partitions of the table are stale (see `staleness`).
"""

from collections.abc import Collection, Mapping
from datetime import date

import dagster as dg

from dataflow_assets.analytics import Answer
from dataflow_assets.orchestration.keys import ANALYTICS, PUBLISHED

_MADE, _PLANNED = dg.DagsterEventType.ASSET_MATERIALIZATION, dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED


def find_unpublished(instance: dg.DagsterInstance, answer: Answer, partitions: Collection[date]) -> set[date]:
    """Those among some partitions of an answer that were made, or about to be, after they were last published."""
    keys = {day.isoformat() for day in partitions}

    def newest(layer: str, kind: dg.DagsterEventType) -> Mapping[str, int]:
        return instance.get_latest_storage_id_by_partition(dg.AssetKey([layer, answer.name]), kind, keys)

    published, later = newest(PUBLISHED, _MADE), (newest(PUBLISHED, _PLANNED), newest(ANALYTICS, _MADE))
    last = {key: max(of_kind.get(key, 0) for of_kind in later) for key in keys}
    return {day for day in partitions if published.get(day.isoformat(), 0) < last[day.isoformat()]}
