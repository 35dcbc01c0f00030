"""Files that lie beside the deliveries of a day.

Here: whether what a delivery waits for is there, and what its control file says. Not here: which names these are (see
`sources.companions`), and comparing rows (see `lake.ingest`).
"""

import hashlib
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import obstore

from dataflow_assets.landing.deliveries import Delivery, Expected, Landing
from dataflow_assets.landing.listing import find_object, list_objects
from dataflow_assets.landing.storage import Storage
from dataflow_assets.sources.base import Source
from dataflow_assets.sources.companions import ControlFile, marker_of

_LONGEST_CONTROL = 16 << 20  # bytes
_ALGORITHMS = {32: "md5", 40: "sha1", 64: "sha256", 128: "sha512"}  # by the number of digits


@dataclass
class Companions:
    """The names beside deliveries; each folder is listed once, and only where its source waits for something."""

    storage: Storage
    expected: Expected
    _names: dict[str, list[str]] = field(default_factory=dict, init=False)
    _manifests: dict[str, set[str]] = field(default_factory=dict, init=False)

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
        named = self._named_beside(delivery, source)
        return min(named.difference(self._beside(delivery)), default=None) if named else None

    def _named_beside(self, delivery: Delivery, source: Source) -> set[str]:
        """The names of the files that its manifest names, where its source has one."""
        if source.control is None or source.control.files is None:
            return set()
        key = _key_of(source.control, delivery)
        if key not in self._manifests:
            text, _ = _read_text(self.storage, key) or ("", None)
            self._manifests[key] = source.control.find_files(text)
        return self._manifests[key]

    def _beside(self, delivery: Delivery) -> list[str]:
        folder = "/".join(delivery.object.split("/")[:3]) + "/"
        if folder not in self._names:
            listed = list_objects(self.storage, folder)
            self._names[folder] = [PurePosixPath(one.key).name for one in listed if one.key != folder]
        return self._names[folder]


@dataclass(frozen=True)
class Control:
    """What the control file of a delivery says: its rows, its checksum and that of its bytes, or what it fails to.

    `etag` is the store's mark of the version that says so.
    """

    name: str
    etag: str
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
    read = _read_text(storage, _key_of(source.control, delivery))
    return read and _judge(storage, source, delivery, *read)


def find_control_etag(storage: Storage, source: Source, delivery: Delivery) -> str | None:
    """The mark of the present version of a delivery's control file; None where it has none, or it is not there."""
    found = find_object(storage, _key_of(source.control, delivery)) if source.control else None
    return found and found.etag


def _key_of(control: ControlFile, delivery: Delivery) -> str:
    path = PurePosixPath(delivery.object)
    return str(path.parent / control.name_of(path.name))


def _read_text(storage: Storage, key: str) -> tuple[str, str] | None:
    """The text of a control file, cut where it is too long, and its etag; None where it is not there."""
    try:
        found = obstore.get(storage.store, key)
        is_long = found.meta["size"] > _LONGEST_CONTROL
        content = (
            obstore.get_range(storage.store, key, start=0, length=_LONGEST_CONTROL + 1) if is_long else found.bytes()
        )
    except FileNotFoundError:
        return None
    return bytes(content).decode("utf-8-sig", errors="replace"), str(found.meta["e_tag"])


def _judge(storage: Storage, source: Source, delivery: Delivery, text: str, etag: str) -> Control:
    control, file = source.control, PurePosixPath(delivery.object).name
    assert control
    name = control.name_of(file)
    if len(text) > _LONGEST_CONTROL:
        return Control(name, etag, problem=f"Its control file {name} is too long to be read.")
    rows = control.find(control.rows, text, file) if control.rows else None
    digest = control.find(control.digest, text, file) if control.digest else None
    if control.rows and not (rows and rows.isdecimal()):
        return Control(name, etag, problem=f"Its control file {name} says no number of rows.")
    if control.digest and (not digest or len(digest) not in _ALGORITHMS):
        return Control(name, etag, problem=f"Its control file {name} says no checksum of {file}.")
    if control.files and file not in control.find_files(text):
        return Control(name, etag, problem=f"Its control file {name} does not name it.")
    count = int(rows) if rows else None
    if digest is None or (actual := _digest_of(storage, delivery, _ALGORITHMS[len(digest)])) == digest.lower():
        return Control(name, etag, count)
    return Control(name, etag, count, f"Its control file {name} says the checksum {digest}, but it is {actual}.")


def _digest_of(storage: Storage, delivery: Delivery, algorithm: str) -> str:
    with Landing(storage).lend(delivery) as path, path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()
