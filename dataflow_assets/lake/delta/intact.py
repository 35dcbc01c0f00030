"""Whether a table still holds what the last commit of an object gave it.

The mark of a commit survives what others do to a table: after a restore to an older version the log says that the
object was committed, and its rows are gone. So the files are compared, and not the mark alone.

Here: that comparison. Not here: what follows from it (see `ingest` and `ledger.deliveries`).
"""

from datetime import UTC, datetime
from urllib.parse import unquote

from deltalake import DeltaTable

from dataflow_assets.lake.delta.commit_log import find_last_commit, read_actions, read_commits
from dataflow_assets.lake.delta.table import LakeTable, list_files
from dataflow_assets.landing.deliveries import Delivery


def holds_rows(table: LakeTable, base: DeltaTable, delivery: Delivery, rows: int) -> bool:
    """Whether a source's table has in `base` the files of the object's version in force, which gave so many rows."""
    loaded = (commit.version for commit in read_commits(table, base, delivery) if not commit.info.quarantine_reason)
    return _holds(table, base, delivery, next(loaded, None), rows)


def holds_rejects(table: LakeTable, base: DeltaTable, delivery: Delivery, rows: int) -> bool:
    """The same of the table of rejects, in which what is quarantined commits nothing."""
    last = find_last_commit(table, base, delivery)
    return _holds(table, base, delivery, last.version if last else None, rows)


def _holds(table: LakeTable, base: DeltaTable, delivery: Delivery, version: int | None, rows: int) -> bool:
    """Whether the object's files in `base` are those of a commit, or those into which they were merged later."""
    files = list_files(base, delivery.id)
    if int(files["num_records"].sum()) != rows:
        return False
    actions = read_actions(table, version) if version is not None else []
    adds = [one["add"] for one in actions if "add" in one]  # of others too, which were committed at once
    of_object = [one for one in adds if one["partitionValues"]["delivery"] == str(delivery.id)]
    added = {unquote(one["path"]): one["modificationTime"] for one in of_object}
    present = dict(files.select("path", "modification_time").iter_rows())
    if {unquote(path) for path in present} == added.keys():
        return True
    newest = datetime.fromtimestamp(max(added.values()) / 1000, UTC) if added else datetime.max.replace(tzinfo=UTC)
    later = [_as_utc(written) for path, written in present.items() if unquote(path) not in added]
    return bool(later) and all(written > newest for written in later)


def _as_utc(written: datetime | int) -> datetime:
    """The time at which a file was written, which Delta Lake gives in milliseconds or as an instant."""
    if isinstance(written, int):
        return datetime.fromtimestamp(written / 1000, UTC)
    return written if written.tzinfo else written.replace(tzinfo=UTC)
