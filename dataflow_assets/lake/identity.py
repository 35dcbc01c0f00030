"""Which lake it is: an id in its root, and of each of its tables the id and the commit of its newest version.

By these a database tells its own lake from another, and from an older copy of it.

Here: reading them, and giving a new lake its id. Not here: what a database remembers of them (see `ledger.lake`).
"""

import hashlib
import uuid
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

import obstore
from deltalake.exceptions import TableNotFoundError
from obstore.exceptions import AlreadyExistsError

from dataflow_assets.lake.delta.table import PREFIX, LakeTable, log_entry, rejects_table, rows_table
from dataflow_assets.landing.storage import Storage
from dataflow_assets.sources.base import Source

LAKE_ID = f"{PREFIX}/lake_id"  # the object that holds it


@dataclass(frozen=True, kw_only=True)
class TablePosition:
    """A version of a table of the lake: the table's own id, and a digest of the commit."""

    table: str
    id: str
    version: int
    commit: str


def read_lake_id(storage: Storage) -> str | None:
    """The id of the lake; None where there is no lake, or one that nothing was ever written to."""
    try:
        return bytes(obstore.get(storage.store, LAKE_ID).bytes()).decode().strip()
    except FileNotFoundError:
        return None


def ensure_lake_id(storage: Storage) -> str:
    """The id of the lake, which gets one where it has none."""
    if found := read_lake_id(storage):
        return found
    with suppress(AlreadyExistsError):
        obstore.put(storage.store, LAKE_ID, f"{uuid.uuid4()}\n".encode(), mode="create")
    found = read_lake_id(storage)
    assert found, "an object that exists can be read"
    return found


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
