"""The portable file: every answer in one DuckDB file that anyone can copy and open.

Here: writing it so that an open notebook never blocks a run, and a failed run never harms the file. Not
here: how a frame becomes a DuckDB table (that is dagster-duckdb-polars).
"""

import fcntl
import shutil
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
from dagster_duckdb_polars import DuckDBPolarsIOManager, DuckDBPolarsTypeHandler

from dataflow_assets.core.files import told_of_full_disk
from dataflow_assets.orchestration.assets.per_partition import Metrics, previewed, write_each
from dataflow_assets.orchestration.partitions import partition_days

_DRAFT = "draft-"


class PublishedIOManager(DuckDBPolarsIOManager):
    """Stores `published/<answer>` as the table `published.<answer>` of the DuckDB file `database`.

    Each write works on a private copy and puts it in place by a rename; there is one writer at a time.
    """

    @staticmethod
    def type_handlers() -> Sequence[DuckDBPolarsTypeHandler]:
        """How a frame becomes a DuckDB table."""
        return [_FrameHandler()]

    def create_io_manager(self, context: dg.InitResourceContext) -> dg.IOManager:  # type: ignore[override]
        """The manager of dagster-duckdb-polars, given a private copy at each use."""
        return _OnPrivateCopy(super().create_io_manager(context), Path(self.database))


class _FrameHandler(DuckDBPolarsTypeHandler):
    """Makes a table of an empty frame too, and matches columns by name."""

    def handle_output(self, context: dg.OutputContext, table_slice: Any, obj: pl.DataFrame, connection: Any) -> None:  # noqa: ARG002
        table = f"{table_slice.schema}.{table_slice.table}"
        connection.register("answer", obj.to_arrow())
        connection.execute(f"CREATE TABLE IF NOT EXISTS {table} AS FROM answer LIMIT 0")
        connection.execute(f"INSERT INTO {table} BY NAME FROM answer")


class _OnPrivateCopy(dg.IOManager):
    def __init__(self, manager: dg.IOManager, published: Path) -> None:
        self._manager = manager
        self._published = published

    def handle_output(self, context: dg.OutputContext, obj: pl.DataFrame) -> None:
        start = time.monotonic()
        with told_of_full_disk(), _private_copy(self._published) as draft:
            _point_at(context.resource_config, draft)
            self._manager.handle_output(context, obj)
            _tell(context, obj, time.monotonic() - start)  # first: an answer without its partitions is not published
            draft.replace(self._published)

    def load_input(self, context: dg.InputContext) -> object:
        with _private_copy(self._published) as draft:
            _point_at(context.resource_config, draft)
            return self._manager.load_input(context)


def _tell(context: dg.OutputContext, rows: pl.DataFrame, seconds: float) -> None:
    """Give each partition its metrics; they were written at once, and share the time."""
    days = partition_days(context.asset_partition_keys)
    partition = rows.get_column((context.definition_metadata or {})["partition_expr"])

    def told(day: date) -> Metrics:
        of_day = rows.filter(partition == day)
        preview = previewed(of_day, is_newest=day == max(days))
        return {"rows": of_day.height, "seconds": seconds / len(days), **preview}

    write_each(context, told)


def _point_at(resource_config: Any, draft: Path) -> None:
    # The manager opens the file that the context names. The name is new each time: after an error DuckDB keeps
    # the file open in this process, and would give it again to who asks for the same name.
    resource_config["database"] = str(draft)


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
                shutil.copyfile(published, draft)
            yield draft
        finally:
            _remove_drafts(published)


def _remove_drafts(published: Path) -> None:
    """Remove every copy, and what DuckDB keeps beside it."""
    for path in published.parent.glob(f"{published.stem}.{_DRAFT}*"):
        path.unlink()
