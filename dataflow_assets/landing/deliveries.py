"""Deliveries: the landed objects, and where in the object store they lie.

Here: the layout `landing/<source>/<YYYY-MM-DD>/<file name>`, the deliveries of a day, putting a file there whole, and
lending a file to a reader. Not here: going through all of landing (see `listing`), and what is inside a file (see
`lake`).
"""

import filecmp
import hashlib
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import ClassVar, Self

import obstore
from obstore.exceptions import AlreadyExistsError, PreconditionError
from obstore.store import LocalStore

from dataflow_assets.errors import DataFlowError, NotFoundError
from dataflow_assets.landing.files import fault_of_file, fault_of_way, opened_without_links, write_whole
from dataflow_assets.landing.listing import PREFIX, UNFINISHED, UNREADABLE, Listed, find_object, list_objects
from dataflow_assets.landing.listing.local import listed_file
from dataflow_assets.landing.storage import Storage
from dataflow_assets.sources.base import Source
from dataflow_assets.sources.companions import IGNORED, is_ignored

_LONGEST_NAME = 60  # characters, of at most 4 bytes; a file system takes 255 bytes, an object store more


class ObjectNameError(DataFlowError):
    """A file's name cannot be the name of a landed object."""

    code: ClassVar[str] = "object_name"


class ObjectChangedError(Exception):
    """The object was replaced while it was read; what was read must not be used."""


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One version of one landed object; `version` is what S3 calls it, where a bucket keeps versions.

    `control` is the etag of a control file that came anew after this version was quarantined.
    """

    source: str
    day: date
    object: str
    etag: str
    size: int
    last_modified: datetime
    version: str | None = None
    control: str | None = None

    @property
    def id(self) -> int:
        """A small key of the object, whatever its version."""
        return small_key(self.source, self.day.isoformat(), self.object)


def small_key(*parts: str) -> int:
    """63 bits of a hash of some texts; of a landed object they are its source, day and object key."""
    return int.from_bytes(hashlib.blake2b("\0".join(parts).encode(), digest_size=8).digest(), "big") >> 1


def require_object_name(name: str) -> None:
    """Check that a file, or a path below the folder of a day, can be the name of a landed object.

    Raises:
        ObjectNameError: it holds a control character, an empty part, `.` or `..`, or ends in `#1`.
    """
    if UNREADABLE.search(name) or UNFINISHED.search(name):
        raise ObjectNameError(f"{name!r} cannot be the name of a landed object; give it another one.")


def parse_object_key(key: str) -> tuple[str, date, str] | None:
    """Split an object key into source, day and file name; None where the key is outside the layout."""
    parts = key.split("/", 3)
    if len(parts) != 4 or parts[0] != PREFIX or not parts[3]:
        return None
    try:
        day = date.fromisoformat(parts[2])
    except ValueError:
        return None
    return (parts[1], day, parts[3]) if parts[1] and parts[2] == day.isoformat() else None


@dataclass(frozen=True)
class Expected:
    """What is ingested: the names of the sources, the days, as texts, and the declarations of the sources, by name."""

    sources: frozenset[str]
    days: frozenset[str]
    declared: Mapping[str, Source] = field(default_factory=dict)

    @classmethod
    def of(cls, sources: Iterable[Source], days: Iterable[str]) -> Self:
        """What is ingested of some sources on some days."""
        declared = {source.name: source for source in sources}
        return cls(frozenset(declared), frozenset(days), declared)

    def is_ignored(self, key: str) -> bool:
        """Whether an object is no data, by its name."""
        parts = key.split("/")
        source = self.declared.get(parts[1]) if len(parts) > 3 else None
        return is_ignored("/".join(parts[3:] or parts[-1:]), source.companions if source else IGNORED)

    def why_not(self, listed: Listed) -> str | None:
        """Why nobody ingests an object; None where it is ingested."""
        if listed.last_modified is None:
            return listed.fault
        place = parse_object_key(listed.key)
        if place is None:
            return f"is not at {PREFIX}/<source>/<YYYY-MM-DD>/<name>"
        if place[0] not in self.sources:
            return "is of no known source"
        return None if place[1].isoformat() in self.days else "is of a day without a partition"


@dataclass(frozen=True)
class Stray:
    """An object in landing that nobody ingests, and why."""

    listed: Listed
    reason: str


class Landing:
    """The landing area of one object store."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._store = storage.store

    def deliveries(self, source: str | None = None, day: date | None = None) -> Iterator[Delivery]:
        """The landed objects, one source's or one day's of it, in the order of the store.

        What is outside the layout, or has a name that cannot be read, is left out.
        """
        wanted = (PREFIX, source, day.isoformat() if day else None)
        folder = "/".join(part for part in wanted if part) + "/"
        found = (as_delivery(listed) for listed in list_objects(self._storage, folder))
        return (delivery for delivery in found if delivery)

    def put(self, source: str, day: date, path: Path, name: str | None = None) -> Delivery:
        """Land a file, whole or not at all. A repeat under the same name replaces the object.

        Raises:
            NotFoundError: there is no such file.
            ObjectNameError: it cannot have that name (see `require_object_name`), or a link stands there or on the way.
        """
        if not path.is_file():
            raise NotFoundError(f"There is no file {path}.")
        return self._put(_object_key(source, day, name or path.name), path)

    def put_bytes(self, source: str, day: date, content: bytes | bytearray, name: str) -> Delivery:
        """Land bytes as `put` does a file."""
        return self._put(_object_key(source, day, name), content)

    def _put(self, key: str, content: bytes | bytearray | Path) -> Delivery:
        if not isinstance(self._store, LocalStore):
            obstore.put(self._store, key, content)
            found = self.current(key)
        elif fault := fault_of_way(self._storage.uri, key):
            raise ObjectNameError(f"{key} cannot be landed: what is there, or a folder on the way, {fault}.")
        else:
            try:
                found = as_delivery(listed_file(key, write_whole(self._storage.uri, key, content)))
            except (FileExistsError, IsADirectoryError, NotADirectoryError):
                raise ObjectNameError(f"{key} cannot be landed: a file and a folder would have one name.") from None
        assert found is not None
        return found

    def put_changed(self, source: str, day: date, path: Path) -> Delivery:
        """Land a file as `put` does, but leave an object that has its name and its bytes.

        In a local folder, where each writing makes another version; elsewhere equal bytes are one by their etag.
        """
        key = _object_key(source, day, path.name)
        if isinstance(self._store, LocalStore) and path.is_file() and (found := self.current(key)):
            with suppress(ObjectChangedError), self.lend(found) as landed:
                if filecmp.cmp(path, landed, shallow=False):
                    return found
        return self.put(source, day, path)

    def put_new(self, source: str, day: date, path: Path, name: str) -> Delivery | None:
        """Land a file as `put` does, but where there is an object of that name leave it: None.

        A local folder is looked at before: there the caller sees to it that nobody else lands this name meanwhile.
        """
        key = _object_key(source, day, name)
        if self.current(key):
            return None
        if not isinstance(self._store, LocalStore):
            try:
                obstore.put(self._store, key, path, mode="create")
            except AlreadyExistsError:
                return None
            return self.current(key)
        # The store's own way gives the file two names for a moment, and for ever where it is killed then.
        return self.put(source, day, path, name)

    def current(self, key: str) -> Delivery | None:
        """The object's present version; None where it is gone, or is a link (see `landing.files`)."""
        found = find_object(self._storage, key)
        return found and as_delivery(found)

    def holds(self, delivery: Delivery) -> bool:
        """Whether the object's present version is this one."""
        now = self.current(delivery.object)
        return now is not None and (now.etag, now.size) == (delivery.etag, delivery.size)

    def digest(self, delivery: Delivery) -> str | None:
        """The SHA-256 of this version's bytes, in hexadecimal digits; None where it was replaced meanwhile."""
        try:
            with self.lend(delivery) as path, path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except ObjectChangedError:
            return None

    @contextmanager
    def lend(self, delivery: Delivery) -> Iterator[Path]:
        """A local file with exactly this version's bytes, for as long as the block runs.

        Raises:
            ObjectChangedError: the object is no longer this version, at the start or at the end of the block.
        """
        self._require(delivery)
        if isinstance(self._store, LocalStore):
            with self._unchanged(delivery), self._opened(delivery) as path:
                yield path
        else:
            with tempfile.TemporaryDirectory(prefix="dataflow-") as folder:
                path = Path(folder) / Path(delivery.object).name[-_LONGEST_NAME:]
                with self._unchanged(delivery):
                    yield self._download(delivery, path)

    @contextmanager
    def _opened(self, delivery: Delivery) -> Iterator[Path]:
        """A local file, opened once and for all: nobody can put a link in its place while it is read."""
        try:
            with opened_without_links(self._storage.uri, delivery.object) as (path, found):
                if not delivery.etag.startswith(f'"{found.st_ino:x}-') or fault_of_file(found):
                    raise ObjectChangedError(delivery.object)
                yield path
        except (FileNotFoundError, NotADirectoryError):
            raise ObjectChangedError(delivery.object) from None

    @contextmanager
    def _unchanged(self, delivery: Delivery) -> Iterator[None]:
        """Look again at the end; where the object changed, that is the error, whatever else went wrong."""
        try:
            yield
        except Exception:
            self._require(delivery)
            raise
        self._require(delivery)

    def _download(self, delivery: Delivery, path: Path) -> Path:
        """Copy the object to a file; the store refuses it once the etag is another."""
        try:
            body = obstore.get(self._store, delivery.object, options={"if_match": delivery.etag})
        except (FileNotFoundError, PreconditionError):
            raise ObjectChangedError(delivery.object) from None
        with path.open("wb") as file:
            for chunk in body.stream(min_chunk_size=8 << 20):
                file.write(chunk)
        return path

    def _require(self, delivery: Delivery) -> None:
        if not self.holds(delivery):
            raise ObjectChangedError(delivery.object)


def _object_key(source: str, day: date, name: str) -> str:
    require_object_name(name)
    return f"{PREFIX}/{source}/{day.isoformat()}/{name}"


def as_delivery(listed: Listed) -> Delivery | None:
    """A listed object as a delivery; None where it is outside the layout or has a name that cannot be read."""
    place = parse_object_key(listed.key)
    if place is None or listed.last_modified is None:
        return None
    source, day, _ = place
    return Delivery(
        source=source,
        day=day,
        object=listed.key,
        etag=listed.etag,
        size=listed.size,
        last_modified=listed.last_modified,
        version=listed.version,
    )
