"""Listing a bucket on S3.

Here: the store's own fast listing, and boto3's where a name is one that the store cannot read. Not here: which folders
are listed (see `landing.discovery`).
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import takewhile
from typing import Any

import obstore
from obstore.exceptions import GenericError, InvalidPathError

from dataflow_assets.core.iteration import batched
from dataflow_assets.landing.listing import base
from dataflow_assets.landing.listing.base import (
    UNREADABLE,
    Listed,
    Page,
    as_listed,
    as_unreadable,
    end_of,
    source_folder,
)
from dataflow_assets.landing.storage import Storage


def find_object(storage: Storage, key: str) -> Listed | None:
    """The object of a key; None where there is none, or its name cannot be read."""
    if UNREADABLE.search(key):
        return None
    try:
        return as_listed(obstore.head(storage.store, key))
    except FileNotFoundError:
        return None


def list_folder(storage: Storage, folder: str) -> tuple[list[str], list[Listed]]:
    """The folders right in a folder, and the objects right in it."""
    with suppress(InvalidPathError):
        found = obstore.list_with_delimiter(storage.store, folder)
        return [path + "/" for path in found["common_prefixes"]], [as_listed(meta) for meta in found["objects"]]
    folders: list[str] = []
    objects: list[Listed] = []
    for page in _boto3_pages(storage, Prefix=folder, Delimiter="/"):
        objects += _boto3_objects(page)
        for path in (prefix["Prefix"] for prefix in page.get("CommonPrefixes", ())):
            if UNREADABLE.search(path.removesuffix("/")):
                objects.append(as_unreadable(path))
            else:
                folders.append(path)
    return folders, objects


def list_objects(storage: Storage, folder: str, after: str) -> Iterator[Listed]:
    """All objects under a folder in the order of their keys, after one of them."""
    try:
        for page in obstore.list(storage.store, folder, offset=after or None, chunk_size=base.PAGE):
            for meta in page:
                after = meta["path"]
                yield as_listed(meta)
    except InvalidPathError:  # of a page with such a name the store lists nothing
        for found in _boto3_pages(storage, Prefix=folder, StartAfter=after):
            yield from _boto3_objects(found)


def _boto3_pages(storage: Storage, **wanted: str) -> Iterator[Mapping[str, Any]]:
    """Pages of a listing by a library that can read every name, and is slower.

    Raises:
        GenericError: the bucket cannot be listed.
    """
    import boto3  # noqa: PLC0415 # slow, and seldom needed
    from botocore import UNSIGNED  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    options = storage.options
    client = boto3.client(
        "s3",
        endpoint_url=options.get("aws_endpoint_url"),
        region_name=options["aws_region"],
        aws_access_key_id=options.get("aws_access_key_id"),
        aws_secret_access_key=options.get("aws_secret_access_key"),
        aws_session_token=options.get("aws_session_token"),
        config=Config(signature_version=UNSIGNED) if options.get("aws_skip_signature") else None,
    )
    bucket = storage.uri.removeprefix("s3://")
    try:
        yield from client.get_paginator("list_objects_v2").paginate(Bucket=bucket, **wanted)
    except (BotoCoreError, ClientError) as error:
        raise GenericError(str(error)) from None


def _boto3_objects(page: Mapping[str, Any]) -> Iterator[Listed]:
    for found in page.get("Contents", ()):
        listed = Listed(found["Key"], found["ETag"], found["Size"], found["LastModified"])
        if not UNREADABLE.search(listed.key):
            yield listed
        elif listed.size or not listed.key.endswith("/"):  # else it is a folder that was made in a console
            yield as_unreadable(listed.key, listed.etag, listed.size)


def walk(storage: Storage, folders: Sequence[str], place: str) -> Iterator[Page]:
    """The objects of folders of one source that follow each other, in pages, from a place on."""
    end = end_of(folders[-1])
    found = list_objects(storage, source_folder(folders[0]), max(place, folders[0]))
    for page in batched(takewhile(lambda listed: listed.key < end, found), base.PAGE):
        # A name that cannot be read is not shown as it is, and no place.
        yield Page(page, next((listed.key for listed in reversed(page) if listed.last_modified), None))
    yield Page([], end)
