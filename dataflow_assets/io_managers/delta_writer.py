"""Storing slices in a Delta table: their rows into files that nobody sees, then one commit for each slice.

Here: which table takes a frame, the one pass over the frame, and the commit of a slice. Not here: Dagster (see
`delta`), Delta Lake's log and files (see `lake.delta`), and which rows a slice is (see `slices`).
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl
from arro3.core import Table as ArrowTable
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError
from deltalake.transaction import AddAction

from dataflow_assets.core.iteration import prefetched
from dataflow_assets.errors import ConflictError, SchemaMismatchError
from dataflow_assets.io_managers.delta_columns import cast_exactly
from dataflow_assets.io_managers.delta_slices import (
    delta_partition_columns,
    delta_partition_values,
    files_of_slices,
    require_whole,
)
from dataflow_assets.io_managers.frames import iter_batches
from dataflow_assets.io_managers.slices import Slice, number
from dataflow_assets.lake.delta.commit import count_staged_rows, discard_staged, replace_files, stage_rows
from dataflow_assets.lake.delta.commit_log import find_slice_commit
from dataflow_assets.lake.delta.table import LakeConflictError, LakeTable, list_files
from dataflow_assets.landing.storage import Storage
from dataflow_assets.postgres.partitions import Versions

_TRIES = 20
_STAGE_ROWS = 250_000  # of a stream, held at a time
_MOST_ROWS = 1_000_000  # of a file
_NUMBER = "number of the slice"


@dataclass
class StagedSlice:
    """The files of a slice that no commit has taken up yet, or why there are none."""

    files: list[AddAction] = field(default_factory=list)
    error: SchemaMismatchError | None = None


@dataclass(frozen=True)
class SliceCommit:
    """What storing a slice did: how many rows and bytes it has, and the version of the table.

    Left alone was a slice that was made from newer inputs (`is_stale`).
    """

    rows: int
    bytes: int
    version: int
    is_stale: bool = False


def open_existing(storage: Storage, folder: str) -> DeltaTable | None:
    """The newest version of the table in a folder; None where there is no table."""
    try:
        return LakeTable(storage, folder, pl.Schema(), ()).open_version(None)
    except TableNotFoundError:
        return None


def read_schema(table: DeltaTable) -> pl.Schema:
    """The columns of a version of a table, those that partition its files among them."""
    return pl.DataFrame(ArrowTable.from_batches([], schema=table.schema().to_arrow())).schema


def declare_table(
    storage: Storage, folder: str, existing: DeltaTable | None, types: Mapping[str, pl.DataType], columns: Sequence[str]
) -> LakeTable:
    """The table that takes a frame: the columns that it has, and those that the frame brings.

    Args:
        storage: where tables are.
        folder: the table's own.
        existing: the table as it is.
        types: the columns of the frame.
        columns: the partition columns.

    Raises:
        SchemaMismatchError: the files of the existing table are partitioned by other columns.
    """
    before = dict(read_schema(existing)) if existing else {}
    partition_by = delta_partition_columns(columns, pl.Schema(types))
    if existing and tuple(existing.metadata().partition_columns) != partition_by:
        raise SchemaMismatchError(
            f"The table {folder} is partitioned by {existing.metadata().partition_columns}, and the asset wants "
            f"{list(partition_by)}. Nothing was written: delete the table and make it anew."
        )
    texts = {name: pl.String() for name in partition_by if name not in types}
    return LakeTable(storage, folder, pl.Schema({**types, **texts, **before}), partition_by)


def stage_slices(
    table: LakeTable, rows: pl.LazyFrame, slices: Sequence[Slice], types: Mapping[str, pl.DataType], *, is_stream: bool
) -> list[StagedSlice]:
    """Write the rows of each slice into files, in one pass over the frame.

    Args:
        table: takes the files.
        rows: of all slices, with the partition columns.
        slices: apart from each other.
        types: those in which the columns are stored.
        is_stream: whether rows are to be held some at a time, not all at once.

    Raises:
        SchemaMismatchError: rows belong to no slice; nothing is left then. What is wrong with a slice is said by it.
    """
    numbered = rows.with_columns(number(slices, rows.collect_schema()).alias(_NUMBER))
    batches = prefetched(_gathered(iter_batches(numbered))) if is_stream else [numbered.collect()]
    staged = [StagedSlice() for _ in slices]
    try:
        for batch in batches:
            for index, part in _split(batch):
                _stage(table, part, slices[index], types, staged[index])
    except BaseException:
        discard_slices(table, staged)
        raise
    return staged


def _gathered(batches: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """The same rows, as many at a time as make files of a good size."""
    pending: list[pl.DataFrame] = []
    for batch in batches:
        pending.append(batch)
        if sum(frame.height for frame in pending) >= _STAGE_ROWS:
            yield pl.concat(pending)
            pending = []
    if pending:
        yield pl.concat(pending)


def _split(batch: pl.DataFrame) -> Iterator[tuple[int, pl.DataFrame]]:
    numbers = batch[_NUMBER]
    if strays := numbers.null_count():
        raise SchemaMismatchError(
            f"{strays:,} rows belong to none of the partitions of this run: their partition column is null or names "
            "another partition. Nothing was written: return the rows of the run's partitions alone."
        )
    if numbers.is_empty():
        return
    if numbers.min() == numbers.max():
        yield numbers.item(0), batch.drop(_NUMBER)
        return
    for (index,), part in batch.partition_by(_NUMBER, as_dict=True, include_key=False).items():
        yield index, part


def _stage(
    table: LakeTable, rows: pl.DataFrame, each: Slice, types: Mapping[str, pl.DataType], staged: StagedSlice
) -> None:
    if staged.error:
        return
    for some in rows.iter_slices(_MOST_ROWS):
        try:
            fitting = cast_exactly(some, types).with_columns(delta_partition_values(each, table.schema))
        except SchemaMismatchError as error:
            discard_slices(table, [staged])
            staged.files, staged.error = [], error
            return
        staged.files += stage_rows(table, fitting)


def discard_slices(table: LakeTable, staged: Iterable[StagedSlice]) -> None:
    """Delete the files that no commit has taken up."""
    discard_staged(table, [action for each in staged for action in each.files])


class SliceWriter:
    """Commits slices of one table, one after the other. It opens the table anew when somebody else was first."""

    def __init__(self, table: LakeTable) -> None:
        self._table = table
        self._base: DeltaTable | None = None

    def commit(self, each: Slice, staged: StagedSlice, made_from: Versions | None) -> SliceCommit:
        """Put staged files in place of those of a slice, unless that was made from newer inputs.

        Raises:
            SchemaMismatchError: the slice could not be staged, or the table was written with longer partitions.
            ConflictError: others kept committing the same slice.
        """
        if staged.error:
            raise staged.error
        for _ in range(_TRIES):
            try:
                self._base = base = self._base or self._table.open_to_write()
                return self._commit(base, each, staged, made_from)
            except LakeConflictError:
                self._base = None
        raise ConflictError(f"Others kept writing {each.key or 'all'} of {self._table.folder}; try again later.")

    def _commit(self, base: DeltaTable, each: Slice, staged: StagedSlice, made_from: Versions | None) -> SliceCommit:
        table = self._table
        files = files_of_slices(list_files(base), [each], table.schema)
        require_whole(files, each, table.schema, table.folder)
        if made_from and _is_older(made_from, self._read_made_from(base, each)):
            discard_slices(table, [staged])
            rows, size = int(files["num_records"].sum()), int(files["size_bytes"].sum())
            return SliceCommit(rows, size, base.version(), is_stale=True)
        metadata = {"slice": _name(each), "made_from": json.dumps(made_from)}
        version = replace_files(table, base, _name(each), files, staged.files, metadata)
        return SliceCommit(count_staged_rows(staged.files), sum(file.size for file in staged.files), version)

    def _read_made_from(self, base: DeltaTable, each: Slice) -> Versions:
        """What the slice was made from, by its last commit."""
        found = find_slice_commit(self._table, base, _name(each), {"slice": _name(each)})
        recorded = json.loads(found[1]["made_from"]) if found else None
        return recorded or {}


def _is_older(made_from: Versions, recorded: Versions) -> bool:
    """Whether something was made from an older version of an input than what is recorded."""
    return any(version > made_from.get(name, version) for name, version in recorded.items())


def _name(each: Slice) -> str:
    return "table" if each.key is None else f"partition-{each.key}"
