"""Writing files aside, and committing them in place of what a slice of a table had before.

Here: staging files that no reader sees yet, discarding them, and the one commit that brings and removes files. A slice
is all that one object gave (of the lake's own tables), or one partition (of any other table). Not here: what a commit
says of itself (see `commit_log`), and in which order things are written (see `ingest`).
"""

import io
import json
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence

import obstore
import polars as pl
from deltalake import CommitProperties, DeltaTable
from deltalake.exceptions import CommitFailedError
from deltalake.transaction import AddAction, RemoveAction, Transaction

from dataflow_assets.lake.delta.commit_log import CommitInfo, delivery_slice, facts_of
from dataflow_assets.lake.delta.table import LakeConflictError, LakeTable, list_files


def stage_rows(table: LakeTable, rows: pl.DataFrame) -> Iterator[AddAction]:
    """Write rows into files that no reader sees before they are committed, and give each once it is written."""
    if rows.is_empty():
        return
    keys = rows.select(table.partition_by)
    varying = [column.name for column in keys if column.min() != column.max() or column.has_nulls()]
    for part in rows.partition_by(varying) if varying else [rows]:
        values = part.select(table.partition_by).row(0, named=True) if table.partition_by else {}
        yield stage_file(table, values, part.drop(table.partition_by))


def stage_file(
    table: LakeTable, values: Mapping[str, object], rows: pl.DataFrame, prefix: str = "", *, is_new: bool = True
) -> AddAction:
    """Write one file that no reader sees before it is committed.

    Args:
        table: whose file it is.
        values: those of the columns that the table is partitioned by.
        rows: the other columns, in any number of rows.
        prefix: begins the file's name.
        is_new: whether the rows are new to the table; not where files are merged.
    """
    texts = {name: str(value) for name, value in values.items()}
    folder = "".join(f"{name}={value}/" for name, value in texts.items())
    path = f"{folder}{prefix}{uuid.uuid4().hex}.parquet"
    buffer = io.BytesIO()
    rows.write_parquet(buffer, compression="snappy")
    obstore.put(table.storage.store, table.object_key(path), buffer.getbuffer())
    stats = json.dumps({"numRecords": rows.height})
    return AddAction(path, buffer.tell(), texts, _now(), data_change=is_new, stats=stats)


def stage_merged(table: LakeTable, files: pl.DataFrame) -> AddAction:
    """Write the rows of some of `list_files` of one partition, whose columns are equal, into one file.

    All of the rows are held at once.
    """
    bodies = (bytes(obstore.get(table.storage.store, table.object_key(path)).bytes()) for path in files["path"])
    values = files.select(pl.col(f"partition.{name}").alias(name) for name in table.partition_by).row(0, named=True)
    return stage_file(table, values, pl.concat([pl.read_parquet(body) for body in bodies]), is_new=False)


def discard_staged(table: LakeTable, staged: list[AddAction]) -> None:
    """Delete staged files that no commit has taken up; a commit may have succeeded and still raised."""
    committed = set(pl.DataFrame(table.open().get_add_actions())["path"]) if staged else set()
    if unused := [table.object_key(action.path) for action in staged if action.path not in committed]:
        obstore.delete(table.storage.store, unused)


def count_staged_rows(staged: Iterable[AddAction]) -> int:
    """How many rows were written into staged files."""
    return sum(json.loads(action.stats)["numRecords"] for action in staged)


def commit_deliveries(
    table: LakeTable, base: DeltaTable, deliveries: Sequence[tuple[list[AddAction], CommitInfo]]
) -> int:
    """Put staged files in place of all that the objects of deliveries gave before; a version that holds them.

    All of them or none. What is quarantined leaves the rows that its object gave before.

    Args:
        table: the table.
        base: the table as it was before the objects were read; it is brought to the version of the commit.
        deliveries: the files of each; what the commit says, which names the delivery.

    Raises:
        LakeConflictError: another run committed one of these objects after `base`.
    """
    names = [delivery_slice(info.delivery.id) for _, info in deliveries]
    loaded = [info.delivery.id for _, info in deliveries if not info.quarantine_reason]
    files = list_files(base).filter(pl.col("partition.delivery").is_in(loaded))
    staged = [action for actions, _ in deliveries for action in actions]
    transactions = [_transaction(base, name) for name in names]
    return commit(table, base, [*_removals(files), *staged], transactions, facts_of([info for _, info in deliveries]))


def merge_files(
    table: LakeTable, base: DeltaTable, delivery: int, files: pl.DataFrame, merged: list[AddAction]
) -> None:
    """Commit staged files in place of some of `list_files` of a delivery in `base` that have the same rows.

    The delivery is given by its small key. Its transaction gets the number that it has: so a commit of the object that
    follows `base` conflicts with this one, whichever comes first. Nothing else would keep it from removing files that
    are gone already, and leaving the merged ones.

    Raises:
        LakeConflictError: another run committed this object after `base`.
    """
    number = base.transaction_version(delivery_slice(delivery))
    assert number is not None, f"{delivery} was committed once"
    actions: list[AddAction | RemoveAction] = [*_removals(files, is_new=False), *merged]
    commit(table, base, actions, [Transaction(delivery_slice(delivery), number)], {})


def replace_files(
    table: LakeTable,
    base: DeltaTable,
    slice_name: str,
    replaced: pl.DataFrame,
    staged: list[AddAction],
    metadata: Mapping[str, str],
) -> int:
    """Put staged files in place of those that a slice has in `base`; a version that holds them.

    Args:
        table: the table.
        base: the table as it was read; it is brought to the version of the commit.
        slice_name: names the slice. Two commits of one slice that follow the same version conflict.
        replaced: all of `list_files` of the slice.
        staged: the files.
        metadata: what the commit says.

    Raises:
        LakeConflictError: another run committed this slice after `base`.
    """
    return commit(table, base, [*_removals(replaced), *staged], [_transaction(base, slice_name)], metadata)


def commit(
    table: LakeTable,
    base: DeltaTable,
    actions: list[AddAction | RemoveAction],
    transactions: list[Transaction],
    metadata: Mapping[str, str],
) -> int:
    """Commit files that come and go, after `base`, which is brought to that version; the version.

    Raises:
        LakeConflictError: another run committed one of the same transactions, or other columns, after `base`.
    """
    properties = CommitProperties(custom_metadata=dict(metadata), app_transactions=transactions)
    try:
        base.create_write_transaction(
            actions, "append", base.schema(), list(table.partition_by), commit_properties=properties
        )
    except CommitFailedError as error:
        raise LakeConflictError(str(error)) from None
    base.update_incremental()
    return base.version()


def _transaction(base: DeltaTable, slice_name: str) -> Transaction:
    """The slice's own transaction: two commits that both follow the same one conflict, even first ones.

    Its number is the earliest version that the commit can become.
    """
    return Transaction(slice_name, base.version() + 1)


def _removals(files: pl.DataFrame, *, is_new: bool = True) -> list[RemoveAction]:
    """The actions that take some of `list_files` out of a table, for new rows or for the same ones elsewhere."""
    keys = [name for name in files.columns if name.startswith("partition.")]
    return [
        RemoveAction(
            row["path"],
            data_change=is_new,
            deletion_timestamp=_now(),
            size=row["size_bytes"],
            partition_values={name.removeprefix("partition."): str(row[name]) for name in keys},
        )
        for row in files.iter_rows(named=True)
    ]


def _now() -> int:
    """Milliseconds since 1970."""
    return int(time.time() * 1000)
