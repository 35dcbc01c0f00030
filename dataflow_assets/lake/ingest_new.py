"""Take several small objects of a source, which the lake never had, into it by one commit of each of its tables.

Two commits take about as long as reading a small file. Each object is known by the commit as if it had one of its own.

Here: new objects. What has an older version, is quarantined or fails is left to `ingest`, which says why. Not here:
what is done with one of them (see `read_object`).
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import date

from dataflow_assets.lake.delta.commit import commit_deliveries
from dataflow_assets.lake.delta.commit_log import CommitInfo, DeliveryCommit, delivery_slice
from dataflow_assets.lake.delta.table import count_rows_by_delivery
from dataflow_assets.lake.ingest import Intake, intake_of
from dataflow_assets.lake.known import event_bounds
from dataflow_assets.lake.open_tables import OpenTables, Tables
from dataflow_assets.lake.read_object import read_object
from dataflow_assets.lake.readers.archives import is_packed
from dataflow_assets.lake.staging import Staging
from dataflow_assets.landing.deliveries import Delivery
from dataflow_assets.sources.base import Events

_AT_ONCE = 2  # of small text; what a packed one holds may take as much memory as a large one


def ingest_new(
    tables: OpenTables, deliveries: Sequence[Delivery], timezone: str, *, first_day: date, run: str | None = None
) -> list[Intake]:
    """Put those of some objects into the lake that it never had, all at once; the others are left to `ingest`.

    Args:
        tables: those of the source.
        deliveries: its objects, which are all read before any of them is committed.
        timezone: as of `ingest`, with `first_day` and `run`.
        first_day: see there.
        run: see there.
    """
    if isinstance(tables.source, Events) and tables.source.happens_once:  # whose days follow from the rows of others
        return []
    try:
        # Several at a time, for to read a small one is to wait in turn for disk, Polars and threads.
        at_once = _AT_ONCE if all(_is_text(tables, one) for one in deliveries) else 1
        with tables.newest() as newest, ExitStack() as stack, ThreadPoolExecutor(at_once, "ingest") as readers:

            def read_one(delivery: Delivery) -> tuple[Staging, CommitInfo]:
                bounds = event_bounds(tables.source, delivery.day, timezone, first_day)
                reading = (tables.storage, tables.source, newest, delivery, None)
                return stack.enter_context(read_object(*reading, bounds=bounds, run=run, is_released=False))

            read = list(readers.map(read_one, [one for one in deliveries if not _was_committed(newest, one)]))
            return _commit(newest, [each for each in read if not each[1].quarantine_reason], timezone)
    except Exception:  # of one of them, which fails alone when each is ingested by itself
        return []


def _is_text(tables: OpenTables, delivery: Delivery) -> bool:
    return not (tables.source.reader.magic or is_packed(delivery.object))


def _was_committed(tables: Tables, delivery: Delivery) -> bool:
    return tables.rows_base.transaction_version(delivery_slice(delivery.id)) is not None


def _commit(tables: Tables, read: Sequence[tuple[Staging, CommitInfo]], timezone: str) -> list[Intake]:
    if not read:
        return []
    commit_deliveries(tables.rejects, tables.rejects_base, [(staging.staged_rejects, info) for staging, info in read])
    version = commit_deliveries(tables.rows, tables.rows_base, [(staging.staged, info) for staging, info in read])
    accepted, rejected = count_rows_by_delivery(tables.rows_base), count_rows_by_delivery(tables.rejects_base)
    return [
        replace(
            intake_of(DeliveryCommit(version, info), timezone),
            accepted=accepted.get(info.delivery.id, 0),
            rejected=rejected.get(info.delivery.id, 0),
        )
        for _, info in read
    ]
