"""The portable file: every answer in one DuckDB file that anyone can copy and open.

Here: writing it so that an open notebook never blocks a run, and a failed run never harms the file. Not
here: how a frame becomes a DuckDB table (that is dagster-duckdb-polars).
"""

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import polars as pl
from dagster_duckdb_polars import DuckDBPolarsIOManager

from dataflow_assets.settings import load_settings


class PublishedIOManager(dg.ConfigurableIOManager):
    """Stores `published/<answer>` as the table `published.<answer>` of `analytics.duckdb` under DATAFLOW_HOME.

    Each write works on a private copy and puts it in place by a rename; there is one writer at a time.
    """

    def handle_output(self, context: dg.OutputContext, obj: pl.DataFrame) -> None:
        """Put the run's partitions in place of those in the file."""
        with _private_copy(load_settings().published_file) as draft:
            _duckdb(draft).handle_output(context, obj)

    def load_input(self, context: dg.InputContext) -> pl.DataFrame:
        """The wanted partitions of a table."""
        loaded = _duckdb(load_settings().published_file).load_input(context)
        assert isinstance(loaded, pl.DataFrame)
        return loaded


def _duckdb(path: Path) -> dg.IOManager:
    return DuckDBPolarsIOManager(database=str(path)).create_io_manager(dg.build_init_resource_context())


@contextmanager
def _private_copy(path: Path) -> Iterator[Path]:
    """A copy to change, which takes the file's place when the block ends well; other writers wait."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        draft.unlink(missing_ok=True)
        if path.exists():
            shutil.copyfile(path, draft)
        try:
            yield draft
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
