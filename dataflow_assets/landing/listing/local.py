"""Listing a local folder.

Here: asking the file system, which says of each name what it is; links are not followed, and what cannot be listed
stops nothing else. Not here: which folders are listed (see `landing.discovery`), and opening a file (see
`landing.files`).
"""

import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dataflow_assets.landing.files import fault_of_file, fault_of_way
from dataflow_assets.landing.listing import base
from dataflow_assets.landing.listing.base import (
    UNFINISHED,
    UNREADABLE,
    Listed,
    Page,
    as_stray,
    as_unreadable,
    end_of,
)
from dataflow_assets.landing.storage import Storage

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def find_object(storage: Storage, key: str) -> Listed | None:
    """The object of a key; None where nothing is there, or what nobody opens."""
    if UNREADABLE.search(key) or UNFINISHED.search(key) or fault_of_way(storage.uri, key):
        return None
    try:
        found = Path(storage.uri, key).lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return None if fault_of_file(found) else listed_file(key, found)


def list_folder(storage: Storage, folder: str) -> tuple[list[str], list[Listed]]:
    """The folders right in a folder, whose path ends in a slash, and the objects right in it."""
    folders, objects = [], []
    fault, entries = fault_of_way(storage.uri, folder), list[os.DirEntry[str]]()
    try:
        if not fault:
            with os.scandir(f"{storage.uri}/{folder}") as found:
                entries = sorted(found, key=lambda entry: entry.name)
    except FileNotFoundError:
        return [], []
    except OSError as error:
        fault = f"cannot be listed ({error.strerror})"
    if fault:
        return [], [as_stray(folder.removesuffix("/"), fault)]
    for entry in entries:
        path = folder + entry.name
        if UNREADABLE.search(entry.name):
            objects.append(as_unreadable(path))
        elif entry.is_dir(follow_symlinks=False):
            folders.append(path + "/")
        elif not UNFINISHED.search(entry.name):
            objects += _objects(path, entry)
    return folders, objects


def _objects(path: str, entry: os.DirEntry[str]) -> Iterator[Listed]:
    """What is no folder, as an object; nothing where it is gone meanwhile."""
    try:
        found = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return
    fault = fault_of_file(found)
    yield as_stray(path, fault) if fault else listed_file(path, found)


def listed_file(path: str, found: os.stat_result) -> Listed:
    """A file as the store's own listing would give it, with the etag by which the store opens it."""
    modified = found.st_mtime_ns // 1000
    etag = f'"{found.st_ino:x}-{modified:x}-{found.st_size:x}"'
    return Listed(path, etag, found.st_size, _EPOCH + timedelta(microseconds=modified))


def list_objects(storage: Storage, folder: str) -> Iterator[Listed]:
    """All objects under a folder, whose path ends in a slash."""
    waiting = [folder]
    while waiting:
        folders, objects = list_folder(storage, waiting.pop())
        yield from objects
        waiting += reversed(folders)


def walk(storage: Storage, folders: Sequence[str]) -> Iterator[Page]:
    """The objects of folders in pages, none of which ends within a small folder."""
    page: list[Listed] = []
    for folder in folders:
        for listed in list_objects(storage, folder):
            page.append(listed)
            if len(page) == base.PAGE:
                yield Page(page, None)
                page = []
        if not page or len(page) >= base.PAGE // 2:
            yield Page(page, end_of(folder))
            page = []
    yield Page(page, end_of(folders[-1]))
