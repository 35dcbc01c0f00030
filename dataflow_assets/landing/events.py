"""What an object store tells of the objects that are written into it.

A notification is a hint: it may come twice, late, out of order or not at all, and may speak of what is gone meanwhile.
So it only says where to look, and the store is asked what is there.

Here: reading the notifications of S3, MinIO and SeaweedFS, and asking for the objects. Not here: receiving them (see
`event_queue` and `serving`), and what is kept of them (see `ledger.pending`).
"""

import json
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar
from urllib.parse import unquote_plus

from dataflow_assets.errors import DataFlowError
from dataflow_assets.landing.deliveries import Delivery, Landing
from dataflow_assets.landing.listing import PREFIX
from dataflow_assets.landing.storage import Storage

_AT_ONCE = 16  # objects that are asked for
_WRITTEN = ("create", "update")  # what SeaweedFS calls it


class NotificationError(DataFlowError):
    """A text is no notification of an object store."""

    code: ClassVar[str] = "notification"


def read_notification(text: str | bytes, storage: Storage) -> list[str]:
    """The keys of the objects in landing that a notification says were written; none of those in another bucket.

    It is that of S3 and MinIO, a list of `Records`, or that of SeaweedFS about one path of its filer.

    >>> from dataflow_assets.landing.events import read_notification
    >>> from dataflow_assets.landing.storage import open_storage
    >>> from dataflow_assets.settings import Settings
    >>> storage = open_storage(Settings(DATAFLOW_HOME="platform"))
    >>> read_notification('{"event_type": "create", "key": "/buckets/any/landing/movies/2021-12-05/a.csv"}', storage)
    ['landing/movies/2021-12-05/a.csv']

    Raises:
        NotificationError: the text is something else.
    """
    bucket = storage.uri.removeprefix("s3://") if storage.uri.startswith("s3://") else None
    try:
        written = list(_written(json.loads(text)))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise NotificationError(
            "This is no notification of S3: it has no Records with bucket and object, nor event_type and key."
        ) from None
    return [key for place, key in written if bucket in (None, place) and key.startswith(f"{PREFIX}/")]


def _written(said: Any) -> Iterator[tuple[str, str]]:
    """The bucket and the key of each object that was written."""
    if said.get("Event") == "s3:TestEvent":  # which S3 sends when it is told of the queue
        return
    if "event_type" in said:
        _, buckets, bucket, key = said["key"].split("/", 3)
        if said["event_type"] in _WRITTEN and buckets == "buckets":
            yield bucket, key
        return
    for record in said["Records"]:
        if "ObjectCreated:" in record["eventName"]:
            yield record["s3"]["bucket"]["name"], unquote_plus(record["s3"]["object"]["key"])


def find_deliveries(storage: Storage, keys: Iterable[str]) -> list[Delivery]:
    """The present versions of some objects, by a request for each; of what is gone or outside the layout, none."""
    landing = Landing(storage)
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        return [found for found in threads.map(landing.current, dict.fromkeys(keys)) if found]
