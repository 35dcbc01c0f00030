"""Bodies that are files: received whole or not at all, in memory where they are small, and else in a temporary file.

Here: the limit of their size, and whether they are what their headers say. Not here: what becomes of them. A body that
is packed by gzip stays packed: who unpacks one might take half of it for the whole.
"""

import base64
import binascii
import hashlib
import re
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from anyio import to_thread
from fastapi import Request

from dataflow_assets.core.files import explain_full_disk
from dataflow_assets.landing.deliveries import Delivery, Landing
from dataflow_assets.serving.refusals import TooLargeError, UnsupportedBodyError, UnusableError

_PIECE = 1 << 20  # bytes that are written at once; a body that has fewer stays in memory
_DIGEST = re.compile(r"\s*([a-z0-9.*-]+)=:([A-Za-z0-9+/=]*):\s*(?:;[^,]*)?")  # RFC 9530
_ALGORITHMS = {"sha-256": "sha256", "sha-512": "sha512"}


@dataclass(frozen=True)
class Upload:
    """A body that arrived whole: its bytes, or the file that holds them."""

    name: str
    content: bytearray | Path
    size: int
    _digests: dict[str, str] = field(default_factory=dict, repr=False, compare=False)

    def digest(self, algorithm: str = "sha256") -> str:
        """The digest of its bytes, in hexadecimal digits; taken once; as that takes a while, a thread should ask."""
        if algorithm not in self._digests:
            self._digests[algorithm] = self._take_digest(algorithm)
        return self._digests[algorithm]

    def _take_digest(self, algorithm: str) -> str:
        if isinstance(self.content, bytearray):
            return hashlib.new(algorithm, self.content).hexdigest()
        with self.content.open("rb") as file:
            return hashlib.file_digest(file, algorithm).hexdigest()

    def read(self) -> bytes:
        """All of its bytes."""
        return bytes(self.content) if isinstance(self.content, bytearray) else self.content.read_bytes()

    def land(self, landing: Landing, source: str, day: date, name: str) -> Delivery:
        """Put it into landing."""
        if isinstance(self.content, bytearray):
            return landing.put_bytes(source, day, self.content, name)
        return landing.put(source, day, self.content, name)

    @contextmanager
    def as_file(self) -> Iterator[Path]:
        """A file that holds it, for as long as the block runs."""
        if isinstance(self.content, Path):
            yield self.content
            return
        with tempfile.TemporaryDirectory(prefix="dataflow-") as folder:
            path = Path(folder, self.name)
            path.write_bytes(self.content)
            yield path


def is_gzip(request: Request) -> bool:
    """Whether a body is packed.

    Raises:
        UnsupportedBodyError: it is, in another way.
    """
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding in ("gzip", "x-gzip"):
        return True
    if encoding != "identity":
        raise UnsupportedBodyError(f"The Content-Encoding {encoding!r} is not taken; use gzip or none.")
    return False


@asynccontextmanager
async def receive(request: Request, name: str, most: int) -> AsyncIterator[Upload]:
    """The body of a request, for as long as the block runs.

    Args:
        request: whose body is read; nothing has read it before.
        name: of the file.
        most: how many bytes it may have.

    Raises:
        TooLargeError: it has more.
        UnusableError: it is not what its Content-Digest says.
        DiskFullError: there is no space for it.
    """
    wanted = _wanted_digests(request.headers.get("Content-Digest"))
    length = request.headers.get("Content-Length", "")
    if length.isdecimal() and int(length) > most:
        raise _too_large(most)
    with explain_full_disk(), ExitStack() as files:
        upload = await _receive(request, name, most, files)
        for algorithm, digest in wanted.items():
            if await to_thread.run_sync(upload.digest, algorithm) != digest:
                raise UnusableError(
                    "The body is not the one that Content-Digest says; nothing was kept. Send it again."
                )
        yield upload


async def _receive(request: Request, name: str, most: int, files: ExitStack) -> Upload:
    size, piece = 0, bytearray()
    path: Path | None = None

    def write() -> Path:
        into = path or Path(files.enter_context(tempfile.TemporaryDirectory(prefix="dataflow-")), name)
        with into.open("ab") as file:
            file.write(piece)
        piece.clear()
        return into

    async for chunk in request.stream():
        size += len(chunk)
        if size > most:
            raise _too_large(most)
        piece += chunk
        if len(piece) >= _PIECE:
            path = await to_thread.run_sync(write)
    if path is not None:
        await to_thread.run_sync(write)
    return Upload(name, path or piece, size)


def _too_large(most: int) -> TooLargeError:
    return TooLargeError(
        f"The body has more than {most:,} bytes, the most that is taken (DATAFLOW_LARGEST_UPLOAD_MB, and 10 MB for a "
        "preview); send it in parts."
    )


def _wanted_digests(header: str | None) -> dict[str, str]:
    """What a Content-Digest says, by the name of the algorithm; those that are not known say nothing."""
    found = {}
    for part in header.split(",") if header else []:
        match = _DIGEST.fullmatch(part)
        try:
            digest = base64.b64decode(match[2], validate=True) if match else None
        except binascii.Error:
            digest = None
        if match is None or digest is None:
            raise UnusableError("Content-Digest cannot be read; write it like sha-256=:…:, with the digest in base64.")
        if match[1] in _ALGORITHMS:
            found[_ALGORITHMS[match[1]]] = digest.hex()
    return found
