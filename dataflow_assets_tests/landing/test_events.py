"""What notifications of object stores say, as S3, MinIO and SeaweedFS write them."""

import json
from datetime import date
from urllib.parse import quote_plus

import obstore
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow_assets.landing.events import NotificationError, find_deliveries, read_notification
from dataflow_assets.landing.storage import Storage, open_bucket
from dataflow_assets_tests.landing.stores import s3_storage, s3_url

__all__ = ["s3_storage", "s3_url"]

KEY = "landing/movies/2021-12-01/a.csv"
BUCKET = open_bucket("ours", access_key_id="a", secret_access_key="b")


def record(key: str, bucket: str = "ours", event: str = "ObjectCreated:Put") -> dict[str, object]:
    """A record as S3 writes it; those of MinIO have a prefix before the event."""
    return {"eventName": event, "s3": {"bucket": {"name": bucket}, "object": {"key": quote_plus(key, safe="/")}}}


def notification(*keys: str) -> str:
    return json.dumps({"Records": [record(key) for key in keys]})


def seaweed(key: str, event: str = "create") -> str:
    return json.dumps({"key": key, "event_type": event, "message": {"new_entry": {"name": "a.csv"}}})


@given(st.text(min_size=1))
def test_a_key_is_read_as_it_was_whatever_is_in_it(name: str) -> None:
    key = f"landing/movies/2021-12-01/{name}"
    safe = key.encode("utf-8", "ignore").decode()
    assert read_notification(notification(safe), BUCKET) == [safe]


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        (json.dumps({"Records": [record(KEY), record(KEY + "2", event="s3:ObjectCreated:Post")]}), [KEY, KEY + "2"]),
        (json.dumps({"Records": [record(KEY, event="ObjectRemoved:Delete")]}), []),
        (json.dumps({"Records": [record(KEY, bucket="theirs")]}), []),
        (notification("lake/movies/part-0.parquet"), []),
        (json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "ours"}), []),
        (seaweed(f"/buckets/ours/{KEY}"), [KEY]),
        (seaweed(f"/buckets/ours/{KEY}", "update"), [KEY]),
        (seaweed(f"/buckets/ours/{KEY}", "delete"), []),
        (seaweed(f"/buckets/theirs/{KEY}"), []),
    ],
)
def test_what_was_written_into_landing_is_read(text: str, keys: list[str]) -> None:
    assert read_notification(text, BUCKET) == keys


@pytest.mark.parametrize(
    "text",
    ["", "no json", "[]", "1", "{}", '{"Records": [{}]}', '{"Records": 1}', seaweed("/etc"), "null", 99_999 * "["],
)
def test_what_is_no_notification_is_told(text: str) -> None:
    with pytest.raises(NotificationError, match="no notification of S3"):
        read_notification(text, BUCKET)


def test_the_store_is_asked_what_is_there(s3_storage: Storage) -> None:
    obstore.put(s3_storage.store, KEY, b"x")
    found = find_deliveries(s3_storage, [KEY, KEY, KEY + ".gone", "landing/stray.csv"])
    assert [(one.source, one.day, one.object, one.size) for one in found] == [("movies", date(2021, 12, 1), KEY, 1)]


@pytest.mark.parametrize("name", ["/a.csv", "a//b.csv", "../a.csv", "./a.csv", "a/", "a\x7f.csv", "\ud800.csv"])
def test_an_object_whose_name_cannot_be_read_keeps_no_other_from_being_found(s3_storage: Storage, name: str) -> None:
    obstore.put(s3_storage.store, KEY, b"x")
    found = find_deliveries(s3_storage, [f"landing/movies/2021-12-01/{name}", KEY])
    assert [one.object for one in found] == [KEY]
