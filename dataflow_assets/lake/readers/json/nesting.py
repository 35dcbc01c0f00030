"""An array inside an object, such as the `data` of an API's answer: where in a file it begins, and what is around it.

Here: going through the objects around the array, by their brackets and keys. Not here: what is in the array (see
`array`).
"""

import json
import mmap
import re
from collections.abc import Sequence

_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[{}\[\]:]|[^"{}\[\]:\s]', re.DOTALL)
_NOTHING = re.compile(rb"[ \t\r\n]*+\Z")
_OPENING = (b"{", b"[")
_CLOSING = {b"}": b"{", b"]": b"["}


class Opened:
    """The objects and arrays that are open at a place of a file, each with its present key."""

    def __init__(self, keys: Sequence[str | None]) -> None:
        self._keys = list(keys)
        self._open: list[tuple[bytes, str | None]] = []

    def ends_after(self, content: mmap.mmap, place: int) -> bool:
        """Whether after the array, which ends at a place, all that is open is closed, and no other is like it."""
        if not self._open:
            return _NOTHING.match(content, place) is not None
        return self.find_array(content, place) is None and not self._open

    def find_array(self, content: mmap.mmap, start: int) -> int | None:
        """Where, from a place on, an array under the keys begins; None where none does, or the brackets are wrong."""
        last, is_begun = b'""', bool(self._open)
        for found in _TOKEN.finditer(content, start):
            token = found[0]
            if not self._open and (is_begun or token not in _OPENING):
                self._open.append((token, None))  # there is something before or after it all, which nothing closes
                return None
            if token[:1] == b'"':
                last = token
            elif token == b":":
                self._open[-1] = (self._open[-1][0], _key(last))
            elif token == b"[" and self._open and [key for _, key in self._open] == self._keys:
                return found.start()
            elif token in _OPENING:
                self._open.append((token, None))
                is_begun = True
            elif token in _CLOSING and self._open.pop()[0] != _CLOSING[token]:
                self._open.append((token, None))
                return None
        return None


def _key(token: bytes) -> str | None:
    try:
        return str(json.loads(token))
    except ValueError:
        return None
