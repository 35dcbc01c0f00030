"""Files that lie beside the deliveries of a day.

Here: whether what a delivery waits for is there, and what its control file says. Not here: which names these are (see
`sources.companions`), and comparing rows (see `lake.ingest`).
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import PurePosixPath
from typing import NamedTuple, TypeVar

import obstore

from dataflow_assets.landing.deliveries import Delivery, Expected, Landing
from dataflow_assets.landing.listing import find_object, list_objects
from dataflow_assets.landing.storage import Storage
from dataflow_assets.sources.base import Source
from dataflow_assets.sources.companions import ControlFile, marker_of, pattern_of_any

_LONGEST_CONTROL = 16 << 20  # bytes
_LONGEST_COUNT = 18  # digits of a number of rows
_Found = TypeVar("_Found")
_ALGORITHMS = {32: "md5", 40: "sha1", 64: "sha256", 128: "sha512"}  # by the number of digits


@dataclass
class Companions:
    """The names beside deliveries; each folder is listed once, and only where its source waits for something."""

    storage: Storage
    expected: Expected
    _keys: dict[str, dict[str, list[str]]] = field(default_factory=dict, init=False)
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
        if source.complete_when:
            matches = marker_of(source.complete_when, name).match
            is_own = pattern_of_any(source.complete_when) != source.complete_when
            if not any(map(matches, self._names_beside(delivery, above=is_own))):
                return source.complete_when
        if source.control is None:
            return None
        key = _find_control(self._beside(delivery), source.control, delivery)
        if key is None:
            return source.control.name
        named = self._named_by(key, source.control)
        return min(named.difference(self._names_beside(delivery)), default=None) if named else None

    def _named_by(self, key: str, control: ControlFile) -> set[str]:
        """The names of the files that a manifest names; none where the control file is no manifest."""
        if control.files and key not in self._manifests:
            read = _read_text(self.storage, key)
            self._manifests[key] = control.find_files(read.text if read else "")
        return self._manifests.get(key, set())

    def _names_beside(self, delivery: Delivery, *, above: bool = False) -> Iterator[str]:
        """The names of what lies in the folder of its day, or in its own folder and those above it alone."""
        for key in chain.from_iterable(self._beside(delivery).values()):
            folder, slash, name = key.rpartition("/")
            if not above or delivery.object.startswith(folder + slash):
                yield name

    def _beside(self, delivery: Delivery) -> dict[str, list[str]]:
        folder = _folder_of(delivery)
        if folder not in self._keys:
            self._keys[folder] = _list_folded(self.storage, folder)
        return self._keys[folder]


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
    read = _look_for_control(storage, source, delivery, _read_text)
    return read and Control(read.name, read.etag, *_judge(storage, source, delivery, read))


def find_control_etag(storage: Storage, source: Source, delivery: Delivery) -> str | None:
    """The mark of the present version of a delivery's control file; None where it has none, or it is not there."""
    found = _look_for_control(storage, source, delivery, find_object)
    return found and found.etag


def _look_for_control(
    storage: Storage, source: Source, delivery: Delivery, look: Callable[[Storage, str], _Found | None]
) -> _Found | None:
    """What is seen of a delivery's control file; its folders are listed only where it is not right beside."""
    if source.control is None:
        return None
    found = look(storage, next(_places_of(source.control, delivery)))
    if found is None and (key := _find_control(_list_folded(storage, _folder_of(delivery)), source.control, delivery)):
        return look(storage, key)
    return found


def _list_folded(storage: Storage, folder: str) -> dict[str, list[str]]:
    """The keys in a folder by what they are without case."""
    folded: dict[str, list[str]] = {}
    for listed in list_objects(storage, folder):
        if listed.key != folder:
            folded.setdefault(listed.key.casefold(), []).append(listed.key)
    return folded


def _find_control(folded: Mapping[str, list[str]], control: ControlFile, delivery: Delivery) -> str | None:
    """The control file of a delivery among what lies in the folder of its day; its name may be in another case."""
    for place in _places_of(control, delivery):
        if alike := folded.get(place.casefold()):
            return place if place in alike else min(alike)
    return None


def _places_of(control: ControlFile, delivery: Delivery) -> Iterator[str]:
    """Where the control file of a delivery may be: in its own folder, or one above it, up to that of the day."""
    path = PurePosixPath(delivery.object)
    for folder in path.parents[: len(path.parts) - 3]:
        yield str(folder / control.name_of(path.name))


def _folder_of(delivery: Delivery) -> str:
    """The folder of its day."""
    return "/".join(delivery.object.split("/")[:3]) + "/"


class _Read(NamedTuple):
    """A control file: its name, its etag, and its text, which is cut where it is too long."""

    name: str
    etag: str
    text: str


def _read_text(storage: Storage, key: str) -> _Read | None:
    """A control file; None where it is not there."""
    try:
        found = obstore.get(storage.store, key)
        is_long = found.meta["size"] > _LONGEST_CONTROL
        content = (
            obstore.get_range(storage.store, key, start=0, length=_LONGEST_CONTROL + 1) if is_long else found.bytes()
        )
    except FileNotFoundError:
        return None
    text = bytes(content).decode("utf-8-sig", errors="replace")
    return _Read(PurePosixPath(key).name, str(found.meta["e_tag"]), text)


def _judge(storage: Storage, source: Source, delivery: Delivery, read: _Read) -> tuple[int | None, str | None]:
    """The number of rows that a control file says, and its problem, where it has one."""
    control, file, said = source.control, PurePosixPath(delivery.object).name, f"Its control file {read.name}"
    assert control
    if len(read.text) > _LONGEST_CONTROL:
        return None, f"{said} is too long to be read."
    rows = control.find(control.rows, read.text, file) if control.rows else None
    digest = control.find(control.digest, read.text, file) if control.digest else None
    if control.rows and not (rows and rows.isdecimal() and len(rows) <= _LONGEST_COUNT):
        return None, f"{said} says no number of rows."
    if control.digest and (not digest or len(digest) not in _ALGORITHMS):
        return None, f"{said} says no checksum of {file}."
    if control.files and file not in control.find_files(read.text):
        return None, f"{said} does not name it."
    count = int(rows) if rows else None
    if digest is None or (actual := _digest_of(storage, delivery, _ALGORITHMS[len(digest)])) == digest.lower():
        return count, None
    return count, f"{said} says the checksum {digest}, but it is {actual}."


def _digest_of(storage: Storage, delivery: Delivery, algorithm: str) -> str:
    with Landing(storage).lend(delivery) as path, path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()
