"""A vendor's bucket on a real S3 server.

Here: making one, and a source that arrives from it. Not here: the server (see `landing.stores`).
"""

import urllib.request
import uuid
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import obstore
from obstore.store import S3Store

from dataflow_assets.sources.base import Source
from dataflow_assets.sources.origins import S3
from dataflow_assets_tests.collectors.builders import arriving

SECRETS = {"VENDOR_KEY_ID": "test", "VENDOR_KEY": "test"}


@dataclass(frozen=True)
class Vendor:
    """A bucket, all of whose files are in the folder `out`."""

    store: S3Store
    bucket: str
    endpoint: str

    def put(self, name: str, content: bytes) -> None:
        """Put an object into the folder."""
        obstore.put(self.store, f"out/{name}", content)

    def put_any(self, name: str, content: bytes) -> None:
        """Put an object of any name, also one that our own store cannot name, into the folder, for anybody to read."""
        place = f"{self.endpoint}/{self.bucket}/out/{quote(name)}"
        headers = {"Content-Type": "application/octet-stream", "x-amz-acl": "public-read"}
        urllib.request.urlopen(urllib.request.Request(place, content, headers, method="PUT")).close()

    def source(self, pattern: str = "{day:%Y%m%d}/*.csv", **more: Any) -> Source:
        """Streams that arrive from the bucket."""
        keys = {"access_key_id": "VENDOR_KEY_ID", "secret_access_key": "VENDOR_KEY"}
        settled = {"bucket": self.bucket, "endpoint": self.endpoint, "folder": "out", **keys, **more}
        return arriving(S3(pattern=pattern, **settled))


def empty_bucket(s3_url: str) -> Vendor:
    """A new bucket of a server."""
    bucket = f"vendor-{uuid.uuid4().hex}"
    urllib.request.urlopen(urllib.request.Request(f"{s3_url}/{bucket}", method="PUT")).close()
    store = S3Store(
        bucket,
        endpoint=s3_url,
        access_key_id="test",
        secret_access_key="test",
        region="us-east-1",
        client_options={"allow_http": True},
    )
    return Vendor(store, bucket, s3_url)
