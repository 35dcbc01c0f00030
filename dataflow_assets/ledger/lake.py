"""The lake that the database was made from: its id, and the newest version of each of its tables that was seen.

The versions in the record are numbers of one history. Those of another lake, or of an older copy of this one that was
written on, mean other rows, so that comparing them would lose some. Both are refused.

Here: remembering the lake, and refusing another or an older one. Not here: reading ids and commits (see
`lake.identity`), and making everything anew from the lake as it is (see `warehouse.rebuild`).
"""

from collections.abc import Iterable, Iterator
from datetime import date

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from dataflow_assets.errors import LakeMismatchError
from dataflow_assets.lake.copy import is_empty
from dataflow_assets.lake.delta.table import LakeTable
from dataflow_assets.lake.identity import (
    TablePosition,
    read_commit_digest,
    read_position,
    tables_of_lake,
)
from dataflow_assets.lake.lake_id import LAKE_ID, ensure_lake_id, read_lake_id
from dataflow_assets.landing.storage import Storage
from dataflow_assets.ledger.tables import deliveries, event_days, lake, lake_tables, snapshots
from dataflow_assets.postgres.connection import Connection, connect
from dataflow_assets.postgres.failures import shown
from dataflow_assets.postgres.statements import run, upsert_rows, write_rows
from dataflow_assets.sources.base import Source

HOW_TO_GO_ON = (
    "bring the lake back that belongs to the database, or stop the platform and run `dataflow rebuild`, which makes "
    "the records, the warehouse and the answers anew from the lake as it is."
)
_READ = sa.select(lake.c.id, lake.c.first_day)
_REMEMBER = (
    postgresql.insert(lake)
    .values(id=sa.bindparam("id"), first_day=sa.bindparam("first_day", type_=sa.Date()))
    .on_conflict_do_nothing()
)
_FORGET = sa.delete(lake)
_KEEP_FIRST_DAY = sa.update(lake).values(
    first_day=sa.func.least(lake.c.first_day, sa.bindparam("day", type_=sa.Date()))
)
_READ_TABLES = sa.select(lake_tables.c.table, lake_tables.c.id, lake_tables.c.version, lake_tables.c.commit)
_REMEMBER_TABLES = upsert_rows(lake_tables)
_FORGET_TABLES = sa.delete(lake_tables)
_READ_NEWEST = sa.select(
    sa.func.greatest(
        *(
            sa.select(sa.func.max(records.c.lake_version))
            .where(records.c.source == sa.bindparam("source"))
            .scalar_subquery()
            for records in (deliveries, event_days, snapshots)
        )
    )
)


def read_lake(connection: Connection) -> tuple[str, date] | None:
    """The id of the lake that a database was made from, and the earliest first day of its use; None of a new one."""
    found = run(connection, _READ)
    return (str(found[0][0]), found[0][1]) if found else None


def require_lake(url: str, storage: Storage) -> None:
    """Refuse another lake than the one that the database was made from; of a new database nothing is asked.

    Raises:
        LakeMismatchError: it is another one, or gone.
    """
    with connect(url) as connection:
        known = read_lake(connection)
    if known:
        _require_same(url, storage, known[0])


def bind_lake(url: str, storage: Storage, first_day: date) -> None:
    """Remember the lake of a new database; refuse another one of an old database.

    Raises:
        LakeMismatchError: it is another one, or gone.
    """
    with connect(url) as connection:
        known = read_lake(connection)
        if known is None:
            run(connection, _REMEMBER, id=ensure_lake_id(storage), first_day=first_day)
        elif first_day < known[1]:
            run(connection, _KEEP_FIRST_DAY, day=first_day)
    require_lake(url, storage)


def _require_same(url: str, storage: Storage, known: str) -> None:
    found = read_lake_id(storage)
    if found is None and not is_empty(storage):
        raise LakeMismatchError(
            f"The lake at {storage.uri} has no id, as where a restore was stopped before its end. Nothing was changed: "
            f"run the same `dataflow restore` again, which goes on, or bring {LAKE_ID} back, which is {known}."
        )
    if found is None:
        raise LakeMismatchError(
            f"The database at {shown(url)} was made from the lake {known}, and there is no lake at {storage.uri}. "
            "Nothing was changed: set DATAFLOW_HOME or S3_BUCKET to where it is, or bring it back from a backup."
        )
    if found != known:
        raise LakeMismatchError(
            f"The database at {shown(url)} was made from the lake {known}, and the one at {storage.uri} is {found}. "
            "Nothing was changed: set DATAFLOW_HOME or S3_BUCKET to the lake of this database, or use another database "
            "for this lake."
        )


def require_tables(url: str, storage: Storage, sources: Iterable[Source]) -> None:
    """Check that the lake has every version of some sources' tables that is recorded; remember the newest ones.

    Raises:
        LakeMismatchError: a table is gone, another one or older, or its history is another one.
    """
    wanted = list(sources)
    with connect(url) as connection:
        known, now = _read_tables(connection), []
        for table in tables_of_lake(storage, wanted):
            position = read_position(table)
            if problem := _find_problem(connection, table, position, known.get(table.name)):
                raise LakeMismatchError(f"{problem} Nothing was changed: {HOW_TO_GO_ON}")
            now += [position] if position and position != known.get(table.name) else []
        _remember(connection, now)


def find_problems(url: str, storage: Storage, sources: Iterable[Source]) -> list[str]:
    """What `require_tables` would refuse, a sentence each; nothing is remembered."""
    with connect(url) as connection:
        known = _read_tables(connection)
        tables = [(table, read_position(table)) for table in tables_of_lake(storage, sources)]
        found = (_find_problem(connection, table, position, known.get(table.name)) for table, position in tables)
        return [problem for problem in found if problem]


def find_lost_tables(url: str, storage: Storage, sources: Iterable[Source]) -> list[str]:
    """The names of the tables that the database remembers and the lake does not have any more."""
    with connect(url) as connection:
        known = _read_tables(connection)
    found = {table.name for table in tables_of_lake(storage, sources) if table.is_made()}
    return sorted(known.keys() - found)


def adopt_lake(url: str, storage: Storage, sources: Iterable[Source], first_day: date) -> None:
    """Remember the lake and its tables as they are now, in place of what was remembered."""
    positions = map(read_position, tables_of_lake(storage, sources))
    with connect(url) as connection:
        run(connection, _FORGET)
        run(connection, _FORGET_TABLES)
        run(connection, _REMEMBER, id=ensure_lake_id(storage), first_day=first_day)
        _remember(connection, (position for position in positions if position))


def _read_tables(connection: Connection) -> dict[str, TablePosition]:
    found = run(connection, _READ_TABLES)
    return {name: TablePosition(table=name, id=key, version=number, commit=text) for name, key, number, text in found}


def _remember(connection: Connection, positions: Iterable[TablePosition]) -> None:
    write_rows(connection, _REMEMBER_TABLES, _rows(positions))


def _rows(positions: Iterable[TablePosition]) -> Iterator[dict[str, object]]:
    return (vars(position) for position in positions)


def _find_problem(
    connection: Connection, table: LakeTable, now: TablePosition | None, known: TablePosition | None
) -> str | None:
    """What is wrong with a table of the lake, by what the database remembers and has recorded of it."""
    recorded = run(connection, _READ_NEWEST, source=table.name)[0][0]
    newest = max(known.version if known else 0, int(recorded or 0))
    if newest == 0 and not known:
        return None
    name = f"The lake's table {table.name}"
    if now is None:
        return f"{name} is gone from {table.storage.uri}, and the database has records of its version {newest}."
    if known and now.id != known.id:
        return f"{name} is another one than the database was made from."
    if now.version < newest:
        return f"{name} is at version {now.version}, older than the database, which has records of version {newest}."
    if known and read_commit_digest(table, known.version) != known.commit:
        return f"{name} has another commit at version {known.version} than the one that the database has records of."
    return None
