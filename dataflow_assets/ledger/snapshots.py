"""What the tables of snapshots and of changes were made from, and how each of their dumps was judged.

Here: reading and writing these records. Not here: making the tables, and judging dumps (see `warehouse.snapshots`).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date

import sqlalchemy as sa

from dataflow_assets.lake.delta.dumps import Dumps
from dataflow_assets.ledger.tables import dumps, snapshots
from dataflow_assets.postgres.connection import Connection
from dataflow_assets.postgres.statements import insert_rows, run, upsert_rows, write_rows
from dataflow_assets.sources.base import Snapshot, Source

_READ = sa.select(
    snapshots.c.lake_version, snapshots.c.declaration, snapshots.c.newest_day, snapshots.c.changed_version
).where(snapshots.c.source == sa.bindparam("source"))
_WRITE = upsert_rows(snapshots)
_FORGET = sa.delete(snapshots).where(snapshots.c.source == sa.bindparam("source"))
_READ_DUMPS = sa.select(dumps.c.day, dumps.c.quarantine_reason).where(dumps.c.source == sa.bindparam("source"))
_DELETE_DUMPS = sa.delete(dumps).where(dumps.c.source == sa.bindparam("source"))
_INSERT_DUMPS = insert_rows(dumps)


@dataclass(frozen=True, kw_only=True)
class SnapshotRecord:
    """What both tables of a source were last made from.

    `newest_day` is the newest delivery day whose dump is complete, of changes the newest that there is;
    `changed_version` the lake's version by which a row was last written; -1 where none was.
    """

    lake_version: int = -1
    declaration: str = ""
    newest_day: date | None = None
    changed_version: int = -1


def read_snapshot(connection: Connection, source: Source) -> SnapshotRecord:
    """What the tables of a source were last made from; the version -1 where they were never made."""
    for lake_version, declaration, newest_day, changed_version in run(connection, _READ, source=source.name):
        return SnapshotRecord(
            lake_version=lake_version,
            declaration=declaration,
            newest_day=newest_day,
            changed_version=changed_version,
        )
    return SnapshotRecord()


def write_snapshot(connection: Connection, source: Source, made: SnapshotRecord) -> None:
    """Record what the tables of a source were made from, in place of what was recorded before."""
    write_rows(connection, _WRITE, [{"source": source.name, **asdict(made)}])


def forget_snapshot(connection: Connection, source: Source) -> None:
    """Forget what the tables of a source were made from, so that the next load derives them from all dumps."""
    run(connection, _FORGET, source=source.name)
    run(connection, _DELETE_DUMPS, source=source.name)


def read_dumps(connection: Connection, source: Snapshot) -> dict[date, str | None]:
    """By delivery day: why its dump was quarantined when the tables were last made, or None where it was complete."""
    return dict(run(connection, _READ_DUMPS, source=source.name))


def replace_dumps(connection: Connection, source: Snapshot, delivered: Dumps, quarantined: Mapping[date, str]) -> None:
    """Record every dump and how it was judged, in place of what was recorded before."""
    run(connection, _DELETE_DUMPS, source=source.name)
    rows = [
        {
            "source": source.name,
            "day": day,
            "rows": rows,
            "is_released": day in delivered.released,
            "quarantine_reason": quarantined.get(day),
        }
        for day, rows in delivered.rows.items()
    ]
    write_rows(connection, _INSERT_DUMPS, rows)
