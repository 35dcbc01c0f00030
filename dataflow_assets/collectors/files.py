"""What collectors of files have in common, whatever the protocol: names, days, what is new, and what may still grow.

Here: decisions, from a listing. Not here: listing and reading (see `sftp` and `ftp`).
"""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from fnmatch import fnmatch
from typing import BinaryIO, ClassVar

from dataflow_assets.collectors.base import CollectError, Record, Remote
from dataflow_assets.core.files import explain_full_disk
from dataflow_assets.core.time_windows import day_of
from dataflow_assets.sources.origins.base import FileOrigin, Origin

UNFINISHED = ("*.part", "*.partial", "*.filepart", "*.tmp", "*.temp", "*.crdownload", "*.swp", ".*", "~*")
_NO_UTF8 = re.compile("[\udc80-\udcff]")  # how a byte stands in a text that is no letter
_RECENT = timedelta(hours=1)  # more than clocks differ: what was changed before has not been written for long


class MissingSecretError(CollectError):
    """The environment variable that a declaration names is not set."""

    code: ClassVar[str] = "missing_secret"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A file as a server lists it: its path below the folder, and by which text a change of it is seen.

    A `fault` says why it cannot be brought.
    """

    path: str
    version: str
    size: int | None = None
    modified: datetime | None = None
    fault: str | None = None


def secret_of(origin: Origin, field: str) -> str | None:
    """The secret whose environment variable a field of an origin names; None where it names none.

    Raises:
        MissingSecretError: the variable is not set.
    """
    variable = origin.variables[field]
    if variable is None:
        return None
    value = os.environ.get(variable)
    if not value:
        raise MissingSecretError(
            f"{variable} is not set, which {origin.address} takes for its {field}: set this environment variable."
        )
    return value


def is_unfinished(path: str) -> bool:
    """Whether a file is named as one that is being written, and will be renamed."""
    return any(fnmatch(part.lower(), pattern) for part in path.split("/") for pattern in UNFINISHED)


def is_wanted(origin: FileOrigin, path: str) -> bool:
    """Whether a path below the folder is one of a file of the source that is whole by its name."""
    return origin.names.matches(path) and not is_unfinished(path)


def may_hold(origin: FileOrigin, folder: str) -> bool:
    """Whether a folder below the folder may hold files of the source."""
    levels, depth = origin.names.folders, folder.count("/")
    return levels is None or (depth < len(levels) and bool(levels[depth].fullmatch(folder)))


def find_changed(entries: Iterable[Entry], record: Record) -> list[Entry]:
    """The files of a listing that are not recorded as they are now, by path."""
    listed = {entry.path: entry for entry in map(_readable, entries)}
    known = record.read(list(listed))
    return [
        entry for path, entry in sorted(listed.items()) if path not in known or known[path].version != entry.version
    ]


def _readable(entry: Entry) -> Entry:
    """A file of which each byte of its path that is no UTF-8 is escaped, so that it can be recorded."""
    path = _NO_UTF8.sub(lambda found: f"\\x{ord(found[0]) - 0xDC00:02x}", entry.path)
    return entry if path == entry.path else replace(entry, path=path, fault="its name is not in UTF-8; have it renamed")


def as_remotes(entries: Iterable[Entry], origin: FileOrigin, timezone: str) -> list[Remote]:
    """Files as what is to be brought; the object has the file's path below the folder for its name."""
    return [
        Remote(
            path=entry.path,
            version=entry.version,
            name=entry.path,
            day=_delivery_day(entry, origin, timezone),
            size=entry.size,
            modified=entry.modified,
            fault=entry.fault,
        )
        for entry in entries
    ]


def _delivery_day(entry: Entry, origin: FileOrigin, timezone: str) -> date | None:
    if origin.day_of == "modification" and entry.modified:
        return day_of(entry.modified, timezone)
    return origin.names.day_of(entry.path)


def may_grow(remote: Remote) -> bool:
    """Whether a file was changed so lately, by whichever clock, that somebody may be writing it still."""
    return remote.modified is None or datetime.now(UTC) - remote.modified < _RECENT


def write_here(file: BinaryIO, data: bytes) -> None:
    """Write what came to a local file that is not buffered.

    Raises:
        DiskFullError: there is no space for it: no failure of the connection, which may be an OSError too.
    """
    with explain_full_disk():
        file.write(data)
