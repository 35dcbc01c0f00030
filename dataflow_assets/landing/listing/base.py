"""What a listing gives, whatever the store.

Here: the values, and which names can be read. Not here: asking a store (see `local` and `s3`).
"""

import re
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from obstore import ObjectMeta

PREFIX = "landing"
PAGE = 1000  # the objects that S3 lists at once
UNREADABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]|(?:^|/)\.{0,2}(?:/|$)")
UNFINISHED = re.compile(r"#\d+$")  # what a local store calls a file that it is about to rename


class Listed(NamedTuple):
    """One object as the store lists it.

    `last_modified` is None where nobody opens the object, and `fault` says why. `version` is given for one object
    alone, and only where the bucket keeps versions.
    """

    key: str
    etag: str
    size: int
    last_modified: datetime | None
    version: str | None = None
    fault: str = "has a name that cannot be read; rename or remove it"


class Page(NamedTuple):
    """Some objects, and the place from which a later walk may go on after them; there is not always one."""

    objects: list[Listed]
    place: str | None


def as_listed(meta: "ObjectMeta") -> Listed:
    """An object by what the store says of it."""
    return Listed(meta["path"], str(meta["e_tag"]), meta["size"], meta["last_modified"], meta["version"])


def as_unreadable(name: str, etag: str = "", size: int = 0) -> Listed:
    """An object whose name cannot be read, with a name that can be printed."""
    return Listed(_printable(name), etag, size, None)


def as_stray(name: str, fault: str) -> Listed:
    """What nobody opens, and why, with a name that can be printed."""
    return Listed(_printable(name), "", 0, None, fault=fault)


def _printable(name: str) -> str:
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in name)


def end_of(folder: str) -> str:
    """The place after everything in a folder, and before everything that comes after it."""
    return folder.removesuffix("/") + chr(ord("/") + 1)


def source_folder(folder: str) -> str:
    """The folder of the source that a folder of a day belongs to."""
    return "/".join(folder.split("/")[:2]) + "/"
