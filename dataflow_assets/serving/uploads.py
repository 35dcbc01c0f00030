"""Bodies that are files: received into a temporary file, whole or not at all.

Here: the limit of their size, and whether they are what their headers say. Not here: what becomes of them. A body that
is packed by gzip stays packed: who unpacks one might take half of it for the whole.
"""

import base64
import binascii
import hashlib
import re
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from anyio import to_thread
from fastapi import Request

from dataflow_assets.core.files import explain_full_disk
from dataflow_assets.serving.refusals import TooLargeError, UnsupportedBodyError, UnusableError

_PIECE = 1 << 20  # bytes that are written at once
_DIGEST = re.compile(r"\s*([a-z0-9.*-]+)=:([A-Za-z0-9+/=]*):\s*(?:;[^,]*)?")  # RFC 9530
_ALGORITHMS = {"sha-256": "sha256", "sha-512": "sha512"}


@dataclass(frozen=True)
class Upload:
    """A body that arrived whole, as a file; `digest` is its SHA-256 in hexadecimal digits."""

    path: Path
    size: int
    digest: str


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
    """The body of a request as a file of that name, for as long as the block runs.

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
    with explain_full_disk(), tempfile.TemporaryDirectory(prefix="dataflow-") as folder:
        path = Path(folder, name)
        hashes = {algorithm: hashlib.new(algorithm) for algorithm in {"sha256", *wanted}}
        with path.open("wb") as file:
            size = await _write(request, file, list(hashes.values()), most)
        for algorithm, digest in wanted.items():
            if hashes[algorithm].digest() != digest:
                raise UnusableError(
                    "The body is not the one that Content-Digest says; nothing was kept. Send it again."
                )
        yield Upload(path, size, hashes["sha256"].hexdigest())


async def _write(request: Request, file: BinaryIO, hashes: "list[hashlib._Hash]", most: int) -> int:
    size, piece = 0, bytearray()

    def flush() -> None:
        file.write(piece)
        for each in hashes:
            each.update(piece)
        piece.clear()

    async for chunk in request.stream():
        size += len(chunk)
        if size > most:
            raise _too_large(most)
        piece += chunk
        if len(piece) >= _PIECE:
            await to_thread.run_sync(flush)
    await to_thread.run_sync(flush)
    return size


def _too_large(most: int) -> TooLargeError:
    return TooLargeError(
        f"The body has more than {most:,} bytes, the most that is taken (DATAFLOW_LARGEST_UPLOAD_MB, and 10 MB for a "
        "preview); send it in parts."
    )


def _wanted_digests(header: str | None) -> dict[str, bytes]:
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
            found[_ALGORITHMS[match[1]]] = digest
    return found
