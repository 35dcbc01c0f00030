"""Lines of a file, however they end.

Here: where each ends. Not here: what is in it.
"""

from collections.abc import Iterator
from typing import BinaryIO

_BLOCK_BYTES = 64 << 10


def read_lines(file: BinaryIO, longest: int) -> Iterator[bytes]:
    """The lines from where a file stands, each with its end: LF, CR LF or a lone CR.

    One that has no end in so many bytes comes in pieces.
    """
    rest = b""
    while block := file.read(_BLOCK_BYTES):
        *lines, rest = (rest + block).splitlines(keepends=True)  # a CR at the end may be half of a CR LF
        yield from lines
        if len(rest) >= longest:
            yield rest
            rest = b""
    if rest:
        yield rest
