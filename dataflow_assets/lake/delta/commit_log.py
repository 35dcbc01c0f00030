"""What the commits of a table say of themselves.

Here: the facts that the commit of one or of several deliveries carries, written as texts and read back, and finding the
commits of an object in the log. Not here: committing (see `commit`).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

import obstore
from deltalake import DeltaTable

from dataflow_assets.core.iteration import batched
from dataflow_assets.lake.delta.table import LakeTable, log_entry
from dataflow_assets.landing.deliveries import Delivery, parse_object_key

_READERS = 8  # of the log at once
_SEVERAL = "deliveries"  # what a commit of several says of each
# The lakes of earlier builds call four facts otherwise, and a log is never written again.
_FORMER_NAMES = {
    "kept_out": "undeclared_columns",
    "lacking": "missing_columns",
    "mended": "repaired",
    "held": "quarantine_reason",
}


@dataclass(frozen=True, kw_only=True)
class CommitInfo:
    """What the commit of a delivery says.

    `delivered`, `accepted` and `rejected` count rows. `reading` tells the declarations apart by which a file is read,
    `digest` its bytes; `released` is the digest of the bytes that somebody released from quarantine, or "".
    `event_ends` are the first and the last instant of events of each UTC date, in microseconds since 1970. Where
    `quarantine_reason` is given, this version of the object is not loaded, and its counts, columns, repairs and refusal
    are those of the version in force, and `control` is the etag of the control file that was read, or "".
    """

    delivery: Delivery
    delivered: int = 0
    accepted: int = 0
    rejected: int = 0
    reading: str = ""
    digest: str = ""
    released: str = ""
    refusal: str | None = None
    event_ends: tuple[int, ...] = ()
    undeclared_columns: tuple[str, ...] = ()
    missing_columns: tuple[str, ...] = ()
    repaired: Mapping[str, int] = field(default_factory=dict)
    quarantine_reason: str | None = None
    control: str = ""

    def to_metadata(self) -> dict[str, str]:
        """The facts as texts, as a commit carries them."""
        delivery = self.delivery
        of_quarantine = {"quarantine_reason": self.quarantine_reason, "control": self.control}
        reason = {name: text for name, text in of_quarantine.items() if text}
        return {
            "object": delivery.object,
            "etag": delivery.etag,
            "size": str(delivery.size),
            "last_modified": delivery.last_modified.isoformat(),
            "object_version": delivery.version or "",
            "delivered": str(self.delivered),
            "accepted": str(self.accepted),
            "rejected": str(self.rejected),
            "reading": self.reading,
            "digest": self.digest,
            "released": self.released,
            "refusal": self.refusal or "",
            "event_ends": json.dumps(self.event_ends),
            "undeclared_columns": json.dumps(self.undeclared_columns),
            "missing_columns": json.dumps(self.missing_columns),
            "repaired": json.dumps(self.repaired, sort_keys=True),
            **reason,
        }

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, Any]) -> Self:
        """The facts that a commit of a delivery carries, one of an earlier build too."""
        metadata = {_FORMER_NAMES.get(name, name): value for name, value in metadata.items()}
        return cls(
            delivery=_delivery(metadata),
            delivered=int(metadata["delivered"]),
            accepted=int(metadata["accepted"]),
            rejected=int(metadata["rejected"]),
            reading=metadata["reading"],
            digest=metadata["digest"],
            released=metadata["released"],
            refusal=metadata["refusal"] or None,
            event_ends=tuple(json.loads(metadata["event_ends"])),
            undeclared_columns=tuple(json.loads(metadata["undeclared_columns"])),
            missing_columns=tuple(json.loads(metadata["missing_columns"])),
            repaired=json.loads(metadata["repaired"]),
            quarantine_reason=metadata.get("quarantine_reason") or None,
            control=metadata.get("control", ""),
        )


def facts_of(infos: Sequence[CommitInfo]) -> dict[str, str]:
    """What a commit of one or of several deliveries carries."""
    facts = [info.to_metadata() for info in infos]
    return facts[0] if len(facts) == 1 else {_SEVERAL: json.dumps(facts)}


def _delivery(metadata: Mapping[str, Any]) -> Delivery:
    """The version of an object that a commit is about; it may be gone from landing."""
    key = metadata["object"]
    place = parse_object_key(key)
    assert place, f"{key} was landed once"
    return Delivery(
        source=place[0],
        day=place[1],
        object=key,
        etag=metadata["etag"],
        version=metadata["object_version"] or None,
        size=int(metadata["size"]),
        last_modified=datetime.fromisoformat(metadata["last_modified"]),
    )


@dataclass(frozen=True)
class DeliveryCommit:
    """A commit of a delivery: the version of the table that it became, and what it says."""

    version: int
    info: CommitInfo


def delivery_slice(delivery: int) -> str:
    """The name of the slice that a delivery's object, given by its small key, has in a table."""
    return f"delivery-{delivery}"


def find_last_commit(table: LakeTable, base: DeltaTable, delivery: Delivery) -> DeliveryCommit | None:
    """The last commit of an object in `base`."""
    found = find_slice_commit(table, base, delivery_slice(delivery.id), {"object": delivery.object})
    return found and DeliveryCommit(found[0], CommitInfo.from_metadata(found[1]))


def read_commits(table: LakeTable, base: DeltaTable, delivery: Delivery) -> Iterator[DeliveryCommit]:
    """The commits of an object in `base`, newest first."""
    while found := find_last_commit(table, base, delivery):
        yield found
        base = table.open_version(found.version - 1)


def read_all_commits(table: LakeTable) -> Iterator[DeliveryCommit]:
    """The commits of every object, oldest first."""
    versions = range(1, table.open().version() + 1)  # no entry is ever cleaned up: see `LakeTable._create`
    with ThreadPoolExecutor(_READERS, "log") as pool:
        for some in batched(versions, 100 * _READERS):
            read = zip(some, pool.map(lambda version: _read_facts(table, version), some), strict=True)
            for version, facts in read:
                yield from (DeliveryCommit(version, CommitInfo.from_metadata(one)) for one in facts if "object" in one)


def find_slice_commit(
    table: LakeTable, base: DeltaTable, slice_name: str, names: Mapping[str, str]
) -> tuple[int, Mapping[str, Any]] | None:
    """The last commit of a slice in `base`: the version that it became, and its metadata.

    Args:
        table: the table.
        base: the table at some version.
        slice_name: names the slice.
        names: what the metadata of the slice's commits hold, and those of no other commit.
    """
    earliest = base.transaction_version(slice_name)
    if earliest is None:
        return None
    versions = range(earliest, base.version() + 1)
    commits = ((version, facts) for version in versions for facts in _read_facts(table, version))
    return next((found for found in commits if names.items() <= found[1].items()), None)


def _read_facts(table: LakeTable, version: int) -> list[dict[str, Any]]:
    """What the commit of a version says of itself, or of each of its deliveries."""
    metadata = dict(*(action["commitInfo"] for action in read_actions(table, version) if "commitInfo" in action))
    return json.loads(metadata[_SEVERAL]) if _SEVERAL in metadata else [metadata]


def read_actions(table: LakeTable, version: int) -> list[dict[str, Any]]:
    """The actions of the commit of a version."""
    entry = obstore.get(table.storage.store, table.object_key(log_entry(version))).bytes()
    return [json.loads(line) for line in bytes(entry).splitlines()]
