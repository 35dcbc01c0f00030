"""Files of a local landing folder: which of them are deliveries, and opening one for sure.

A link may lead to a file that its sender must not read, so a delivery is a regular file, with one name, whose path has
no link below the store's root.

Here: judging a path and opening it without following a link. Not here: listing (see `listing.local`).
"""

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SYMBOLIC_LINK = "is a symbolic link, which is not followed; put the file itself there"
HARD_LINK = "is a file with several names (hard links); put a copy there"
NO_FILE = "is neither a file nor a folder; remove it"


def fault_of_file(found: os.stat_result) -> str | None:
    """Why what stands at the end of a path (by `lstat`) is not taken in; None of a regular file with one name."""
    if stat.S_ISLNK(found.st_mode):
        return SYMBOLIC_LINK
    if not stat.S_ISREG(found.st_mode):
        return NO_FILE
    return HARD_LINK if found.st_nlink > 1 else None


def fault_of_way(root: str, path: str) -> str | None:
    """Why nothing at a path is taken in: a folder on the way is a link. The first one, `landing`, may be one."""
    parts = path.strip("/").split("/")
    for count in range(2, len(parts) + 1):
        if Path(root, *parts[:count]).is_symlink():
            return SYMBOLIC_LINK
    return None


def is_delivery(root: str, path: str) -> bool:
    """Whether a path leads, without a link, to a regular file with one name.

    Raises:
        FileNotFoundError: nothing is there.
    """
    try:
        return fault_of_way(root, path) is None and fault_of_file(Path(root, path).lstat()) is None
    except NotADirectoryError:
        return False


@contextmanager
def opened_without_links(root: str, path: str) -> Iterator[tuple[Path, os.stat_result]]:
    """A path of the same name that leads to the file that was opened, whatever is put in its place; and its state.

    Raises:
        OSError: nothing is there, or a link stands in the way.
    """
    first, *names = path.split("/")
    folder = os.open(Path(root, first), os.O_RDONLY | os.O_DIRECTORY)
    try:
        for name in names[:-1]:
            inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
            os.close(folder)
            folder = inner
        file = os.open(names[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    finally:
        os.close(folder)
    try:
        with tempfile.TemporaryDirectory(prefix="dataflow-") as beside:
            lent = Path(beside, names[-1])
            lent.symlink_to(f"/proc/{os.getpid()}/fd/{file}")
            yield lent, os.fstat(file)
    finally:
        os.close(file)
