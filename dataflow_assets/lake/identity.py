"""How far the tables of a lake are: of each the id, and the commit of its newest version.

By these, and by the id of the whole (see `lake_id`), a database tells its lake from another, and from an older copy.

Here: reading them. Not here: what a database remembers of them (see `ledger.lake`).
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import obstore
from deltalake.exceptions import TableNotFoundError

from dataflow_assets.lake.delta.table import LakeTable, log_entry, rejects_table, rows_table
from dataflow_assets.landing.storage import Storage
from dataflow_assets.sources.base import Source


@dataclass(frozen=True, kw_only=True)
class TablePosition:
    """A version of a table of the lake: the table's own id, and a digest of the commit."""

    table: str
    id: str
    version: int
    commit: str


def tables_of_lake(storage: Storage, sources: Iterable[Source]) -> Iterator[LakeTable]:
    """The tables of some sources, and that of the rejects."""
    yield from (rows_table(storage, source) for source in sources)
    yield rejects_table(storage)


def read_position(table: LakeTable) -> TablePosition | None:
    """The newest version of a table; None where there is no table."""
    try:
        base = table.open_version(None)
    except TableNotFoundError:
        return None
    version = base.version()
    commit = read_commit_digest(table, version)
    assert commit, "the newest version has a commit"
    return TablePosition(table=table.name, id=str(base.metadata().id), version=version, commit=commit)


def read_commit_digest(table: LakeTable, version: int) -> str | None:
    """A digest of the commit of a version; None where the table does not have that version."""
    try:
        entry = obstore.get(table.storage.store, table.object_key(log_entry(version))).bytes()
    except FileNotFoundError:
        return None
    return hashlib.blake2b(bytes(entry), digest_size=16).hexdigest()
