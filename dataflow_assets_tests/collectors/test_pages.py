"""What the how-to pages on Kafka, HTTP, S3 and databases show brings what is there, from servers of the test's own."""

import json
import re
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import obstore
import psycopg2
import pytest

from dataflow_assets.sources.origins import Query
from dataflow_assets.sources.origins.base import Origin
from dataflow_assets_tests.collectors.builders import Platform, arriving
from dataflow_assets_tests.collectors.http_server import Answer, Asked, HttpServer
from dataflow_assets_tests.collectors.kafka_broker import broker_of
from dataflow_assets_tests.collectors.orders import orders_from
from dataflow_assets_tests.collectors.test_query import source_of
from dataflow_assets_tests.collectors.vendor_bucket import Vendor
from dataflow_assets_tests.conftest import REPOSITORY


def shown(page: str, block: int, instead: dict[str, str]) -> dict[str, Any]:
    """What a block of Python of a page defines, with some of its texts replaced, each of which it must have."""
    text = re.findall(r"```python\n(.*?)```", (REPOSITORY / "docs/how-to" / page).read_text(), re.DOTALL)[block]
    for old, new in instead.items():
        assert old in text
        text = text.replace(old, new)
    names: dict[str, Any] = {"__name__": "shown"}
    exec(text, names)
    return names


def origin(page: str, instead: dict[str, str], block: int = 0) -> Origin:
    """The place that a block of a page declares."""
    found = shown(page, block, instead)["arrives"]
    assert isinstance(found, Origin)
    return found


def test_the_file_of_the_page_on_http(web: HttpServer, platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VENDOR_TOKEN", "s3cret")
    web.answer = lambda asked: Answer(b"[]", status=200 if asked.headers["Authorization"] == "Bearer s3cret" else 403)
    source = arriving(origin("collect-http.md", {"https://vendor.example.com": web.url}), "movies")
    assert platform.collect(source).error is None
    assert [name.split("/")[1] for name in platform.landed(source)] == ["movies.json"]


def test_the_api_of_the_page_on_http(web: HttpServer, platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_TOKEN", "s3cret")

    def answer(asked: Asked) -> Answer:
        number = int(asked.parameters.get("cursor", "0"))
        page = {"data": [{"id": number}], "next_cursor": number + 1 if number < 2 else None}
        return Answer(json.dumps(page).encode(), status=200 if asked.parameters["limit"] == "500" else 400)

    web.answer = answer
    source = orders_from(origin("collect-http.md", {"https://shop.example.com": web.url}, 1))
    assert platform.collect(source).error is None
    assert [content.count(b"\n") for content in platform.landed(source).values()] == [3]


def test_the_bucket_of_the_page_on_s3(vendor: Vendor, platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VENDOR_SECRET_KEY", "test")
    obstore.put(vendor.store, "outgoing/streams_20211205.csv.gz", b"x")
    instead = {"vendor-exports": vendor.bucket, 'region="eu-central-1"': f'endpoint="{vendor.endpoint}"'}
    source = arriving(origin("collect-s3.md", instead))
    assert platform.collect(source).error is None
    assert list(platform.landed(source)) == ["2021-12-05/streams_20211205.csv.gz"]


def test_the_query_of_the_page_on_databases(
    empty_database_url: str, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_DATABASE", empty_database_url)
    yesterday = datetime.now(UTC).date() - timedelta(days=2)
    with closing(psycopg2.connect(empty_database_url)) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE orders (id bigint, customer text, total numeric(9, 2), updated_at timestamptz)")
        cursor.execute("INSERT INTO orders VALUES (1, 'a', 9.90, %s)", [yesterday])
        connection.commit()
    instead = {"date(2024, 1, 1)": f"date({yesterday:%Y, %-m, %-d})", "first_day": "settle_hours=0, first_day"}
    found = origin("collect-database.md", instead)
    assert isinstance(found, Query)
    assert platform.collect(source_of(**_said(found))).error is None
    assert sorted(name.split("/")[1] for name in platform.landed(source_of())) == ["orders.parquet"] * 2


def _said(found: Query) -> dict[str, Any]:
    return {name: getattr(found, name) for name in ("query", "by_day", "first_day", "settle_hours")}


def test_the_topic_of_the_page_on_kafka(platform: Platform) -> None:
    with broker_of() as broker:
        broker.send("orders", ['{"id": 7}'])
        login = 'user="dataflow", password="KAFKA_PASSWORD"'
        source = shown("collect-kafka.md", 0, {"kafka1:9092,kafka2:9092": broker.address, login: "tls=False"})["SOURCE"]
        assert platform.collect(source).error is None
        assert b'"value":{"id": 7}' in b"".join(platform.landed(source).values())
    assert origin("collect-kafka.md", {}, 1).variables == {
        "password": "KAFKA_PASSWORD",
        "registry_password": "REGISTRY_PASSWORD",
    }
