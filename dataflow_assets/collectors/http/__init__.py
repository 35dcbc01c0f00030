"""One file behind an address of HTTP.

Here: whether there is a new version, and bringing it whole. Not here: what a declaration says of it (see
`sources.origins.http`), and asking (see `http.session`).
"""

import gzip
import hashlib
import re
import shutil
import tempfile
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path
from typing import ClassVar

import requests

from dataflow_assets.collectors.base import CollectError, Collector, Record, Remote, Sink, UnreachableError
from dataflow_assets.collectors.files import write_here
from dataflow_assets.collectors.http.session import HttpSession
from dataflow_assets.core.time_windows import day_of
from dataflow_assets.sources.origins.base import Origin
from dataflow_assets.sources.origins.http import HttpFile

_PARTS = 10  # of a file that is cut again and again
_CHUNK = 1 << 20
_STRONG = re.compile(r'"[^"]*"')
_RANGE = re.compile(r"bytes (?P<start>\d+)-\d+/(?P<size>\d+)")
_NO_VERSION = "unknown"
_PACKED = {"gzip": ".gz", "x-gzip": ".gz", "zstd": ".zst"}  # what a file in an encoding may itself be called
_COMPRESSIONS = {*_PACKED, "br", "compress", "x-compress", "dcb", "dcz", "deflate"}  # other encodings mean nothing


class HttpCollector(Collector[HttpFile]):
    """Brings one file."""

    origin_type: ClassVar[type[Origin]] = HttpFile
    _known: str | None = None

    def check(self) -> str:
        """Ask for it, without its body."""
        with HttpSession(self.origin).get(self.origin.url) as response:
            size = response.headers.get("Content-Length", "an unknown number of")
        return f"{self.origin.address} has {size} bytes for {self.source.name}."

    def find(self, record: Record) -> Iterable[Remote]:
        """The file, where its version is not the recorded one."""
        known = record.read([self.origin.address]).get(self.origin.address)
        self._known = known.version if known else None
        with HttpSession(self.origin).get(self.origin.url, _unless(self._known)) as response:
            if response.status_code == HTTPStatus.NOT_MODIFIED:
                return []
            remote = self._remote(response)
        return [] if remote.version == self._known else [remote]

    def _remote(self, response: requests.Response) -> Remote:
        modified = _modified(response)
        version = response.headers.get("ETag") or response.headers.get("Last-Modified") or _NO_VERSION
        return Remote(
            path=self.origin.address,
            version=version,
            name=self.origin.file_name,
            day=day_of(modified or datetime.now(UTC), self.timezone),
            modified=modified,
        )

    def bring(self, wanted: Sequence[Remote], sink: Sink) -> None:
        """Bring it; where nothing but its content tells versions apart, only if that is another."""
        for remote in wanted:
            with tempfile.TemporaryDirectory(prefix="dataflow-") as folder:
                path = Path(folder) / "file"
                path.touch()
                brought = self._fetch(remote, path)
                if brought.version == _NO_VERSION:
                    brought = _by_content(brought, path)
                if brought.version != self._known:
                    sink.land(brought, path)

    def _fetch(self, remote: Remote, path: Path) -> Remote:
        """Fetch the file whole, in as many parts as that takes; what it is, which may be newer than what was found."""
        download = _Download(self.origin, path)
        problem = UnreachableError(f"{self.origin.address} breaks off again and again.")
        for _ in range(_PARTS):
            try:
                with download.session.get(self.origin.url, download.headers) as response:
                    if response.status_code == HTTPStatus.OK:
                        remote = self._remote(response)
                    download.write(response)
            except UnreachableError as error:
                problem = error
            if download.is_whole:
                download.unpack()
                return remote
        raise problem


class _Download:
    """A file of which a part may be here."""

    def __init__(self, origin: HttpFile, path: Path) -> None:
        self.session = HttpSession(origin)
        self.is_whole = False
        self._is_packed = False
        self._name, self._address = origin.file_name, origin.address
        self._path = path
        self._etag = ""

    @property
    def headers(self) -> dict[str, str]:
        """Ask for the rest, or for all where it is another version by now."""
        have = self._path.stat().st_size
        return {"Range": f"bytes={have}-", "If-Range": self._etag} if have and _STRONG.fullmatch(self._etag) else {}

    def write(self, response: requests.Response) -> None:
        """Write what an answer holds. It is whole where as many bytes came as the answer, or its last part, says.

        Raises:
            CollectError: it is compressed in a way that nobody asked for and that is not undone.
            UnreachableError: it holds no file, such as where one is being made (202).
        """
        found = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
        size = response.raw.length_remaining
        if response.status_code == HTTPStatus.PARTIAL_CONTENT and found:
            if int(found["start"]) != self._path.stat().st_size:
                self._etag = ""
                return
            size = int(found["size"])
        elif response.status_code == HTTPStatus.OK:
            self._etag = response.headers.get("ETag", "")
            self._is_packed = self._must_unpack(response.headers.get("Content-Encoding", "").strip().lower())
            self._path.write_bytes(b"")
        elif response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE or self._path.stat().st_size:
            self._etag = ""  # nothing is left after what is here, which so is of another version
            return
        else:
            raise UnreachableError(f"{self._address} has no file for now: it answers with {response.status_code}.")
        with self._path.open("ab", buffering=0) as out:
            for chunk in response.raw.stream(_CHUNK, decode_content=False):
                write_here(out, chunk)
        self.is_whole = size is None or self._path.stat().st_size == size

    def _must_unpack(self, encoding: str) -> bool:
        """Whether a file is compressed for the way, unasked; one that is itself so named keeps it."""
        found = [coding for one in encoding.split(",") if (coding := one.strip()) in _COMPRESSIONS]
        if not found or (len(found) == 1 and self._name.endswith(_PACKED.get(found[0], ()))):
            return False
        if len(found) > 1 or _PACKED.get(found[0]) != ".gz":
            raise CollectError(f"{self._address} sends its file in the encoding {encoding!r}, which nobody asked for.")
        return True

    def unpack(self) -> None:
        """Undo the compression for the way.

        Raises:
            CollectError: it is not compressed as the server says.
        """
        if not self._is_packed:
            return
        packed = self._path.with_name(f"{self._path.name}.gz")
        self._path.rename(packed)
        try:
            with gzip.open(packed) as source, self._path.open("wb") as out:
                shutil.copyfileobj(source, out, _CHUNK)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise CollectError(f"{self._name} is not compressed as its server says ({error}).") from None
        finally:
            packed.unlink()


def _unless(version: str | None) -> dict[str, str]:
    """Ask for what is another version."""
    if version and _STRONG.fullmatch(version):
        return {"If-None-Match": version}
    return {"If-Modified-Since": version} if version and _moment(version) else {}


def _by_content(remote: Remote, path: Path) -> Remote:
    """A file whose version is a hash of its bytes."""
    with path.open("rb") as file:
        return replace(remote, version=f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}")


def _modified(response: requests.Response) -> datetime | None:
    return _moment(response.headers.get("Last-Modified", ""))


def _moment(text: str) -> datetime | None:
    """The instant that a header says, one without a zone in UTC; None where it says none, or an end of the calendar."""
    try:
        said = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    moment = said if said.tzinfo else said.replace(tzinfo=UTC)
    return moment if date.min.year < moment.year < date.max.year else None


COLLECTOR = HttpCollector
