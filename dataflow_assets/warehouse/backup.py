"""A database and its lake in one folder, and back from there.

The database is written first, then the lake, which may have gone on: what it has beyond the records is found in
landing again. So a backup may be made while the platform runs. The database is read first too, by one transaction, and
the id of the lake is copied last: until then everybody refuses the database, but a restore of the same backup, which
goes on.

Here: what belongs together, and refusing what does not. Not here: how a database is written (see `postgres.dump`) and
a table copied (see `lake.copy`). Landing is not part of it: it holds other people's files, byte for byte.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from dataflow_assets.core.files import explain_full_disk
from dataflow_assets.errors import BackupError
from dataflow_assets.lake import copy
from dataflow_assets.lake.identity import TablePosition, read_position, tables_of_lake
from dataflow_assets.lake.lake_id import read_lake_id
from dataflow_assets.landing.storage import Storage, open_folder
from dataflow_assets.ledger.marks import read_marks
from dataflow_assets.postgres.brief import require_writable
from dataflow_assets.postgres.connection import connect
from dataflow_assets.postgres.dump import dump_database, restore_database
from dataflow_assets.postgres.failures import shown
from dataflow_assets.postgres.schema import LEDGER
from dataflow_assets.postgres.sql import execute
from dataflow_assets.sources.base import Source

_DUMP, _MANIFEST = "database.dump", "manifest.json"
Report = Callable[[str], None]


def back_up(url: str, storage: Storage, sources: Sequence[Source], folder: Path, report: Report) -> None:
    """Write the database and the lake to a folder, which must be new or empty.

    Raises:
        BackupError: the folder is not empty, or there is no lake.
    """
    if folder.exists() and any(folder.iterdir()):
        raise BackupError(f"{folder} is not empty; name a new folder.")
    lake = read_lake_id(storage)
    if lake is None:
        raise BackupError(f"There is no lake at {storage.uri} yet, so that there is nothing to back up.")
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)  # it holds the data of everyone
    try:
        with explain_full_disk(folder):  # before there is room again
            _write(url, storage, sources, folder, lake, report)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)  # a part is of no use, and a full disk has room again
        raise


def _write(url: str, storage: Storage, sources: Sequence[Source], folder: Path, lake: str, report: Report) -> None:
    report("Writing the database")
    dump_database(url, folder / _DUMP)
    target, positions = open_folder(folder), []
    for table in tables_of_lake(storage, sources):
        if position := read_position(table):
            report(f"Copying the lake's table {table.name}")
            copy.copy_table(table, position.version, target)
            positions.append(vars(position))
    copy.copy_lake_id(storage, target)
    manifest = {"lake": lake, "database": _digest(folder / _DUMP), "tables": positions}
    (folder / _MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")  # last: without it there is no backup


def restore(url: str, storage: Storage, sources: Sequence[Source], folder: Path, report: Report) -> None:
    """Bring database and lake back from a folder, into a database and a storage that hold nothing of a platform.

    A restore of the same backup that was stopped goes on.

    Raises:
        BackupError: the folder is no whole backup, its parts are of different ones, or the target is not empty.
        WarehouseReadOnlyError: the server lets nobody write.
    """
    require_writable(url)
    digest, positions = _require_pair(folder, sources)
    copied = open_folder(folder)
    if copy.read_begun(storage) != digest:
        _require_empty_database(url)
        _require_empty_storage(storage)
        copy.begin(storage, digest)
    if not _is_of(url, copied):
        _require_empty_database(url)
        report("Reading the database")
        restore_database(url, folder / _DUMP)
    tables = {table.name: table for table in tables_of_lake(copied, sources)}
    for position in positions:
        report(f"Copying the lake's table {position.table}")
        copy.copy_table(tables[position.table], position.version, storage)
    copy.end(copied, storage)


def _require_pair(folder: Path, sources: Sequence[Source]) -> tuple[str, list[TablePosition]]:
    """Check that the parts of a backup are whole and of one; the digest of its database, the versions of its tables."""
    manifest = _read_manifest(folder)
    copied = open_folder(folder)
    positions = [TablePosition(**position) for position in manifest["tables"]]
    problems = []
    if read_lake_id(copied) != manifest["lake"]:
        problems.append("its lake is another one")
    if not (folder / _DUMP).is_file() or _digest(folder / _DUMP) != manifest["database"]:
        problems.append(f"{_DUMP} is another one")
    known = {table.name for table in tables_of_lake(copied, sources)}
    problems += [f"{position.table} is of no known source" for position in positions if position.table not in known]
    problems = problems or list(copy.find_missing(tables_of_lake(copied, sources), positions))
    if problems:
        raise BackupError(
            f"{folder} does not hold one whole backup: {'; '.join(problems)}. Nothing was restored: a database and a "
            "lake of two moments do not fit each other; restore a folder as `dataflow backup` wrote it."
        )
    return manifest["database"], positions


def _read_manifest(folder: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((folder / _MANIFEST).read_text())
    except (OSError, ValueError):
        raise BackupError(f"{folder} is no backup, or one that was not finished: it has no {_MANIFEST}.") from None
    return found


def _is_of(url: str, copied: Storage) -> bool:
    """Whether a database is of a copied lake."""
    marks = read_marks(url)
    return marks is not None and marks.lake is not None and marks.lake == read_lake_id(copied)


def _require_empty_database(url: str) -> None:
    with connect(url) as connection:
        [(schema,)] = execute(connection, "SELECT to_regnamespace($1)::text", LEDGER)
    if schema is not None:
        raise BackupError(
            f"The database at {shown(url)} is in use. Nothing was restored: name an empty database by DATABASE_URL, or "
            "a new DATAFLOW_HOME."
        )


def _require_empty_storage(storage: Storage) -> None:
    if not copy.is_empty(storage):
        raise BackupError(
            f"There is a lake at {storage.uri}. Nothing was restored: move it away, or name another bucket or home."
        )


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
