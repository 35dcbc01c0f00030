"""What the platform holds, measured for a monitoring system: deliveries, rows, freshness, runs.

Here: reading it from the tables when somebody asks, and no more often than every 15 seconds. Not here: how requests
were answered (see `http_metrics`).
"""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily

from dataflow_assets.ledger.measures import (
    DeliveryCounts,
    count_deliveries,
    count_events,
    read_newest_days,
    read_newest_partitions,
)
from dataflow_assets.postgres.connection import Connection
from dataflow_assets.postgres.sql import execute
from dataflow_assets.serving.cached_principals import Readable
from dataflow_assets.sources import Source
from dataflow_assets.warehouse.staleness import find_stale_days

_SECONDS = 15.0
_DAGSTERS_RUNS = "public.runs"  # its own table, which is not there before Dagster was first started
# Those that are always told, of which there may be none: who watches for one more must have seen that there was none.
_ROWS = ("delivered", "accepted", "rejected")
_STATES = ("accepted", "quarantined", "rejected")
_STATUSES = ("QUEUED", "STARTING", "STARTED", "SUCCESS", "FAILURE", "CANCELED")


class PlatformMetrics:
    """The metrics of one platform, as they were at most 15 seconds ago."""

    def __init__(self, database: Readable, sources: Iterable[Source]) -> None:
        self._database = database
        self._sources = list(sources)
        self._one_at_a_time = asyncio.Lock()
        self._until = 0.0
        self._kept: Sequence[Metric] = ()

    async def read(self) -> Sequence[Metric]:
        """Every metric; measured anew where those that are kept are too old."""
        async with self._one_at_a_time:
            if time.monotonic() >= self._until:
                self._kept = await self._database.read(lambda connection: list(_measure(connection, self._sources)))
                self._until = time.monotonic() + _SECONDS
            return self._kept


def _measure(connection: Connection, sources: Sequence[Source]) -> Iterator[Metric]:
    yield from _deliveries([source.name for source in sources], count_deliveries(connection))
    yield _by("source", "table_rows", "Rows of the table of events.", count_events(connection))
    days = {name: _seconds(day) for name, day in read_newest_days(connection).items()}
    yield _by("source", "table_newest_day_timestamp_seconds", "The newest day of the table, at 00:00 UTC.", days)
    stale = {source.name: len(find_stale_days(connection, source)) for source in sources}
    yield _by("source", "stale_partitions", "Partitions of the table that are older than the lake.", stale)
    partitions = {name: _seconds(day) for name, day in read_newest_partitions(connection).items()}
    about = "The newest partition of the answer, at 00:00 UTC of its first day."
    yield _by("answer", "answer_newest_partition_timestamp_seconds", about, partitions)
    yield _by("status", "runs", "Runs that Dagster keeps; those with status QUEUED wait.", _count_runs(connection))


def _deliveries(sources: Sequence[str], counts: Sequence[DeliveryCounts]) -> Iterator[Metric]:
    objects = {(source, state): 0 for source in sources for state in _STATES}
    rows: dict[str, Counter[str]] = {name: Counter(dict.fromkeys(sources, 0)) for name in _ROWS}
    newest: dict[str, float] = {}
    for one in counts:
        objects[one.source, one.state] = one.objects
        for name, of_source in rows.items():
            of_source[one.source] += getattr(one, name)
        newest[one.source] = max(newest.get(one.source, 0), one.newest.timestamp())
    about = "Objects in landing, by what became of their present version."
    found = GaugeMetricFamily("dataflow_objects", about, labels=["source", "state"])
    for key, count in objects.items():
        found.add_metric(key, count)
    yield found
    for name, of_source in rows.items():
        yield _by("source", f"{name}_rows", f"Rows of present versions that were {name}.", of_source)
    about = "When the newest object that was read was delivered."
    yield _by("source", "newest_delivery_timestamp_seconds", about, newest)


def _by(label: str, name: str, about: str, values: Mapping[str, float]) -> Metric:
    found = GaugeMetricFamily(f"dataflow_{name}", about, labels=[label])
    for key, value in sorted(values.items()):
        found.add_metric([key], value)
    return found


def _count_runs(connection: Connection) -> dict[str, int]:
    [(known,)] = execute(connection, "SELECT to_regclass($1)::text", _DAGSTERS_RUNS)
    if known is None:
        return {}
    found = execute(connection, f"SELECT status, count(*) FROM {_DAGSTERS_RUNS} GROUP BY status")  # noqa: S608
    return dict.fromkeys(_STATUSES, 0) | dict(found)


def _seconds(day: date) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()
