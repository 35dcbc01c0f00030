"""Which version of an object is quarantined: for too many rejects, or for its columns, and nobody released it.

Here: pure rules over what was read and what the last commit of the object says. Not here: counting rejects (see
`staging`), and which dump of a snapshot is quarantined (see `warehouse.snapshots`).
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches

from dataflow_assets.lake.delta.commit_log import CommitInfo
from dataflow_assets.lake.readers import Reject
from dataflow_assets.sources.base import RejectLimit

MOST_QUOTED = 3  # rejects, in the reason
_LIKENESS = 0.5  # of two names, from 0 to 1, that may be of one column


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
        contradiction: what its control file says otherwise, or its members of one another; None where they agree.
    """
    released = info.digest if release else last.released if last else ""
    reason = contradiction
    if not reason and not info.refusal:
        reason = find_quarantine_reason(
            *(info.missing_columns, info.undeclared_columns),
            *(info.rejected, info.delivered),
            limit=limit,
            first_rejects=first_rejects,
        )
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


def find_quarantine_reason(
    missing: Collection[str],
    undeclared: Collection[str],
    rejected: int,
    delivered: int,
    *,
    limit: RejectLimit,
    first_rejects: Sequence[Reject],
) -> str | None:
    """Why a version is not to be loaded before somebody releases it; None where it may be.

    Args:
        missing: the declared columns that it lacks.
        undeclared: the columns that it brings and that are not declared.
        rejected: how many of its rows are rejected.
        delivered: how many rows it has.
        limit: how many rejects the source allows.
        first_rejects: are quoted.
    """
    if renamed := find_renamed_columns(missing, undeclared):
        return renamed.replace("\0", "\ufffd")
    if not limit.is_exceeded(rejected=rejected, delivered=delivered):
        return None
    quoted = (f"line {reject.line}: {reject.message}" if reject.line else reject.message for reject in first_rejects)
    return (
        f"{rejected:,} of its {delivered:,} rows are rejected, over the limit of {limit.share:.0%} and "
        f"{limit.count:,} rows. The first: {' '.join(quoted)}"
    ).replace("\0", "\ufffd")


def find_renamed_columns(missing: Collection[str], undeclared: Collection[str]) -> str | None:
    """Why a file may have brought declared columns under other names; None where it lacks none or brings no others."""
    if not missing or not undeclared:
        return None
    pairs = dict(_likely_pairs(sorted(missing), sorted(undeclared)))
    taken = ", ".join(f"{other} may be {column}" for column, other in pairs.items()) or "none of them is like another"
    aliases = ", ".join(f'"{column}": ("{other}",)' for column, other in pairs.items()) or '"column": ("its name",)'
    return (
        f"it lacks the declared columns {', '.join(sorted(missing))} and brings {', '.join(sorted(undeclared))}, which "
        f"are not declared: {taken}. Release it to load it so, or declare aliases={{{aliases}}}, or as "
        "optional_columns what a file may leave out."
    )


def find_uneven_columns(uneven: Mapping[str, str]) -> str | None:
    """Why an archive cannot be loaded whose members have not the same columns; None where they have.

    Args:
        uneven: the columns that some members lack and others have, each with one that lacks it.
    """
    if not uneven:
        return None
    found = ", ".join(f"{column} is not in {member}" for column, member in sorted(uneven.items()))
    return (
        f"its members have not the same columns: {found}, and is in others. Of a column that a file lacks the rows "
        "keep the values that they had, which cannot be said of a part of it. Land the members as files of their own, "
        "or with the same columns; or release it to load null where a member has no such column; or declare as "
        "optional_columns what a file may leave out."
    )


def _likely_pairs(missing: list[str], undeclared: list[str]) -> Iterator[tuple[str, str]]:
    """Each missing column with the name that is most like it, where one is."""
    left = {name.casefold(): name for name in undeclared}
    for column in missing:
        if alike := get_close_matches(column.casefold(), left, n=1, cutoff=_LIKENESS):
            yield column, left.pop(alike[0])
