"""Which partitions are not as they should be: missing, or older than what they are made from.

Here: finding them by what the lake, the warehouse and the answers say they were made from. Not here: making them (see
`backfill`), and what Dagster was told, which may know of no run or of one too many.
"""

from collections.abc import Sequence
from datetime import date

import dagster as dg

from dataflow_assets.analytics import Answer, find_answer
from dataflow_assets.landing.deliveries import Expected
from dataflow_assets.landing.storage import open_storage
from dataflow_assets.ledger.answers import read_answer_versions
from dataflow_assets.ledger.discovery import find_days_with_new
from dataflow_assets.orchestration.assets import WAREHOUSE, days_read, versions_read
from dataflow_assets.orchestration.lake_io_manager import LAKE
from dataflow_assets.postgres.connection import connect
from dataflow_assets.settings import Settings
from dataflow_assets.sources import find_source
from dataflow_assets.sources.base import Events, Source
from dataflow_assets.warehouse.bootstrap import open_warehouse
from dataflow_assets.warehouse.scan import open_table
from dataflow_assets.warehouse.staleness import find_stale_days


def undone(settings: Settings, asset: dg.AssetKey, partitions: Sequence[date]) -> list[date]:
    """Those among some partitions of an asset (each by its first day) that have to be made, in order."""
    layer, name = asset.path
    if layer == LAKE:
        return _undone_lake(settings, find_source(name), partitions)
    if layer == WAREHOUSE:
        with connect(open_warehouse(settings)) as connection:
            stale = find_stale_days(connection, find_source(name))
        return [day for day in partitions if day in stale]
    return _undone_answers(settings, find_answer(name), partitions)


def _undone_lake(settings: Settings, source: Source, days: Sequence[date]) -> list[date]:
    """The delivery days with an object whose present version the lake does not hold."""
    expected = Expected(frozenset([source.name]), frozenset(day.isoformat() for day in days))
    found = find_days_with_new(open_warehouse(settings), open_storage(settings), source.name, expected)
    return [day for day in days if day in found]


def _undone_answers(settings: Settings, answer: Answer, partitions: Sequence[date]) -> list[date]:
    """The partitions of an answer that were made from older tables, or never.

    Where there were no events that it could read, there is nothing to make.
    """
    url = open_warehouse(settings)
    sources = [find_source(name) for name in answer.reads]
    tables = {source.name: open_table(url, source, settings.timezone) for source in sources}
    events = {source.name for source in sources if isinstance(source, Events)}
    with connect(url) as connection:
        made = read_answer_versions(connection, answer.name, min(partitions), max(partitions))

    def is_undone(day: date) -> bool:
        now = versions_read(tables, days_read(answer, day, settings.timezone))
        return any(now[name] for name in events) and made.get(day) != now

    return [day for day in partitions if is_undone(day)]
