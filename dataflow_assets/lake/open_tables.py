"""The tables that a source's objects are taken into, opened once for many objects.

To open a table reads every commit since its last checkpoint; to bring an open one up to date reads what came since.

Here: keeping them open. Not here: what is written into them (see `ingest`).
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from deltalake import DeltaTable

from dataflow_assets.lake.delta.table import LakeTable, rejects_table, rows_table
from dataflow_assets.landing.storage import Storage
from dataflow_assets.sources.base import Source

_FRESH_SECONDS = 300.0  # an open table keeps the credentials that it was opened with, and those may end


@dataclass(frozen=True)
class Tables:
    """The tables of rows and of rejects, each at the version that was the newest before an object is looked at."""

    rows: LakeTable
    rows_base: DeltaTable
    rejects: LakeTable
    rejects_base: DeltaTable


class OpenTables:
    """The tables of one source. Two threads may not use them at once."""

    def __init__(self, storage: Storage, source: Source) -> None:
        self.storage, self.source = storage, source
        self._open: Tables | None = None
        self._since = 0.0

    @contextmanager
    def newest(self) -> Iterator[Tables]:
        """The tables at their newest version; where the block fails, they are opened anew for the next.

        Raises:
            LakeConflictError: another run changed a table at the same time.
            SchemaMismatchError: what the lake holds does not fit the declaration.
        """
        found, self._open = self._open, None
        if found is None or time.monotonic() - self._since > _FRESH_SECONDS:
            found, self._since = self._open_both(), time.monotonic()
        else:
            found.rows_base.update_incremental()
            found.rejects_base.update_incremental()
        yield found
        self._open = found

    def _open_both(self) -> Tables:
        rows, rejects = rows_table(self.storage, self.source), rejects_table(self.storage)
        return Tables(rows, rows.open_to_write(), rejects, rejects.open_to_write())
