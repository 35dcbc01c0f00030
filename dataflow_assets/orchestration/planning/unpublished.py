"""Which partitions of an answer the published file may not hold as its table does.

Here: that, by what Dagster recorded, and by how many rows both have. A run that makes an answer plans to publish it
too: where it was stopped between the two, a plan is left that nothing followed. Who removed the file, or rows of the
table, told nobody. Not here: which partitions of the table are stale (see `staleness`).
"""

from collections.abc import Collection, Mapping
from contextlib import suppress
from datetime import date
from pathlib import Path

import dagster as dg
import duckdb

from dataflow_assets.analytics import Answer
from dataflow_assets.orchestration.keys import ANALYTICS, PUBLISHED
from dataflow_assets.postgres.connection import connect
from dataflow_assets.postgres.sql import identifier
from dataflow_assets.warehouse.scan import count_by_day

_MADE, _PLANNED = dg.DagsterEventType.ASSET_MATERIALIZATION, dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED


def find_unpublished(
    instance: dg.DagsterInstance, url: str, published: Path, answer: Answer, partitions: Collection[date]
) -> set[date]:
    """Those among some partitions of an answer that were made, or about to be, after they were last published.

    And those of which the file has other rows than the table; all of them where it does not know the answer.
    """
    copied = _count_copied(published, answer)
    if copied is None:
        return set(partitions)
    with connect(url) as connection:
        stored = count_by_day(connection, identifier(ANALYTICS, answer.name), answer.grain, partitions)
    different = {day for day in partitions if stored.get(day, 0) != copied.get(day, 0)}
    return different | _find_not_followed(instance, answer, partitions)


def _count_copied(published: Path, answer: Answer) -> dict[date, int] | None:
    table, column = identifier(PUBLISHED, answer.name), identifier(answer.grain)
    with suppress(duckdb.Error), duckdb.connect(published, read_only=True) as file:
        return dict(file.execute(f"SELECT {column}, count(*) FROM {table} GROUP BY 1").fetchall())  # noqa: S608
    return None


def _find_not_followed(instance: dg.DagsterInstance, answer: Answer, partitions: Collection[date]) -> set[date]:
    keys = {day.isoformat() for day in partitions}

    def newest(layer: str, kind: dg.DagsterEventType) -> Mapping[str, int]:
        return instance.get_latest_storage_id_by_partition(dg.AssetKey([layer, answer.name]), kind, keys)

    published, later = newest(PUBLISHED, _MADE), (newest(PUBLISHED, _PLANNED), newest(ANALYTICS, _MADE))
    last = {key: max(of_kind.get(key, 0) for of_kind in later) for key in keys}
    return {day for day in partitions if published.get(day.isoformat(), 0) < last[day.isoformat()]}
