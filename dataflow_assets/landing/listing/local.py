"""Listing a local folder.

Here: asking the file system where the store's own way would fail at a name that it cannot read. Not here: which folders
are listed (see `landing.discovery`).
"""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress

import obstore
from obstore.exceptions import InvalidPathError

from dataflow_assets.landing.listing import base
from dataflow_assets.landing.listing.base import (
    UNFINISHED,
    UNREADABLE,
    Listed,
    Page,
    as_listed,
    as_unreadable,
    end_of,
)
from dataflow_assets.landing.storage import Storage

_ERROR_PATH = re.compile(r'path: "(.*)"')


def list_folder(storage: Storage, folder: str) -> tuple[list[str], list[Listed]]:
    """The folders right in a folder, and the objects right in it."""
    # The store's own way lists nothing where it cannot read one of the names.
    folders, objects = [], []
    try:
        entries = sorted(os.scandir(f"{storage.uri}/{folder}"), key=lambda entry: entry.name)
    except FileNotFoundError:
        return [], []
    for entry in entries:
        path = folder + entry.name
        if UNREADABLE.search(entry.name) or not _is_unicode(entry.name):
            objects.append(as_unreadable(path))
        elif entry.is_dir():
            folders.append(path + "/")
        elif entry.is_file() and not UNFINISHED.search(entry.name):
            with suppress(FileNotFoundError):
                objects.append(as_listed(obstore.head(storage.store, path)))
    return folders, objects


def _is_unicode(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def list_objects(storage: Storage, folder: str) -> Iterator[Listed]:
    """All objects under a folder."""
    found = obstore.list(storage.store, folder, chunk_size=1)  # a name that cannot be read takes its chunk with it
    while True:
        try:
            yield as_listed(next(found)[0])
        except StopIteration:
            return
        except InvalidPathError as error:
            path = _ERROR_PATH.search(str(error))
            yield as_unreadable(path[1].lstrip("/") if path else str(error))


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
