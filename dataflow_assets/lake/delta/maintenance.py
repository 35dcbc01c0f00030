"""Keeping the lake's tables quick to read and free of files that nobody reads.

Here: merging small files, and deleting those that no version has which somebody may still read. Not here: the log.
Nothing of it is ever deleted, for it says which deliveries there were.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import obstore
import polars as pl
from deltalake import DeltaTable
from deltalake.transaction import AddAction
from obstore.store import LocalStore

from dataflow_assets.core.cleanup import Freed
from dataflow_assets.core.iteration import batched
from dataflow_assets.lake.delta.commit import discard_staged, merge_files, stage_merged
from dataflow_assets.lake.delta.table import LakeConflictError, LakeTable, list_files

_MOST_ROWS = 250_000  # of a merged file; as many as a delivery is written with
_DELETED_AT_ONCE = 1_000
# What an interrupted write leaves beside the file that it meant: of the object store, and of Delta Lake.
_DRAFT = re.compile(r".+#[0-9]+|_commit_.+\.json\.tmp")


def merge_small_files(table: LakeTable, *, dry_run: bool = False) -> Freed:
    """Merge the small files that one delivery has in one partition; none holds rows of two.

    A large file whose days come in any order gives some for each. Each delivery is a commit of its own, and one that is
    replaced meanwhile is left as it is. The merged files stay for those who read an older version.
    """
    count = size = 0
    base = table.open()
    for delivery, files in _small_files(base):
        if dry_run or _merge(table, delivery, files):
            count, size = count + files.height, size + int(files["size_bytes"].sum())
    return Freed(f"small files merged, {table.folder}", count, size)


def _small_files(base: DeltaTable) -> Iterator[tuple[int, pl.DataFrame]]:
    """The deliveries with files that may be merged; each file with the number of the `bin` that it goes to.

    A file without rows has a meaning of its own, and stays.
    """
    files = list_files(base).filter(pl.col("num_records").is_between(1, _MOST_ROWS))
    keys = [name for name in files.columns if name.startswith("partition.")]
    if files.is_empty():
        return
    in_order = files.sort(*keys, "num_records")
    binned = in_order.with_columns(bin=pl.Series(_bins(in_order, keys), dtype=pl.Int64))
    mergeable = binned.filter(pl.len().over("bin") > 1)
    for (delivery,), of_delivery in mergeable.group_by("partition.delivery", maintain_order=True):
        yield int(str(delivery)), of_delivery


def _bins(files: pl.DataFrame, keys: list[str]) -> Iterator[int]:
    """A number for each file, equal for those of one partition that together have no more rows than a file may."""
    number, rows, partition = -1, 0, None
    for *values, records in files.select(*keys, "num_records").iter_rows():
        if values != partition or rows + records > _MOST_ROWS:
            number, rows, partition = number + 1, 0, values
        rows += records
        yield number


def _merge(table: LakeTable, delivery: int, files: pl.DataFrame) -> bool:
    """Merge files of a delivery, one bin after the other; whether they were still there."""
    base = table.open()
    if not set(files["path"]) <= set(list_files(base)["path"]):
        return False
    merged: list[AddAction] = []
    try:
        merged += (stage_merged(table, together) for _, together in files.group_by("bin", maintain_order=True))
        merge_files(table, base, delivery, files, merged)
    except LakeConflictError:
        discard_staged(table, merged)
        return False
    except BaseException:
        discard_staged(table, merged)
        raise
    return True


def delete_unused_files(table: LakeTable, keep: timedelta, *, dry_run: bool = False) -> Freed:
    """Delete the files that were replaced longer ago than is kept, and those of that age that were never committed.

    Who began to read within that time reads on.
    """
    sizes = _old_objects(table, keep)
    unused = _unused(table, keep, sizes) if sizes else {}
    for some in batched(unused, _DELETED_AT_ONCE):
        if not dry_run:
            obstore.delete(table.storage.store, some)
    drafts = _drafts(table, keep)
    for path in () if dry_run else drafts:
        path.unlink(missing_ok=True)
    return Freed(
        f"replaced or left files, {table.folder}",
        len(unused) + len(drafts),
        sum([*unused.values(), *drafts.values()]),
    )


def _unused(table: LakeTable, keep: timedelta, sizes: dict[str, int]) -> dict[str, int]:
    """The size of each object that is not needed, by its key."""
    found = table.open().vacuum(keep // timedelta(hours=1), enforce_retention_duration=False, full=True)
    keys = (table.object_key(path) for path in found)
    return {key: sizes[key] for key in keys if key in sizes}


def _old_objects(table: LakeTable, keep: timedelta) -> dict[str, int]:
    """The size of each object of a table that is older than what is kept, by its key."""
    before = datetime.now(UTC) - keep
    pages: Iterable[Iterable[obstore.ObjectMeta]] = obstore.list(table.storage.store, f"{table.folder}/")
    return {meta["path"]: meta["size"] for page in pages for meta in page if meta["last_modified"] <= before}


def _drafts(table: LakeTable, keep: timedelta) -> dict[Path, int]:
    """The size of each local file of that age that is no object, but what an interrupted write left of one."""
    if not isinstance(table.storage.store, LocalStore):
        return {}
    before = (datetime.now(UTC) - keep).timestamp()
    found = {}
    for path in Path(table.uri).rglob("*"):
        with suppress(FileNotFoundError):
            if _DRAFT.fullmatch(path.name) and path.is_file() and (status := path.stat()).st_mtime <= before:
                found[path] = status.st_size
    return found
