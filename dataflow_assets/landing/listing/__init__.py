"""What lies in landing, a piece at a time.

Here: the folders of the days, and the objects of some of them in pages, with those whose names cannot be read. Not
here: which folders are listed (see `landing.discovery`), and what is new (see `ledger.discovery`).
"""

from collections.abc import Container, Iterator, Sequence
from itertools import groupby

from obstore.store import LocalStore

from dataflow_assets.landing.listing import local, s3
from dataflow_assets.landing.listing.base import (
    PREFIX,
    UNFINISHED,
    UNREADABLE,
    Listed,
    Page,
    end_of,
    source_folder,
)
from dataflow_assets.landing.storage import Storage

__all__ = [
    "PREFIX",
    "UNFINISHED",
    "UNREADABLE",
    "Listed",
    "Page",
    "end_of",
    "find_folders",
    "find_object",
    "list_objects",
    "walk",
]


def find_object(storage: Storage, key: str) -> Listed | None:
    """The object of a key, as it is now; None where there is none, or what nobody opens."""
    return local.find_object(storage, key) if _is_local(storage) else s3.find_object(storage, key)


def find_folders(storage: Storage) -> tuple[list[str], list[Listed]]:
    """The folders `landing/<source>/<day>/`, of whatever name, in order; and the objects that lie above them."""
    list_folder = local.list_folder if _is_local(storage) else s3.list_folder
    folders: list[str] = []
    tops, objects = list_folder(storage, f"{PREFIX}/")
    for top in tops:
        inner, beside = list_folder(storage, top)
        folders += inner
        objects += beside
    return sorted(folders), objects


def walk(storage: Storage, folders: Sequence[str], wanted: Container[str], place: str = "") -> Iterator[Page]:
    """The objects of the wanted ones among all folders, in order, from a place on.

    S3 lists folders that follow each other at once, and a walk may go on after any object. A local folder is listed
    whole.
    """
    for (is_wanted, _), together in groupby(folders, key=lambda folder: (folder in wanted, source_folder(folder))):
        rest = [folder for folder in together if end_of(folder) > place] if is_wanted else []
        if rest:
            yield from local.walk(storage, rest) if _is_local(storage) else s3.walk(storage, rest, place)


def list_objects(storage: Storage, folder: str, after: str = "") -> Iterator[Listed]:
    """All objects under a folder, whose path ends in a slash; on S3 in the order of their keys, after one of them."""
    return local.list_objects(storage, folder) if _is_local(storage) else s3.list_objects(storage, folder, after)


def _is_local(storage: Storage) -> bool:
    return isinstance(storage.store, LocalStore)
