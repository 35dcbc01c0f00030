"""Which partitions are stale: missing, or older than what they are made from.

Here: the one meaning of it, by what the ledger, the lake, the warehouse and the answers say they were made from. Not
here: making them (see `runs.backfill`), and what Dagster recorded, which may know of no run or of one too many.

The nightly reconciliation, freshness and backfills ask for it as it stands (`stale_partitions`). The sensors ask it
only of days that were written since they looked last (`newer_than_table`). To look at everything takes 3 s for each
source of a million deliveries, where a whole tick takes less than 0.1 s; and a run that failed would be asked for again
at once, though nothing has changed.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import date

import dagster as dg

from dataflow_assets.analytics import Answer, find_answer
from dataflow_assets.landing.deliveries import Expected
from dataflow_assets.ledger.answers import read_answer_versions
from dataflow_assets.ledger.discovery import read_new_sizes
from dataflow_assets.ledger.event_days import read_day_versions
from dataflow_assets.ledger.snapshots import read_snapshot
from dataflow_assets.orchestration.keys import LAKE, WAREHOUSE
from dataflow_assets.orchestration.planning.inputs import days_read, versions_read
from dataflow_assets.orchestration.resources import Stores
from dataflow_assets.postgres.connection import connect
from dataflow_assets.sources import find_source
from dataflow_assets.sources.base import Events, Source
from dataflow_assets.warehouse.scan import open_table
from dataflow_assets.warehouse.staleness import find_stale_days


def stale_partitions(stores: Stores, asset: dg.AssetKey, partitions: Sequence[date]) -> list[date]:
    """Those among some partitions of an asset (each by its first day) that have to be made, in order."""
    layer, name = asset.path
    if layer == LAKE:
        new = read_new_in_landing(stores, find_source(name), partitions)
        return [day for day in partitions if day in new]
    if layer == WAREHOUSE:
        with connect(stores.url) as connection:
            stale = find_stale_days(connection, find_source(name))
        return [day for day in partitions if day in stale]
    answer = find_answer(name)
    return find_stale_answers(stores, [answer])(answer, partitions)


def newer_than_table(url: str, source: Source) -> Callable[[date, int], bool]:
    """Whether a version of the lake is newer, on a day, than the one that the source's table was made from."""
    with connect(url) as connection:
        if not isinstance(source, Events):
            made = read_snapshot(connection, source).lake_version
            return lambda _, version: version > made
        versions = read_day_versions(connection, source)
        return lambda day, version: version > versions.get(day, -1)


def read_new_in_landing(stores: Stores, source: Source, days: Iterable[date]) -> dict[date, int]:
    """The delivery days with objects whose present version the lake does not hold, and how many bytes these have."""
    expected = Expected.of([source], (day.isoformat() for day in days))
    return read_new_sizes(stores.url, stores.storage, source.name, expected)


def find_stale_answers(stores: Stores, answers: Iterable[Answer]) -> Callable[[Answer, Collection[date]], list[date]]:
    """Which among some partitions of one of the answers were made from older tables than the present ones, or never.

    Where there were no events that it could read, there is nothing to make.
    """
    sources = [find_source(name) for name in sorted({name for answer in answers for name in answer.reads})]
    opened = {source.name: open_table(stores.url, source, stores.timezone) for source in sources}
    events = {source.name for source in sources if isinstance(source, Events)}

    def find(answer: Answer, partitions: Collection[date]) -> list[date]:
        tables = {name: opened[name] for name in answer.reads}
        with connect(stores.url) as connection:
            made = read_answer_versions(connection, answer.name, min(partitions), max(partitions))

        def is_stale(day: date) -> bool:
            now = versions_read(tables, days_read(answer, day, stores.timezone))
            return any(now[name] for name in events.intersection(now)) and made.get(day) != now

        return sorted(filter(is_stale, partitions))

    return find
