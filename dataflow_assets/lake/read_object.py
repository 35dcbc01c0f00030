"""Reading the present version of an object, up to what is to be committed of it.

Here: reading it into staged files, with its control file, and judging whether it is to be quarantined. Not here: how it
is read (see `staging`), by which rules it is judged (see `quarantine`), and committing (see `ingest`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from dataflow_assets.core.time_windows import Window
from dataflow_assets.lake.delta.commit_log import CommitInfo
from dataflow_assets.lake.open_tables import Tables
from dataflow_assets.lake.quarantine import find_uneven_columns, judge
from dataflow_assets.lake.staging import Staging, stage_object
from dataflow_assets.landing.companions import read_control
from dataflow_assets.landing.deliveries import Delivery, Landing
from dataflow_assets.landing.storage import Storage
from dataflow_assets.sources.base import Source


@contextmanager
def read_object(
    storage: Storage,
    source: Source,
    tables: Tables,
    delivery: Delivery,
    last: CommitInfo | None,
    *,
    bounds: Window | None,
    run: str | None,
    is_released: bool,
) -> Iterator[tuple[Staging, CommitInfo]]:
    """The staged files of an object, discarded where it is quarantined or the block fails, and what to commit of it.

    Args:
        storage: holds the object.
        source: how it is read.
        tables: those into which it goes, at the versions before it was looked at.
        delivery: its version.
        last: its last commit.
        bounds: of its events (see `event_bounds`).
        run: who takes it in.
        is_released: whether somebody releases these bytes now.

    Raises:
        ObjectChangedError: it is gone, or has another version.
        LostRowsError: its rows do not add up.
    """
    staging = Staging(tables.rows, tables.rejects, source, delivery, bounds, run)
    control = read_control(storage, source, delivery)
    with stage_object(Landing(storage), staging):
        told = control.find_contradiction(staging.delivered) if control and not staging.refusal else None
        judged = (staging.info, last, source.reject_limit, staging.first_rejects)
        info = judge(*judged, release=is_released, contradiction=told or find_uneven_columns(staging.uneven_columns))
        staging.first_rejects.clear()  # each may be large, and others may be read before this one is committed
        if info.quarantine_reason:
            info = replace(info, control=control.etag if control else "")
            staging.discard()
        else:
            staging.mark(is_released=info.released == info.digest)
        yield staging, info
