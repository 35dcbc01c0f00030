"""The rules of an object store that landing and lake rely on, each tried on objects of its own.

Here: one function for each rule, and what it would cost if the store broke it. Servers that speak S3 differ in just
these. Not here: whether the store can be reached at all (see `stores`).
"""

from collections.abc import Callable
from dataclasses import dataclass

import obstore
from obstore.exceptions import AlreadyExistsError, PreconditionError
from obstore.store import LocalStore

from dataflow_assets.landing.storage import Storage

_LISTED = ("listed/a", "listed/a b", "listed/a-b", "listed/b", "listed/c", "listed/é")
NAMES = ("once", "replaced", "shown/whole/object", "shown/parts/object", *_LISTED)  # of all that the rules write
_PAGE = 2  # keys; a server that loses some between two pages does so with small ones too


@dataclass(frozen=True)
class Rule:
    """What a store must do with the objects below a prefix; `cost` says what happens where it does not."""

    name: str
    cost: str
    holds: Callable[[Storage, str], bool]


def refuses_to_overwrite(storage: Storage, prefix: str) -> bool:
    """Whether a conditional write (If-None-Match: *) of an object that exists is refused."""
    obstore.put(storage.store, f"{prefix}/once", b"first", mode="create")
    try:
        obstore.put(storage.store, f"{prefix}/once", b"second", mode="create")
    except AlreadyExistsError:
        return True
    return False


def gives_the_version_that_was_listed(storage: Storage, prefix: str) -> bool:
    """Whether a read with the etag of a version (If-Match) is refused once there is another one."""
    key = f"{prefix}/replaced"
    old = obstore.put(storage.store, key, b"first")["e_tag"]
    obstore.put(storage.store, key, b"the second")
    try:
        obstore.get(storage.store, key, options={"if_match": old})
    except PreconditionError:
        return True
    return False


def shows_what_was_written(storage: Storage, prefix: str) -> bool:
    """Whether an object is read and listed, with one etag, as soon as it is written; in parts too."""
    for name, in_parts in (("whole", False), ("parts", True)):
        key = f"{prefix}/shown/{name}/object"
        written = obstore.put(storage.store, key, b"content", use_multipart=in_parts)["e_tag"]
        [listed] = [
            entry for page in obstore.list(storage.store, f"{prefix}/shown") for entry in page if entry["path"] == key
        ]
        if bytes(obstore.get(storage.store, key).bytes()) != b"content" or listed["e_tag"] != written:
            return False
    return True


def lists_in_order(storage: Storage, prefix: str) -> bool:
    """Whether all keys come, in the order of their bytes and over several pages, and those behind a key alone."""
    if isinstance(storage.store, LocalStore):
        return True  # landing itself lists the folders and sorts their names
    keys = sorted(f"{prefix}/{name}" for name in _LISTED)
    for key in reversed(keys):
        obstore.put(storage.store, key, b"")
    return _list(storage, f"{prefix}/listed/") == keys and _list(storage, f"{prefix}/listed/", keys[2]) == keys[3:]


def _list(storage: Storage, prefix: str, after: str = "") -> list[str]:
    """The keys, in pages of a few, which obstore does not ask for."""
    import boto3  # noqa: PLC0415, slow, and not needed for a folder

    options = storage.options
    client = boto3.client(
        "s3",
        region_name=options["aws_region"],
        endpoint_url=options.get("aws_endpoint_url"),
        aws_access_key_id=options["aws_access_key_id"],
        aws_secret_access_key=options["aws_secret_access_key"],
        aws_session_token=options.get("aws_session_token"),
    )
    bucket = storage.uri.removeprefix("s3://").partition("/")[0]
    pages = client.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, Prefix=prefix, StartAfter=after, PaginationConfig={"PageSize": _PAGE}
    )
    return [entry["Key"] for page in pages for entry in page.get("Contents", ())]


RULES = (
    Rule(
        "refuses to write over an object (If-None-Match)",
        "runs at the same time could lose each other's rows",
        refuses_to_overwrite,
    ),
    Rule(
        "gives an object only while it is the one that was listed (If-Match)",
        "a file that is replaced while it is read could be taken for the one before",
        gives_the_version_that_was_listed,
    ),
    Rule(
        "shows at once what was written, with one etag",
        "files could be missed, or taken in again at each look",
        shows_what_was_written,
    ),
    Rule("lists every key, in order, page by page", "files could be missed", lists_in_order),
)
