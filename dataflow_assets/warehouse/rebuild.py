"""Making the records and the warehouse anew from the lake as it is, whatever they were made from before.

It is how to go on with a lake that is older than its database, or that lost a table: versions of two histories cannot
be compared, so nothing that is recorded of them is believed.

Here: that, and what is refused before. Not here: the answers that follow (see `orchestration.runs.in_process`).
"""

from collections.abc import Iterator, Sequence
from datetime import date

from dataflow_assets.errors import LakeMismatchError
from dataflow_assets.lake.delta.dumps import read_dumps, read_missing_columns
from dataflow_assets.lake.delta.table import rows_table
from dataflow_assets.lake.touched_days import ends, spans, touched_days
from dataflow_assets.landing.storage import Storage
from dataflow_assets.ledger.answers import forget_answer_versions
from dataflow_assets.ledger.deliveries import rebuild_deliveries
from dataflow_assets.ledger.event_days import forget_event_days, read_day_versions
from dataflow_assets.ledger.lake import adopt_lake, find_lost_tables, require_lake
from dataflow_assets.ledger.snapshots import forget_snapshot
from dataflow_assets.postgres.connection import Connection, connect, transaction
from dataflow_assets.sources.base import Events, Snapshot, Source
from dataflow_assets.sources.changes import Changes
from dataflow_assets.warehouse.changes import load_changes
from dataflow_assets.warehouse.events import load_day
from dataflow_assets.warehouse.snapshots import load_snapshot


def require_whole_lake(url: str, storage: Storage, sources: Sequence[Source]) -> None:
    """Refuse to make anything from a lake that is another one than the database knows, or that lost a table.

    Raises:
        LakeMismatchError: saying which.
    """
    require_lake(url, storage)
    if lost := find_lost_tables(url, storage, sources):
        raise LakeMismatchError(
            f"The lake at {storage.uri} does not have the tables {', '.join(lost)} any more, so that their records "
            "would be emptied. Nothing was changed: bring them back, or run `dataflow rebuild --accept-lake`, which "
            "takes the lake as it is."
        )


def rebuild_warehouse(
    url: str, storage: Storage, sources: Sequence[Source], timezone: str, first_day: date
) -> Iterator[tuple[Source, set[date]]]:
    """Make the records and the tables of all sources anew; of each source the event days that were made.

    The tables are replaced day by day, so that readers see each day as it was or as it will be. Stopped, it is to be
    repeated: only at its end the database takes the lake for its own.

    Raises:
        SchemaMismatchError: what a table of the lake holds does not fit its declaration; nothing was changed.
    """
    for source in sources:
        rows_table(storage, source).require_declared()
    rebuild_deliveries(url, storage, sources, timezone)
    with connect(url) as connection:
        with transaction(connection):
            forget_answer_versions(connection)
        for source in sources:
            if isinstance(source, Events):
                yield source, _rebuild_events(connection, storage, source, timezone)
            else:
                _rebuild_whole(connection, storage, source)
                yield source, set()
    adopt_lake(url, storage, sources, first_day)


def _rebuild_events(connection: Connection, storage: Storage, source: Events, timezone: str) -> set[date]:
    """Load every day that the lake or the table has; the days."""
    table = rows_table(storage, source)
    version = table.open().version()
    rows = table.scan(version)
    in_lake = touched_days(ends([spans(rows, source).collect(engine="streaming")]), timezone)
    with transaction(connection):
        days = {*in_lake, *read_day_versions(connection, source)}
        forget_event_days(connection, source)
    for day in sorted(days):
        load_day(connection, source, rows, version, day, timezone)
    return days


def _rebuild_whole(connection: Connection, storage: Storage, source: Source) -> None:
    """Derive both tables from every dump, or every change, of the lake."""
    table = rows_table(storage, source)
    version = table.open().version()
    with transaction(connection):
        forget_snapshot(connection, source)
    if isinstance(source, Snapshot):
        load_snapshot(connection, source, table.scan(version), version, read_dumps(table, version))
    else:
        assert isinstance(source, Changes)
        load_changes(connection, source, table.scan(version), version, read_missing_columns(table, version))
