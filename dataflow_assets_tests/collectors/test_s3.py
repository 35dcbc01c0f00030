"""Collecting from another bucket of a real S3 server."""

import urllib.request
import uuid
from dataclasses import dataclass
from typing import Any

import obstore
import pytest
from obstore.store import S3Store

from dataflow_assets.collectors import open_collector
from dataflow_assets.collectors.base import CollectError
from dataflow_assets.landing.storage import Storage
from dataflow_assets.sources.base import Source
from dataflow_assets.sources.origins import S3
from dataflow_assets_tests.collectors.builders import Platform, arriving


@dataclass(frozen=True)
class Vendor:
    """A vendor's bucket."""

    store: S3Store
    bucket: str
    endpoint: str

    def source(self, pattern: str = "{day:%Y%m%d}/*.csv", **more: Any) -> Source:
        """Streams that arrive from the bucket."""
        keys = {"access_key_id": "VENDOR_KEY_ID", "secret_access_key": "VENDOR_KEY"}
        settled = {"bucket": self.bucket, "endpoint": self.endpoint, "folder": "out", **keys, **more}
        return arriving(S3(pattern=pattern, **settled))


@pytest.fixture
def vendor(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> Vendor:
    """An empty bucket, whose keys are in the environment."""
    bucket = f"vendor-{uuid.uuid4().hex}"
    urllib.request.urlopen(urllib.request.Request(f"{s3_url}/{bucket}", method="PUT")).close()
    monkeypatch.setenv("VENDOR_KEY_ID", "test")
    monkeypatch.setenv("VENDOR_KEY", "test")
    store = S3Store(
        bucket,
        endpoint=s3_url,
        access_key_id="test",
        secret_access_key="test",
        region="us-east-1",
        client_options={"allow_http": True},
    )
    return Vendor(store, bucket, s3_url)


def test_objects_land_once_and_again_where_they_were_replaced(
    vendor: Vendor, storage: Storage, database_url: str
) -> None:
    platform, source = Platform(storage, database_url), vendor.source()
    obstore.put(vendor.store, "out/20211205/a b.csv", b"first")
    obstore.put(vendor.store, "out/20211206/Z\u00fc.csv", b"x" * 20_000_000)
    obstore.put(vendor.store, "out/20211206/note.txt", b"no data")
    obstore.put(vendor.store, "other/20211206/a.csv", b"elsewhere")
    report = platform.collect(source)
    assert (report.failed, report.postponed, report.error) == ({}, {}, None)
    assert platform.landed(source) == {
        "2021-12-05/20211205/a b.csv": b"first",
        "2021-12-06/20211206/Z\u00fc.csv": b"x" * 20_000_000,
    }
    assert platform.collect(source).landed == []
    obstore.put(vendor.store, "out/20211205/a b.csv", b"second")
    assert [one.remote.path for one in platform.collect(source).landed] == ["20211205/a b.csv"]
    assert platform.landed(source)["2021-12-05/20211205/a b.csv"] == b"second"


def test_without_a_day_in_its_name_an_object_lands_on_the_day_on_which_it_was_changed(
    vendor: Vendor, platform: Platform
) -> None:
    obstore.put(vendor.store, "out/all.csv", b"x")
    changed = obstore.head(vendor.store, "out/all.csv")["last_modified"].date()
    source = vendor.source("*.csv", day_of="modification")
    platform.collect(source)
    assert list(platform.landed(source)) == [f"{changed}/all.csv"]


def test_a_bucket_that_is_not_there_and_keys_that_are_not_set_are_told(
    vendor: Vendor, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(CollectError, match="There is no bucket nothing"):
        open_collector(vendor.source(bucket="nothing"), "UTC").check()
    assert open_collector(vendor.source(), "UTC").check() == f"s3://{vendor.bucket}/out has 0 objects of streams."
    monkeypatch.delenv("VENDOR_KEY")
    assert "VENDOR_KEY is not set" in str(platform.collect(vendor.source()).error)
