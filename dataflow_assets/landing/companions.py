"""Files that lie beside the deliveries of a day.

Here: whether what a delivery waits for is there, and what its control file says. Not here: which names these are (see
`sources.companions`), and comparing rows (see `lake.ingest`).
"""

import hashlib
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import obstore

from dataflow_assets.landing.deliveries import Delivery, Expected, Landing
from dataflow_assets.landing.listing import list_objects
from dataflow_assets.landing.storage import Storage
from dataflow_assets.sources.base import Source
from dataflow_assets.sources.companions import marker_of

_LONGEST_CONTROL = 16 << 20  # bytes
_ALGORITHMS = {32: "md5", 40: "sha1", 64: "sha256", 128: "sha512"}  # by the number of digits


@dataclass
class Companions:
    """The names beside deliveries; each folder is listed once, and only where its source waits for something."""

    storage: Storage
    expected: Expected
    _names: dict[str, list[str]] = field(default_factory=dict, init=False)

    def is_companion(self, delivery: Delivery) -> bool:
        """Whether an object is no data, by its name."""
        return self.expected.is_ignored(delivery.object)

    def find_missing(self, delivery: Delivery) -> str | None:
        """What a delivery waits for that is not there; None where nothing is missing."""
        source = self.expected.declared.get(delivery.source)
        name = PurePosixPath(delivery.object).name
        if source is None:
            return None
        for pattern in source.waits_for:
            matches = marker_of(pattern, name).match
            if not any(matches(other) for other in self._beside(delivery)):
                return pattern
        return None

    def _beside(self, delivery: Delivery) -> list[str]:
        folder = "/".join(delivery.object.split("/")[:3]) + "/"
        if folder not in self._names:
            listed = list_objects(self.storage, folder)
            self._names[folder] = [PurePosixPath(one.key).name for one in listed if one.key != folder]
        return self._names[folder]


@dataclass(frozen=True)
class Control:
    """What the control file of a delivery says: its rows, its checksum and that of its bytes, or what it fails to."""

    name: str
    rows: int | None = None
    problem: str | None = None

    def find_contradiction(self, delivered: int) -> str | None:
        """Where it contradicts a delivery with so many rows, in a sentence; None where it does not."""
        if self.rows is not None and self.rows != delivered:
            return f"Its control file {self.name} says {self.rows:,} rows, but it holds {delivered:,}."
        return self.problem


def read_control(storage: Storage, source: Source, delivery: Delivery) -> Control | None:
    """What the control file of a delivery says; None where its source has none, or it is not there.

    Raises:
        ObjectChangedError: the delivery was replaced meanwhile.
    """
    if source.control is None:
        return None
    path = PurePosixPath(delivery.object)
    key = str(path.parent / source.control.name_of(path.name))
    try:
        found = obstore.get(storage.store, key)
    except FileNotFoundError:
        return None
    name = PurePosixPath(key).name
    if found.meta["size"] > _LONGEST_CONTROL:
        return Control(name, problem=f"Its control file {name} is too long to be read.")
    text = bytes(found.bytes()).decode("utf-8-sig", errors="replace")
    return _judge(storage, source, delivery, name, text)


def _judge(storage: Storage, source: Source, delivery: Delivery, name: str, text: str) -> Control:
    control, file = source.control, PurePosixPath(delivery.object).name
    assert control
    rows = control.find(control.rows, text, file) if control.rows else None
    digest = control.find(control.digest, text, file) if control.digest else None
    if control.rows and not (rows and rows.isdecimal()):
        return Control(name, problem=f"Its control file {name} says no number of rows.")
    if control.digest and (not digest or len(digest) not in _ALGORITHMS):
        return Control(name, problem=f"Its control file {name} says no checksum of {file}.")
    count = int(rows) if rows else None
    if digest is None or (actual := _digest_of(storage, delivery, _ALGORITHMS[len(digest)])) == digest.lower():
        return Control(name, count)
    return Control(name, count, f"Its control file {name} says the checksum {digest}, but it is {actual}.")


def _digest_of(storage: Storage, delivery: Delivery, algorithm: str) -> str:
    with Landing(storage).lend(delivery) as path, path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()
