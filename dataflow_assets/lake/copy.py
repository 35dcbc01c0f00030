"""Copying the tables of a lake to another storage, each as it is at one version.

Here: copying what such a version needs (the whole log up to it, and its files), and checking a copy. Not here: the
database that belongs to it (see `warehouse.backup`).
"""

from collections.abc import Iterable, Iterator

import obstore

from dataflow_assets.lake.delta.table import PREFIX, LakeTable, list_files, log_entry
from dataflow_assets.lake.identity import TablePosition, read_commit_digest
from dataflow_assets.lake.lake_id import LAKE_ID, read_lake_id
from dataflow_assets.landing.storage import Storage

_BEGUN = f"{PREFIX}/copied"  # the object that says of which lake a part may be there


def copy_table(table: LakeTable, version: int, target: Storage) -> None:
    """Copy a table as it is at a version: its files before the log that names them, which goes in order."""
    for path in list_files(table.open_version(version))["path"]:
        copy_object(table.storage, table.object_key(path), target)
    for number in range(version + 1):
        copy_object(table.storage, table.object_key(log_entry(number)), target)


def copy_object(source: Storage, key: str, target: Storage) -> None:
    """Copy one object under the same key."""
    obstore.put(target.store, key, obstore.get(source.store, key).bytes())


def find_missing(tables: Iterable[LakeTable], positions: Iterable[TablePosition]) -> Iterator[str]:
    """What copied tables lack of the versions that they were copied at, a sentence each."""
    by_name = {table.name: table for table in tables}
    for position in positions:
        table = by_name[position.table]
        if read_commit_digest(table, position.version) != position.commit:
            yield f"the table {position.table} is another one than at its version {position.version}"
            continue
        sizes = {one["path"]: one["size"] for page in obstore.list(table.storage.store, table.folder) for one in page}
        files = list_files(table.open_version(position.version))
        wanted = {table.object_key(path): size for path, size in files.select("path", "size_bytes").iter_rows()}
        if lost := [key for key, size in wanted.items() if sizes.get(key) != size]:
            yield f"the table {position.table} lacks {len(lost)} of its files"


def is_empty(storage: Storage) -> bool:
    """Whether a storage holds nothing of a lake."""
    return not any(len(page) for page in obstore.list(storage.store, f"{PREFIX}/"))


def begin(target: Storage, copied: str) -> None:
    """Let a storage say which lake is copied there."""
    obstore.put(target.store, _BEGUN, copied.encode())


def read_begun(target: Storage) -> str | None:
    """Which lake a storage says is copied there, and is not whole; None where none is."""
    if read_lake_id(target) is not None:
        return None
    try:
        return bytes(obstore.get(target.store, _BEGUN).bytes()).decode()
    except FileNotFoundError:
        return None


def end(source: Storage, target: Storage) -> None:
    """Make a copied lake, which is whole, the lake that it was copied from."""
    copy_lake_id(source, target)
    obstore.delete(target.store, [_BEGUN])


def copy_lake_id(source: Storage, target: Storage) -> None:
    """Make a copied lake the lake that it was copied from."""
    copy_object(source, LAKE_ID, target)
