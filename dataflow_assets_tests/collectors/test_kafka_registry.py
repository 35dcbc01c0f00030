"""Messages that a schema describes: a registry over real HTTP, and what lands of Avro, of JSON and of anything else."""

import base64
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import fastavro
import pytest

from dataflow_assets.collectors import open_collector
from dataflow_assets.collectors.base import CollectError, UnreachableError
from dataflow_assets.lake.readers import read_file
from dataflow_assets.landing.deliveries import Landing
from dataflow_assets.sources.base import Source
from dataflow_assets.sources.origins import Kafka
from dataflow_assets_tests.collectors.builders import Platform
from dataflow_assets_tests.collectors.http_server import Answer, Asked, HttpServer
from dataflow_assets_tests.collectors.kafka_broker import Broker, broker_of
from dataflow_assets_tests.collectors.orders import orders_from

MONEY = {"type": "record", "name": "shop.Money", "fields": [{"name": "cents", "type": "long"}]}
ORDER = {
    "type": "record",
    "name": "shop.Order",
    "fields": [
        {"name": "id", "type": "long"},
        {"name": "total", "type": ["null", "shop.Money"]},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "on", "type": {"type": "int", "logicalType": "date"}},
        {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
        {"name": "share", "type": "double"},
        {"name": "raw", "type": "bytes"},
    ],
}
NODE = {"type": "record", "name": "Node", "fields": [{"name": "next", "type": ["null", "Node"]}]}
REFERS = [{"name": "shop.Money", "subject": "money/value", "version": 3}]
SCHEMAS: dict[str, dict[str, Any]] = {
    "/schemas/ids/1": {"schema": '"string"'},
    "/schemas/ids/7": {"schema": json.dumps(ORDER), "references": REFERS},
    "/subjects/money%2Fvalue/versions/3": {"schema": json.dumps(MONEY)},
    "/schemas/ids/8": {"schema": "{}", "schemaType": "JSON"},
    "/schemas/ids/9": {"schema": 'syntax = "proto3";', "schemaType": "PROTOBUF"},
    "/schemas/ids/10": {"schema": json.dumps(NODE)},
    "/subjects": {},
}
MISSING = Answer(b'{"error_code": 40403, "message": "Schema not found"}', status=404)


def registry(asked: Asked) -> Answer:
    """What a registry answers."""
    return Answer(json.dumps(SCHEMAS[asked.path]).encode()) if asked.path in SCHEMAS else MISSING


def framed(number: int, content: bytes) -> bytes:
    """Bytes under the number of a schema."""
    return b"\0" + number.to_bytes(4, "big") + content


def order(number: int, **more: Any) -> bytes:
    """An order in Avro, under its schema."""
    said = {"id": number, "total": {"cents": 990}, "at": datetime(2021, 12, 8, 21, 46, 40, 7, tzinfo=UTC)}
    rest = {"on": date(2021, 12, 8), "price": Decimal("9.90"), "share": 0.5, "raw": b"\xff"}
    names: dict[str, Any] = {}
    fastavro.parse_schema(MONEY, named_schemas=names)
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(ORDER, named_schemas=names), {**said, **rest, **more})
    return framed(7, out.getvalue())


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    """A broker that the tests of this module share; each has a topic of its own."""
    with broker_of() as running:
        yield running


@pytest.fixture
def source(request: pytest.FixtureRequest, broker: Broker, web: HttpServer) -> Source:
    """Orders of a topic of the test's own, with a registry."""
    web.answer = registry
    topic = "".join(letter if letter.isalnum() else "_" for letter in request.node.name)
    return orders_from(Kafka(brokers=broker.address, topic=topic, tls=False, registry=web.url))


def send(broker: Broker, source: Source, *values: bytes, key: bytes | None = None) -> None:
    """Send messages to the first partition."""
    assert isinstance(source.arrives, Kafka)
    for value in values:
        broker.producer.produce(source.arrives.topic, value, key=key, partition=0)
    assert broker.producer.flush(30) == 0


def landed(platform: Platform, source: Source) -> list[dict[str, Any]]:
    """Every message in landing."""
    return [json.loads(line) for content in platform.landed(source).values() for line in content.splitlines()]


def test_values_and_keys_are_what_their_schemas_make_of_them(
    broker: Broker, web: HttpServer, source: Source, platform: Platform
) -> None:
    send(broker, source, order(1), order(2, total=None, share=float("nan")), key=framed(1, b"\x06k\xc3\xa9"))
    send(broker, source, framed(8, b'{"id": 3, "price": 1.10}'), b'{"id": 4}', key=b"plain")
    report = platform.collect(source)
    assert (report.error, report.failed) == (None, {})
    first, second, third, fourth = landed(platform, source)
    assert first["value"] == {
        "id": 1,
        "total": {"cents": 990},
        "at": "2021-12-08T21:46:40.000007+00:00",
        "on": "2021-12-08",
        "price": "9.90",
        "share": 0.5,
        "raw": "\\xff",
    }
    assert (first["key"], third["key"]) == ("ké", "plain")
    assert (second["value"]["total"], second["value"]["share"]) == (None, "nan")
    assert (third["value"]["id"], fourth["value"]) == (3, {"id": 4})
    assert b'"price": 1.10' in b"".join(platform.landed(source).values())
    paths = [asked.path for asked in web.asked]
    assert sorted(paths) == sorted({*SCHEMAS} - {"/schemas/ids/9", "/schemas/ids/10", "/subjects"}), (
        "each schema is asked for once"
    )


def test_what_cannot_be_decoded_is_a_reject_with_its_bytes_and_keeps_nothing_else(
    broker: Broker, web: HttpServer, source: Source, platform: Platform
) -> None:
    broken = {
        framed(99, b"x"): "the registry has no schemas/ids/99",
        framed(9, b"x"): "its schema 9 is Protobuf, neither Avro nor JSON",
        framed(10, b"\x02" * 400_000): "its schema cannot be used: its type Node is within itself",
        order(1)[:-2]: "it is not of its schema 7",
        order(1) + b"more": "it has more bytes than its schema 7 says",
    }
    send(broker, source, *broken, *broken, order(5))
    report = platform.collect(source)
    assert (report.error, report.failed) == (None, {})
    *texts, last = [message["value"] for message in landed(platform, source)]
    assert last["id"] == 5
    for text, (data, reason) in zip(texts, [*broken.items(), *broken.items()], strict=True):
        assert reason in text
        assert base64.b64decode(text.rpartition(": ")[2]) == data
    assert [asked.path for asked in web.asked].count("/schemas/ids/99") == 1
    (delivery,) = Landing(platform.storage).deliveries(source.name)
    with Landing(platform.storage).lend(delivery) as path:
        batches = list(read_file(path, source).batches)
    assert [row[0] for batch in batches for row in batch.rows.iter_rows()] == [5]
    assert sum(len(batch.rejects) for batch in batches) == 2 * len(broken)


@pytest.mark.parametrize(
    ("answer", "kind", "says"),
    [
        (Answer(status=503), UnreachableError, "answers with an error (503)"),
        (Answer(status=401), CollectError, "does not let us in (401)"),
        (Answer(b"<html>", status=404), CollectError, "does not answer as a schema registry does (404)"),
        (Answer(b"<html>"), CollectError, "does not answer as a schema registry does (200)"),
    ],
)
def test_while_the_registry_does_not_answer_nothing_lands_and_nothing_is_lost(
    broker: Broker,
    web: HttpServer,
    source: Source,
    platform: Platform,
    answer: Answer,
    kind: type[CollectError],
    says: str,
) -> None:
    send(broker, source, b'{"id": 1}', order(2))
    web.answer = lambda _: answer
    error = platform.collect(source).error
    assert type(error) is kind
    assert says in str(error)
    with pytest.raises(kind):
        open_collector(source, "UTC").check()
    assert landed(platform, source) == []
    web.answer = registry
    assert open_collector(source, "UTC").check().endswith("2 messages at most, in 4 partitions.")
    platform.collect(source)
    assert [message["value"]["id"] for message in landed(platform, source)] == [1, 2]


def test_the_registry_is_told_its_password_and_a_registry_that_is_away_is_said(
    broker: Broker, web: HttpServer, source: Source, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGISTRY_PASSWORD", "s3cret")
    assert isinstance(source.arrives, Kafka)
    login: dict[str, Any] = {"registry_user": "me", "registry_password": "REGISTRY_PASSWORD"}
    send(broker, source, order(1))
    away = replace(source, arrives=replace(source.arrives, registry="http://127.0.0.1:1", **login))
    error = platform.collect(away).error
    assert isinstance(error, UnreachableError)
    assert "The schema registry http://127.0.0.1:1 cannot be reached" in str(error)
    assert "s3cret" not in str(error)
    platform.collect(replace(source, arrives=replace(source.arrives, **login)))
    assert {asked.headers["Authorization"] for asked in web.asked} == {
        f"Basic {base64.b64encode(b'me:s3cret').decode()}"
    }


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"registry": "registry:8081"}, "registry is no address"),
        ({"registry": "http://me:s3cret@registry"}, "without a user and a password"),
        ({"registry": "http://registry", "registry_user": "me"}, "or neither"),
        ({"registry_user": "me", "registry_password": "P"}, "but no registry"),
    ],
)
def test_a_registry_that_cannot_be_right_is_refused(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says) as refused:
        Kafka(brokers="kafka:9092", topic="orders", **wrong)
    assert "s3cret" not in str(refused.value)
