"""In which ranges partitions are made: each is one run.

Here: cutting partitions into ranges, and those of an asset between two days. Not here: which partitions are stale (see
`staleness`), how much is one run's share (see `shares`), and running them (see `runs.backfill` and
`automation.reconcile`).
"""

from collections.abc import Iterable, Mapping
from datetime import date

import dagster as dg

from dataflow_assets.analytics import find_answer
from dataflow_assets.lake.delta.table import rows_table
from dataflow_assets.landing.deliveries import Landing
from dataflow_assets.landing.storage import Storage
from dataflow_assets.orchestration.keys import ANALYTICS, LAKE, PUBLISHED, WAREHOUSE
from dataflow_assets.orchestration.partitions import answer_partitions, daily_partitions, partition_days, stretches
from dataflow_assets.orchestration.planning.shares import cut_shares, weigh
from dataflow_assets.orchestration.planning.staleness import read_new_in_landing, stale_partitions
from dataflow_assets.orchestration.resources import Stores
from dataflow_assets.settings import Settings
from dataflow_assets.sources import find_source
from dataflow_assets.sources.base import Events

MOST_DAYS = 31  # of one run of a backfill: what is lost where it is stopped

Range = tuple[str, str]  # the keys of its first and its last partition


def cut_ranges(
    partitions: dg.PartitionsDefinition[str], days: Iterable[date], sizes: Mapping[date, int], slots: int = 1
) -> list[Range]:
    """The stretches, cut so that none has more than MOST_DAYS partitions, nor too many bytes if it can.

    Args:
        partitions: among which the days are.
        days: the partitions, each by its first day.
        sizes: how many bytes some days have.
        slots: how many runs are made at once, among which the ranges are shared out.
    """
    keys = partitions.get_partition_keys()
    together = [[key for key in keys if first <= key <= last] for first, last in stretches(partitions, set(days))]
    weights = [[sizes.get(date.fromisoformat(key), 0) for key in stretch] for stretch in together]
    left = sum(map(weigh, weights))
    found: list[Range] = []
    for stretch, of_stretch in zip(together, weights, strict=True):
        start = 0
        for count in cut_shares(of_stretch, slots, left, MOST_DAYS):
            found.append((stretch[start], stretch[start + count - 1]))
            left -= weigh(of_stretch[start : start + count])
            start += count
    return found


def partitions_of_asset(settings: Settings, asset: dg.AssetKey) -> dg.TimeWindowPartitionsDefinition:
    """The partitions of an asset of lake, warehouse or analytics."""
    layer, name = asset.path
    return answer_partitions(settings, find_answer(name)) if layer == ANALYTICS else daily_partitions(settings)


def assets_with(asset: dg.AssetKey) -> list[dg.AssetKey]:
    """The assets that are made together with one: of an answer, its copy in the published file too."""
    layer, name = asset.path
    return [asset, dg.AssetKey([PUBLISHED, name])] if layer == ANALYTICS else [asset]


def find_ranges(
    stores: Stores,
    asset: dg.AssetKey,
    partitions: dg.PartitionsDefinition[str],
    first: date,
    last: date,
    *,
    only_stale: bool,
    slots: int = 1,
) -> list[Range]:
    """The ranges of an asset's partitions that begin from one day to another.

    Args:
        stores: where its data is.
        asset: of lake, warehouse or analytics.
        partitions: those of the asset.
        first: the first day.
        last: the last day.
        only_stale: whether to leave out what is as it should be.
        slots: how many runs are made at once.
    """
    days = [day for day in partition_days(partitions.get_partition_keys()) if first <= day <= last]
    if asset.path[0] == LAKE and only_stale:
        sizes = read_new_in_landing(stores, find_source(asset.path[1]), days)
        days = [day for day in days if day in sizes]
    elif asset.path[0] == LAKE:
        sizes = _read_landed_sizes(stores.storage, asset.path[1], days)
    else:
        days = stale_partitions(stores, asset, days) if only_stale and days else days
        sizes = read_sizes(stores.storage, asset) if days else {}
    return cut_ranges(partitions, days, sizes, slots if _is_made_by_day(asset) else 1)


def _read_landed_sizes(storage: Storage, source: str, days: Iterable[date]) -> dict[date, int]:
    """How many bytes landed of a source, by days: which of them a run reads again, its declaration decides then."""
    landing = Landing(storage)
    return {day: sum(delivery.size for delivery in landing.deliveries(source, day)) for day in days}


def _is_made_by_day(asset: dg.AssetKey) -> bool:
    """Whether runs of other days do not do the same work: a table without event days is made whole."""
    layer, name = asset.path
    return layer != WAREHOUSE or isinstance(find_source(name), Events)


def read_sizes(storage: Storage, asset: dg.AssetKey) -> dict[date, int]:
    """How many bytes the days of an asset read; of an answer, and of what was never read before, nobody knows."""
    layer, name = asset.path
    if layer == ANALYTICS:
        return {}
    source = find_source(name)
    column = "event_date" if isinstance(source, Events) and layer == WAREHOUSE else "delivery_day"
    return rows_table(storage, source).sizes(column)
