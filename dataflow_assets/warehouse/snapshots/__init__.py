"""Snapshot tables: every key ever seen with its latest values, and every value it had.

Here: what others import. `load` brings the tables to what the lake says, `derive` makes their rows from all dumps,
`incremental` from the newest alone, `merge` writes the rows that differ, and `quarantine` judges which dumps are
complete.
"""

from dataflow_assets.warehouse.snapshots.load import SnapshotLoad, load_snapshot
from dataflow_assets.warehouse.snapshots.quarantine import find_quarantined_dumps

__all__ = ["SnapshotLoad", "find_quarantined_dumps", "load_snapshot"]
