"""Which version of an object is quarantined: it has too many rejects, and nobody released it.

Here: pure rules over what was read and what the last commit of the object says. Not here: counting rejects (see
`staging`), and which dump of a snapshot is quarantined (see `warehouse.snapshots`).
"""

from collections.abc import Sequence
from dataclasses import replace

from dataflow_assets.lake.delta.commit_log import CommitInfo
from dataflow_assets.lake.readers import Reject
from dataflow_assets.sources.base import RejectLimit

MOST_QUOTED = 3  # rejects, in the reason


def judge(
    info: CommitInfo,
    last: CommitInfo | None,
    limit: RejectLimit,
    first_rejects: Sequence[Reject],
    *,
    release: bool,
    contradiction: str | None = None,
) -> CommitInfo:
    """What the commit of a version says: what was read, or, where it is quarantined, why and what stays in force.

    Args:
        info: what was read.
        last: the last commit of the object.
        limit: how many rejects the source allows.
        first_rejects: are quoted in the reason.
        release: whether somebody releases these bytes now; who released them once need not do it again.
        contradiction: what its control file says otherwise; None where the two agree.
    """
    released = info.digest if release else last.released if last else ""
    reason = contradiction or find_quarantine_reason(info, limit, first_rejects)
    if not reason or released == info.digest:
        return replace(info, released=released)
    return replace(
        last or CommitInfo(delivery=info.delivery),
        delivery=info.delivery,
        reading=info.reading,
        digest=info.digest,
        released=released,
        quarantine_reason=reason,
    )


def find_quarantine_reason(info: CommitInfo, limit: RejectLimit, first_rejects: Sequence[Reject]) -> str | None:
    """Why a version is not to be loaded before somebody releases it; None where it may be."""
    if info.refusal or not limit.is_exceeded(rejected=info.rejected, delivered=info.delivered):
        return None
    quoted = (f"line {reject.line}: {reject.message}" if reject.line else reject.message for reject in first_rejects)
    return (
        f"{info.rejected:,} of its {info.delivered:,} rows are rejected, over the limit of {limit.share:.0%} and "
        f"{limit.count:,} rows. The first: {' '.join(quoted)}"
    ).replace("\0", "\ufffd")
