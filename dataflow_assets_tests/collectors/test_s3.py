"""Collecting from another bucket of a real S3 server."""

import obstore
import pytest

from dataflow_assets.collectors import open_collector
from dataflow_assets.collectors.base import CollectError, UnreachableError
from dataflow_assets.collectors.sink import LandingSink
from dataflow_assets.landing.deliveries import Landing
from dataflow_assets.landing.storage import Storage
from dataflow_assets_tests.collectors.builders import Platform
from dataflow_assets_tests.collectors.vendor_bucket import Vendor


def test_objects_land_once_and_again_where_they_were_replaced(
    vendor: Vendor, storage: Storage, database_url: str
) -> None:
    platform, source = Platform(storage, database_url), vendor.source()
    vendor.put("20211205/a b.csv", b"first")
    vendor.put("20211206/Z\u00fc.csv", b"x" * 20_000_000)
    vendor.put("20211206/note.txt", b"no data")
    obstore.put(vendor.store, "other/20211206/a.csv", b"elsewhere")
    report = platform.collect(source)
    assert (report.failed, report.postponed, report.error) == ({}, {}, None)
    assert platform.landed(source) == {
        "2021-12-05/20211205/a b.csv": b"first",
        "2021-12-06/20211206/Z\u00fc.csv": b"x" * 20_000_000,
    }
    assert platform.collect(source).landed == []
    vendor.put("20211205/a b.csv", b"second")
    assert [one.remote.path for one in platform.collect(source).landed] == ["20211205/a b.csv"]
    assert platform.landed(source)["2021-12-05/20211205/a b.csv"] == b"second"


def test_without_a_day_in_its_name_an_object_lands_on_the_day_on_which_it_was_changed(
    vendor: Vendor, platform: Platform
) -> None:
    vendor.put("all.csv", b"x")
    changed = obstore.head(vendor.store, "out/all.csv")["last_modified"].date()
    source = vendor.source("*.csv", day_of="modification")
    platform.collect(source)
    assert list(platform.landed(source)) == [f"{changed}/all.csv"]


@pytest.mark.parametrize("name", ["x/./d.csv", "backup//d.csv", "x\ty.csv", "r\x7f.csv"])
@pytest.mark.parametrize("keys", [{}, {"access_key_id": None, "secret_access_key": None}], ids=["keys", "public"])
def test_a_name_that_no_object_can_have_fails_alone(
    vendor: Vendor, platform: Platform, name: str, keys: dict[str, None]
) -> None:
    source = vendor.source("**/*.csv", **keys)
    vendor.put_any("a.csv", b"before")
    platform.collect(source)
    vendor.put_any(name, b"x")
    vendor.put_any("backup//readme.txt", b"of no source")
    vendor.put_any("z.csv", b"behind")
    report = platform.collect(source)
    failed = {name.replace("\t", "\\t").replace("\x7f", "\\x7f"): "its name cannot be read; have it renamed"}
    assert ([one.remote.path for one in report.landed], report.failed, report.error) == (["z.csv"], failed, None)
    assert platform.landed(source) == {f"{platform.today}/a.csv": b"before", f"{platform.today}/z.csv": b"behind"}
    assert platform.collect(source).told == set(failed)


def test_a_bucket_that_is_not_there_and_keys_that_are_not_set_are_told(
    vendor: Vendor, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(CollectError, match="There is no bucket nothing"):
        open_collector(vendor.source(bucket="nothing"), "UTC").check()
    assert open_collector(vendor.source(), "UTC").check() == f"s3://{vendor.bucket}/out has 0 objects of streams."
    error = platform.collect(vendor.source(endpoint="http://127.0.0.1:1")).error
    assert type(error) is UnreachableError
    assert str(error) == f"s3://{vendor.bucket}/out cannot be read at http://127.0.0.1:1 (Connection refused)."
    monkeypatch.delenv("VENDOR_KEY")
    assert "VENDOR_KEY is not set" in str(platform.collect(vendor.source()).error)


def test_what_is_replaced_or_deleted_after_it_was_found_waits_and_keeps_nothing_else(
    vendor: Vendor, platform: Platform
) -> None:
    source = vendor.source("*.csv")
    for name in ("a.csv", "b.csv", "c.csv"):
        vendor.put(name, b"old")
    collector, record = open_collector(source, "UTC"), platform.record(source)
    found = list(collector.find(record))
    vendor.put("a.csv", b"new")
    obstore.delete(vendor.store, "out/b.csv")
    sink = LandingSink(source.name, platform.today, Landing(platform.storage), record, platform.said.append)
    collector.bring(found, sink)
    assert set(sink.close().postponed) == {"a.csv", "b.csv"}
    assert platform.landed(source) == {f"{platform.today}/c.csv": b"old"}
    platform.collect(source)
    assert platform.landed(source) == {f"{platform.today}/a.csv": b"new", f"{platform.today}/c.csv": b"old"}
