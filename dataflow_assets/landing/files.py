"""Files of a local landing folder: which of them are deliveries, opening one for sure, and writing one for good.

A link may lead to a file that its sender must not read, so a delivery is a regular file, with one name, whose path has
no link below the store's root.

Here: judging a path, opening it without following a link, and putting a file there. Not here: listing (see
`listing.local`).
"""

import errno
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SYMBOLIC_LINK = "is a symbolic link, which is not followed; put the file itself there"
HARD_LINK = "is a file with several names (hard links); put a copy there"
NO_FILE = "is neither a file nor a folder; remove it"
_NOT_FOR_FOLDERS = (errno.EBADF, errno.EINVAL, errno.ENOTSUP)  # where a file system keeps names in another way
_PIECE = 8 << 20  # bytes that are copied at once


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


def write_whole(root: str, path: str, content: bytes | bytearray | Path) -> os.stat_result:
    """Put some bytes, or a copy of a file, at a path: whole, in place of what is there, and on the disk for good.

    The object store's own way would leave them in memory, and a power failure could take what was acknowledged.

    Returns:
        The state of the file.

    Raises:
        OSError: it fails, and nothing has changed.
    """
    target = Path(root, path)
    _make_folder(target.parent)
    unfinished = target.with_name(f"#{secrets.randbits(48)}")  # a name that no listing shows
    try:
        with unfinished.open("xb") as file:
            if isinstance(content, Path):
                with content.open("rb") as given:
                    shutil.copyfileobj(given, file, _PIECE)
            else:
                file.write(content)
            file.flush()
            os.fsync(file.fileno())
            found = os.fstat(file.fileno())
        unfinished.replace(target)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    _keep_names(target.parent)
    return found


def _make_folder(folder: Path) -> None:
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        _keep_names(folder.parent)


def _keep_names(folder: Path) -> None:
    """Have the names in a folder on the disk."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    except OSError as error:
        if error.errno not in _NOT_FOR_FOLDERS:
            raise
    finally:
        os.close(opened)
