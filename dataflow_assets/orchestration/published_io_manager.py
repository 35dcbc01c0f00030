"""The portable file: every answer in one DuckDB file that anyone can copy and open.

Here: writing it so that an open notebook never blocks a run, and a failed run never harms the file. Not
here: how a frame becomes a DuckDB table (that is dagster-duckdb-polars).
"""

import fcntl
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_duckdb_polars import DuckDBPolarsIOManager


class PublishedIOManager(DuckDBPolarsIOManager):
    """Stores `published/<answer>` as the table `published.<answer>` of the DuckDB file `database`.

    Each write works on a private copy and puts it in place by a rename; there is one writer at a time.
    """

    def create_io_manager(self, context: dg.InitResourceContext) -> dg.IOManager:  # type: ignore[override]
        """The manager of dagster-duckdb-polars, given a private copy at each use."""
        return _OnPrivateCopy(super().create_io_manager(context), Path(self.database))


class _OnPrivateCopy(dg.IOManager):
    def __init__(self, manager: dg.IOManager, published: Path) -> None:
        self._manager = manager
        self._published = published

    def handle_output(self, context: dg.OutputContext, obj: object) -> None:
        with _private_copy(self._published) as draft:
            _point_at(context.resource_config, draft)
            self._manager.handle_output(context, obj)
            draft.replace(self._published)

    def load_input(self, context: dg.InputContext) -> object:
        with _private_copy(self._published) as draft:
            _point_at(context.resource_config, draft)
            return self._manager.load_input(context)


def _point_at(resource_config: Any, draft: Path) -> None:
    # The manager opens the file that the context names. The name is new each time: after an error DuckDB keeps
    # the file open in this process, and would give it again to who asks for the same name.
    resource_config["database"] = str(draft)


@contextmanager
def _private_copy(published: Path) -> Iterator[Path]:
    """A copy to work on while no other writer is at work; it is gone after the block unless it was moved."""
    published.parent.mkdir(parents=True, exist_ok=True)
    draft = published.with_suffix(f".{uuid.uuid4().hex}")
    with published.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            if published.exists():
                shutil.copyfile(published, draft)
            yield draft
        finally:
            draft.unlink(missing_ok=True)
