"""What lies in landing, a piece at a time.

Here: the folders of the days, and the objects of some of them in pages, with those whose names cannot be read. Not
here: which folders are looked at (see `sweep`), and what is new (see `warehouse.arrivals`).
"""

import os
import re
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from itertools import groupby, takewhile
from typing import TYPE_CHECKING, Any, NamedTuple

import obstore
from obstore.exceptions import InvalidPathError
from obstore.store import LocalStore

from dataflow_assets.core.iteration import batched
from dataflow_assets.landing.storage import Storage

if TYPE_CHECKING:
    from obstore import ObjectMeta

PREFIX = "landing"
_PAGE = 1000  # the objects that S3 lists at once
UNREADABLE = re.compile(r"[\x00-\x1f\x7f]|(?:^|/)\.{0,2}(?:/|$)")
UNFINISHED = re.compile(r"#\d+$")  # what a local store calls a file that it is about to rename
_ERROR_PATH = re.compile(r'path: "(.*)"')


class Listed(NamedTuple):
    """One object as the store tells of it.

    `last_modified` is None where the name cannot be read, and nobody can open the object. `version` is told of one
    object alone, and only where the bucket keeps versions.
    """

    key: str
    etag: str
    size: int
    last_modified: datetime | None
    version: str | None = None


class Page(NamedTuple):
    """Some objects, and the place from which a later walk may go on after them; there is not always one."""

    objects: list[Listed]
    place: str | None


def find_folders(storage: Storage) -> tuple[list[str], list[Listed]]:
    """The folders `landing/<source>/<day>/`, of whatever name, in order; and the objects that lie above them."""
    folders: list[str] = []
    tops, objects = _within(storage, f"{PREFIX}/")
    for top in tops:
        inner, beside = _within(storage, top)
        folders += inner
        objects += beside
    return sorted(folders), objects


def end_of(folder: str) -> str:
    """The place after everything in a folder, and before everything that comes after it."""
    return folder.removesuffix("/") + chr(ord("/") + 1)


def walk(storage: Storage, folders: Sequence[str], wanted: Container[str], place: str = "") -> Iterator[Page]:
    """The objects of the wanted ones among all folders, in order, from a place on.

    S3 lists folders that follow each other at once, and a walk may go on after any object. A local folder is listed
    whole.
    """
    for (is_wanted, _), together in groupby(folders, key=lambda folder: (folder in wanted, _source_folder(folder))):
        rest = [folder for folder in together if end_of(folder) > place] if is_wanted else []
        if rest:
            yield from _walk_local(storage, rest) if _is_local(storage) else _walk_s3(storage, rest, place)


def list_objects(storage: Storage, folder: str, after: str = "") -> Iterator[Listed]:
    """All objects under a folder, whose path ends in a slash; on S3 in the order of their keys, after one of them."""
    return _local_objects(storage, folder) if _is_local(storage) else _s3_objects(storage, folder, after)


def _is_local(storage: Storage) -> bool:
    return isinstance(storage.store, LocalStore)


def _source_folder(folder: str) -> str:
    return "/".join(folder.split("/")[:2]) + "/"


def as_listed(meta: "ObjectMeta") -> Listed:
    """An object by what the store says of it."""
    return Listed(meta["path"], str(meta["e_tag"]), meta["size"], meta["last_modified"], meta["version"])


def _unreadable(name: str) -> Listed:
    shown = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in name)
    return Listed(shown, "", 0, None)


# In a local folder


def _within(storage: Storage, folder: str) -> tuple[list[str], list[Listed]]:
    """The folders right in a folder, and the objects right in it."""
    return _within_local(storage, folder) if _is_local(storage) else _within_s3(storage, folder)


def _within_local(storage: Storage, folder: str) -> tuple[list[str], list[Listed]]:
    # The store's own way lists nothing where it cannot read one of the names.
    folders, objects = [], []
    try:
        entries = sorted(os.scandir(f"{storage.uri}/{folder}"), key=lambda entry: entry.name)
    except FileNotFoundError:
        return [], []
    for entry in entries:
        path = folder + entry.name
        if UNREADABLE.search(entry.name) or not _is_unicode(entry.name):
            objects.append(_unreadable(path))
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


def _local_objects(storage: Storage, folder: str) -> Iterator[Listed]:
    found = obstore.list(storage.store, folder, chunk_size=1)  # a name that cannot be read takes its chunk with it
    while True:
        try:
            yield as_listed(next(found)[0])
        except StopIteration:
            return
        except InvalidPathError as error:
            path = _ERROR_PATH.search(str(error))
            yield _unreadable(path[1].lstrip("/") if path else str(error))


def _walk_local(storage: Storage, folders: Sequence[str]) -> Iterator[Page]:
    some: list[Listed] = []
    for folder in folders:
        for listed in _local_objects(storage, folder):
            some.append(listed)
            if len(some) == _PAGE:
                yield Page(some, None)
                some = []
        if not some or len(some) >= _PAGE // 2:
            yield Page(some, end_of(folder))
            some = []
    yield Page(some, end_of(folders[-1]))


# On S3


def _within_s3(storage: Storage, folder: str) -> tuple[list[str], list[Listed]]:
    with suppress(InvalidPathError):
        found = obstore.list_with_delimiter(storage.store, folder)
        return [path + "/" for path in found["common_prefixes"]], [as_listed(meta) for meta in found["objects"]]
    folders: list[str] = []
    objects: list[Listed] = []
    for page in _boto3_pages(storage, Prefix=folder, Delimiter="/"):
        objects += _boto3_objects(page)
        for path in (prefix["Prefix"] for prefix in page.get("CommonPrefixes", ())):
            if UNREADABLE.search(path.removesuffix("/")):
                objects.append(_unreadable(path))
            else:
                folders.append(path)
    return folders, objects


def _s3_objects(storage: Storage, folder: str, after: str) -> Iterator[Listed]:
    try:
        for page in obstore.list(storage.store, folder, offset=after or None, chunk_size=_PAGE):
            for meta in page:
                after = meta["path"]
                yield as_listed(meta)
    except InvalidPathError:  # of a page with such a name the store lists nothing
        for found in _boto3_pages(storage, Prefix=folder, StartAfter=after):
            yield from _boto3_objects(found)


def _boto3_pages(storage: Storage, **wanted: str) -> Iterator[Mapping[str, Any]]:
    """Pages of a listing by a library that can read every name, and is slower."""
    import boto3  # noqa: PLC0415 # slow, and seldom needed

    options = storage.options
    client = boto3.client(
        "s3",
        endpoint_url=options.get("aws_endpoint_url"),
        region_name=options["aws_region"],
        aws_access_key_id=options.get("aws_access_key_id"),
        aws_secret_access_key=options.get("aws_secret_access_key"),
        aws_session_token=options.get("aws_session_token"),
    )
    bucket = storage.uri.removeprefix("s3://")
    yield from client.get_paginator("list_objects_v2").paginate(Bucket=bucket, **wanted)


def _boto3_objects(page: Mapping[str, Any]) -> Iterator[Listed]:
    for found in page.get("Contents", ()):
        listed = Listed(found["Key"], found["ETag"], found["Size"], found["LastModified"])
        if not UNREADABLE.search(listed.key):
            yield listed
        elif listed.size or not listed.key.endswith("/"):  # else it is a folder that was made in a console
            yield _unreadable(listed.key)._replace(etag=listed.etag, size=listed.size)


def _walk_s3(storage: Storage, folders: Sequence[str], place: str) -> Iterator[Page]:
    end = end_of(folders[-1])
    found = list_objects(storage, _source_folder(folders[0]), max(place, folders[0]))
    for some in batched(takewhile(lambda listed: listed.key < end, found), _PAGE):
        # A name that cannot be read is not shown as it is, and no place.
        yield Page(some, next((listed.key for listed in reversed(some) if listed.last_modified), None))
    yield Page([], end)
