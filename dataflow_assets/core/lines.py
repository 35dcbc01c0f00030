"""Lines of a file, however they end.

Here: where each ends. Not here: what is in it.
"""

from collections.abc import Iterator
from typing import BinaryIO

_BLOCK_BYTES = 64 << 10


def read_lines(file: BinaryIO, longest: int) -> Iterator[bytes]:
    """The lines from where a file stands, each with its end: LF, or CR where there is no LF at all.

    One that has no end in so many bytes comes in pieces.
    """
    start = file.tell()
    has_lf = any(b"\n" in block for block in _blocks(file))
    file.seek(start)
    return iter(lambda: file.readline(longest), b"") if has_lf else _read_to_cr(file, longest)


def _read_to_cr(file: BinaryIO, longest: int) -> Iterator[bytes]:
    rest = b""
    for block in _blocks(file):
        *lines, rest = (rest + block).splitlines(keepends=True)
        yield from lines
        if len(rest) >= longest:
            yield rest
            rest = b""
    if rest:
        yield rest


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    return iter(lambda: file.read(_BLOCK_BYTES), b"")
