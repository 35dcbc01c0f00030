"""Whether the lake holds an object as it is now, so that to take it in again would change nothing.

Here: that, by the object's last commit. Not here: taking it in (see `ingest`).
"""

from collections.abc import Iterable
from contextlib import suppress
from datetime import date, timedelta

from dataflow_assets.core.time_windows import Window
from dataflow_assets.lake.delta.commit_log import CommitInfo, find_last_commit
from dataflow_assets.lake.delta.intact import holds_rejects, holds_rows
from dataflow_assets.lake.delta.table import rejects_table, rows_table
from dataflow_assets.lake.open_tables import Tables
from dataflow_assets.lake.staging import file_digest, reading_of
from dataflow_assets.landing.deliveries import Delivery, Landing, ObjectChangedError
from dataflow_assets.landing.storage import Storage
from dataflow_assets.sources.base import Events, Source


def event_bounds(source: Source, day: date, timezone: str, first_day: date) -> Window | None:
    """When the events of a delivery day may begin: from the first day to the day after it.

    All of these days have a partition. It is an empty window where something was delivered before the first day; None
    for a snapshot.
    """
    if not isinstance(source, Events):
        return None
    last = max(day + timedelta(days=1), first_day - timedelta(days=1))
    return Window.of_days(first_day, last, timezone)


def is_intact(tables: Tables, last: CommitInfo, delivery: Delivery) -> bool:
    """Whether both tables hold what the object's last commit says: somebody may have restored them since."""
    return holds_rows(tables.rows, tables.rows_base, delivery, last.accepted) and holds_rejects(
        tables.rejects, tables.rejects_base, delivery, last.rejected
    )


def is_known(
    storage: Storage,
    source: Source,
    last: CommitInfo,
    delivery: Delivery,
    bounds: Window | None,
    release: str | None = None,
) -> bool:
    """Whether these bytes came before, by the last commit of the object, and were read in the same way.

    An equal etag shows that nothing was written since; without it an equal size makes the body worth a look. Bytes that
    are to be released, and were not before, are not known.
    """
    if release == delivery.etag and last.released != last.digest:
        return False
    if last.quarantine_reason and source.control:  # which may have been corrected
        return False
    if last.delivery.size != delivery.size or last.reading != reading_of(source, bounds):
        return False
    if last.delivery.etag == delivery.etag:
        return True
    with Landing(storage).lend(delivery) as path:
        return last.digest == file_digest(path)


def find_known(
    storage: Storage, source: Source, deliveries: Iterable[Delivery], timezone: str, first_day: date
) -> dict[Delivery, int]:
    """Those among some deliveries of a source that the lake holds as they are, each with its version of the table."""
    rows, rejects = rows_table(storage, source), rejects_table(storage)
    tables = Tables(rows, rows.open(), rejects, rejects.open())
    found = {}
    for delivery in deliveries:
        last = find_last_commit(rows, tables.rows_base, delivery)
        if last is None or not is_intact(tables, last.info, delivery):
            continue
        bounds = event_bounds(source, delivery.day, timezone, first_day)
        with suppress(ObjectChangedError):
            if is_known(storage, source, last.info, delivery, bounds):
                found[delivery] = last.version
    return found


def read_otherwise(
    storage: Storage, source: Source, deliveries: Iterable[Delivery], timezone: str, first_day: date
) -> list[Delivery]:
    """Those of some deliveries that the lake holds and that were read by another declaration than the present one."""
    table = rows_table(storage, source)
    base = table.open()

    def is_read_otherwise(delivery: Delivery) -> bool:
        last = find_last_commit(table, base, delivery)
        bounds = event_bounds(source, delivery.day, timezone, first_day)
        return last is not None and last.info.reading != reading_of(source, bounds)

    return [delivery for delivery in deliveries if is_read_otherwise(delivery)]
