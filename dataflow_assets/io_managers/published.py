"""A portable DuckDB file that anyone can copy and open, with a table for each asset.

Here: writing it so that an open notebook never blocks a run, and a failed run never harms the file. Not
here: how a frame becomes a DuckDB table (that is dagster-duckdb-polars).
"""

import fcntl
import shutil
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
from dagster_duckdb_polars import DuckDBPolarsIOManager, DuckDBPolarsTypeHandler

from dataflow_assets.core.files import explain_full_disk
from dataflow_assets.errors import FormatError
from dataflow_assets.io_managers.per_partition import Metadata, store_each
from dataflow_assets.io_managers.slices import expression, output_slices

Describe = Callable[[dg.OutputContext, pl.DataFrame, float], None]
_DRAFT = "draft-"
_MAGIC = b"DUCK"  # bytes 8 to 11 of a database, by DuckDB's storage format


class PublishedIOManager(DuckDBPolarsIOManager):
    """Stores `<schema>/<table>` as the table `<schema>.<table>` of the DuckDB file `database`.

    Each write works on a private copy and puts it in place by a rename; there is one writer at a time.
    """

    @staticmethod
    def type_handlers() -> Sequence[DuckDBPolarsTypeHandler]:
        """How a frame becomes a DuckDB table."""
        return [_FrameHandler()]

    def create_io_manager(self, context: dg.InitResourceContext) -> dg.IOManager:  # type: ignore[override]
        """The manager of dagster-duckdb-polars, given a private copy at each use."""
        return _OnPrivateCopy(super().create_io_manager(context), Path(self.database), self.describe_partitions)

    def describe_partitions(self, context: dg.OutputContext, rows: pl.DataFrame, seconds: float) -> None:
        """Give each partition its own metadata. A subclass may say more.

        Args:
            context: of the output.
            rows: of all partitions, which were written at once.
            seconds: how long that took; the partitions share them.
        """
        slices = output_slices(context, rows.schema)

        def describe(index: int) -> Metadata:
            of_slice = rows.filter(expression([slices[index]], rows.schema))
            return {"rows": of_slice.height, "seconds": seconds / len(slices)}

        store_each(context, slices, describe)


class _FrameHandler(DuckDBPolarsTypeHandler):
    """Makes a table of an empty frame too, and matches columns by name."""

    def handle_output(self, context: dg.OutputContext, table_slice: Any, obj: pl.DataFrame, connection: Any) -> None:  # noqa: ARG002
        table = f"{table_slice.schema}.{table_slice.table}"
        connection.register("answer", obj.to_arrow())
        connection.execute(f"CREATE TABLE IF NOT EXISTS {table} AS FROM answer LIMIT 0")
        connection.execute(f"INSERT INTO {table} BY NAME FROM answer")


class _OnPrivateCopy(dg.IOManager):
    def __init__(self, manager: dg.IOManager, published: Path, describe: Describe) -> None:
        self._manager = manager
        self._published = published
        self._describe = describe

    def handle_output(self, context: dg.OutputContext, obj: pl.DataFrame) -> None:
        start = time.monotonic()
        with explain_full_disk(self._published.parent), _private_copy(self._published) as draft:
            _point_at(context.resource_config, draft)
            self._manager.handle_output(context, obj)
            # First: a table without its partition column is not published.
            self._describe(context, obj, time.monotonic() - start)
            draft.replace(self._published)

    def load_input(self, context: dg.InputContext) -> object:
        with _private_copy(self._published) as draft:
            _point_at(context.resource_config, draft)
            return self._manager.load_input(context)


def _point_at(resource_config: Any, draft: Path) -> None:
    # The manager opens the file that the context names. The name is new each time: after an error DuckDB keeps
    # the file open in this process, and would give it again to who asks for the same name.
    resource_config["database"] = str(draft)


def _require_database(published: Path) -> None:
    """Check that the file begins as DuckDB's do: dagster-duckdb would try for minutes to open another one.

    Raises:
        FormatError: it does not.
    """
    with published.open("rb") as file:
        beginning = file.read(12)
    if beginning and beginning[8:] != _MAGIC:
        raise FormatError(f"{published} is not a DuckDB database. Remove it, and materialize what it held again.")


@contextmanager
def _private_copy(published: Path) -> Iterator[Path]:
    """A copy to work on while no other writer is at work; it is gone after the block unless it was moved."""
    published.parent.mkdir(parents=True, exist_ok=True)
    with published.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _remove_drafts(published)  # a writer that was killed left one
        draft = published.with_suffix(f".{_DRAFT}{uuid.uuid4().hex}")
        try:
            if published.exists():
                _require_database(published)
                shutil.copyfile(published, draft)
            yield draft
        finally:
            _remove_drafts(published)


def _remove_drafts(published: Path) -> None:
    """Remove every copy, and what DuckDB keeps beside it."""
    for path in published.parent.glob(f"{published.stem}.{_DRAFT}*"):
        path.unlink()
