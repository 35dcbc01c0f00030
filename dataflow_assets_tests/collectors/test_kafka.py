"""Collecting from a Kafka broker: what lands, under which names, and each message once whatever happens."""

import json
import queue
import re
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from typing import Any

import psycopg2
import pytest

from dataflow_assets.collectors.base import UnreachableError
from dataflow_assets.collectors.follow import follow
from dataflow_assets.collectors.kafka import consumer
from dataflow_assets.lake.known import event_bounds
from dataflow_assets.lake.readers import read_file
from dataflow_assets.landing.deliveries import Landing
from dataflow_assets.landing.storage import Storage
from dataflow_assets.sources import find_source
from dataflow_assets.sources.base import Events
from dataflow_assets.sources.origins import Kafka
from dataflow_assets_tests.collectors.builders import Platform
from dataflow_assets_tests.collectors.kafka_broker import SENT, Broker, broker_of
from dataflow_assets_tests.collectors.orders import orders_from

DAY_MS = 86_400_000


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    """A broker that the tests of this module share; each has topics of its own."""
    with broker_of() as running:
        yield running


@pytest.fixture
def topic(request: pytest.FixtureRequest) -> str:
    """A topic of the test's own."""
    return "".join(letter if letter.isalnum() else "_" for letter in request.node.name)


def source_of(broker: Broker, topic: str, **more: Any) -> Events:
    """Orders that arrive from the topic."""
    return orders_from(Kafka(brokers=broker.address, topic=topic, tls=False, **more))


def values(count: int, first: int = 0) -> list[str]:
    """The values of some messages, each with a number of its own."""
    return [f'{{"id":{number}}}' for number in range(first, first + count)]


def messages(platform: Platform, source: Events) -> list[dict[str, Any]]:
    """Every message in landing, by the order of the objects' names."""
    found = platform.landed(source)
    return [json.loads(line) for name in sorted(found, key=lambda one: one[11:]) for line in found[name].splitlines()]


def numbers(platform: Platform, source: Events) -> list[int]:
    """The numbers of every message in landing."""
    return [one["value"]["id"] for one in messages(platform, source)]


def test_batches_are_named_by_the_offset_at_which_the_one_before_ended(
    broker: Broker, topic: str, storage: Storage, database_url: str
) -> None:
    platform, source = Platform(storage, database_url), source_of(broker, topic, batch_rows=3)
    broker.send(topic, values(5))
    broker.send(topic, values(1, 5), partition=2, sent=SENT + DAY_MS)
    report = platform.collect(source)
    assert (report.failed, report.postponed, report.error) == ({}, {}, None)
    landed = platform.landed(source)
    assert list(landed) == [
        f"2021-12-08/{topic}/0/00000000000000000000.ndjson",
        f"2021-12-08/{topic}/0/00000000000000000003.ndjson",
        f"2021-12-09/{topic}/2/00000000000000000000.ndjson",
    ]
    assert [len(content.splitlines()) for content in landed.values()] == [3, 2, 1]
    assert platform.collect(source).landed == []
    broker.send(topic, values(1, 6))
    assert platform.new(source) == [f"{topic}/0/00000000000000000005.ndjson"]
    platform.collect(source)
    assert numbers(platform, source) == [0, 1, 2, 3, 4, 6, 5]


def test_a_backlog_of_several_days_is_loaded_whole(
    broker: Broker, topic: str, storage: Storage, database_url: str
) -> None:
    platform, source, first_day = Platform(storage, database_url), source_of(broker, topic), date(2021, 12, 7)
    for number, day in enumerate((-700, 0, 0, 5, -1, 6)):  # the fifth is late, as another sender was slow
        broker.send(topic, values(1, number), sent=SENT + day * DAY_MS)
    broker.send(topic, values(1, 6), sent=SENT * 1_000)  # of no day, as somebody sent another unit
    broker.send(topic, values(1, 7), sent=SENT + 7 * DAY_MS)
    report = replace(platform.collecting, first_day=first_day).collect(source, platform.record(source))
    assert {
        name: [json.loads(line)["offset"] for line in content.splitlines()]
        for name, content in platform.landed(source).items()
    } == {
        f"2021-12-07/{topic}/0/00000000000000000000.ndjson": [0],
        f"2021-12-08/{topic}/0/00000000000000000001.ndjson": [1, 2],
        f"2021-12-13/{topic}/0/00000000000000000003.ndjson": [3, 4],
        f"2021-12-14/{topic}/0/00000000000000000005.ndjson": [5, 6],
        f"2021-12-15/{topic}/0/00000000000000000007.ndjson": [7],
    }
    accepted, rejected = [], []
    for landed in report.landed:
        with Landing(storage).lend(landed.delivery) as path:
            bounds = event_bounds(source, landed.delivery.day, "UTC", first_day)
            for batch in read_file(path, source, bounds).batches:
                accepted += batch.rows["number"].to_list()
                rejected += [json.loads(one.raw)["offset"] for one in batch.rejects]
    assert (accepted, rejected) == ([1, 2, 3, 4, 5, 7], [0, 6])  # with times before the first day, and of no calendar


def test_of_two_at_once_one_lands_a_day_and_the_other_goes_on_after_it(
    broker: Broker, topic: str, storage: Storage, database_url: str
) -> None:
    platform, source = Platform(storage, database_url), source_of(broker, topic)
    for day in range(40):
        broker.send(topic, values(50, 50 * day), sent=SENT + day * DAY_MS)
    with ThreadPoolExecutor(2) as both:
        reports = list(both.map(lambda _: platform.collect(source), range(2)))
    assert [report.error for report in reports] == [None, None]
    assert numbers(platform, source) == list(range(2_000))
    assert len(platform.landed(source)) == 40


def test_a_line_is_the_whole_envelope(broker: Broker, topic: str, platform: Platform) -> None:
    broker.producer.produce(
        topic,
        b'{"id": 1,\r\n "price": 1.10}',
        key="k\u00e4",
        partition=1,
        timestamp=SENT + 7,
        headers=[("trace", b"a"), ("trace", b"b"), ("none", None)],
    )
    broker.send(topic, [None, "no JSON\n", b"\xff", "NaN", '{"id": 2', '"text"', "[" * 100_000], partition=1)
    source = source_of(broker, topic)
    platform.collect(source)
    (content,) = platform.landed(source).values()
    lines = content.decode().splitlines()
    assert lines[0] == (
        '{"partition":1,"offset":0,"timestamp":"2021-12-08T21:46:40.007Z","key":"k\u00e4",'
        '"headers":{"trace":["a","b"],"none":[null]},"value":{"id": 1,   "price": 1.10}}'
    )
    found = [json.loads(line)["value"] for line in lines[1:]]
    assert found == [None, "no JSON\n", "\\xff", "NaN", '{"id": 2', "text", "[" * 100_000]


def test_the_reader_knows_the_envelope(broker: Broker, topic: str, platform: Platform) -> None:
    broker.send(topic, ['{"id": 1, "price": 5}', None, "broken"])
    source = source_of(broker, topic)
    report = platform.collect(source)
    with Landing(platform.storage).lend(report.landed[0].delivery) as path:
        content = read_file(path, source)
        (batch,) = content.batches
    assert content.undeclared_columns == {"price"}
    assert batch.rows["number"].to_list() == [1]
    assert [json.loads(one.raw)["value"] for one in batch.rejects] == [None, "broken"]


def test_two_at_once_land_each_message_once(broker: Broker, topic: str, storage: Storage, database_url: str) -> None:
    platform = Platform(storage, database_url)
    for partition in range(4):
        broker.send(topic, values(2_000, 2_000 * partition), partition=partition)
    with ThreadPoolExecutor(2) as both:
        reports = list(both.map(lambda rows: platform.collect(source_of(broker, topic, batch_rows=rows)), [70, 110]))
    assert [report.error for report in reports] == [None, None]
    assert numbers(platform, source_of(broker, topic)) == list(range(8_000))


def test_a_batch_that_landed_and_was_not_recorded_is_not_brought_again(
    broker: Broker, topic: str, storage: Storage, database_url: str
) -> None:
    platform = Platform(storage, database_url)
    broker.send(topic, values(10))
    small, large = source_of(broker, topic, batch_rows=4), source_of(broker, topic)
    platform.collect(small)
    forget(platform, f"{topic}/0/00000000000000000008.ndjson", whole=False)
    broker.send(topic, values(5, 10))
    platform.collect(large)
    assert numbers(platform, large) == list(range(15))


def test_a_lost_record_is_made_again_from_landing(broker: Broker, topic: str, platform: Platform) -> None:
    source = source_of(broker, topic, batch_rows=4)
    broker.send(topic, values(10))
    platform.collect(source)
    forget(platform)
    broker.send(topic, values(3, 10), sent=SENT + DAY_MS)
    platform.collect(source_of(broker, topic))
    assert numbers(platform, source) == list(range(13))


def forget(platform: Platform, path: str = "%", *, whole: bool = True) -> None:
    """Lose what is recorded of a path, or only that it landed."""
    statement = "DELETE FROM ledger.collected" if whole else "UPDATE ledger.collected SET version = NULL"
    with psycopg2.connect(platform.url) as connection, connection.cursor() as cursor:
        cursor.execute(f"{statement} WHERE path LIKE %s", [path])
        assert cursor.rowcount
    connection.close()


def test_what_was_deleted_before_it_was_collected_is_told_and_the_rest_is_brought(
    broker: Broker, topic: str, platform: Platform
) -> None:
    source = source_of(broker, topic)
    broker.send(topic, values(3))
    platform.collect(source)
    for number in range(3, 15):  # of which the broker keeps the last 5 MB
        broker.send(topic, [f'{{"id":{number},"more":"{"x" * 900_000}"}}'])
    report = platform.collect(source)
    ((path, reason),) = report.failed.items()
    assert path == f"{topic}/0/00000000000000000003.ndjson"
    assert (found := re.fullmatch("its offsets 3 to ([0-9]+) were deleted there before they were collected", reason))
    assert numbers(platform, source) == [0, 1, 2, *range(int(found[1]) + 1, 15)]
    assert 3 < int(found[1]) < 14
    again = platform.collect(source)
    assert (again.failed, again.landed) == ({}, [])


def test_a_topic_that_was_made_anew_is_told(topic: str, platform: Platform) -> None:
    with broker_of() as first:
        first.send(topic, values(5))
        platform.collect(source_of(first, topic))
    with broker_of() as second:
        second.send(topic, values(2))
        source = source_of(second, topic)
        report = platform.collect(source)
        assert list(report.failed.values()) == [
            "it ends at offset 2, and up to 5 was collected: the topic was made anew"
        ]
        assert set(report.failed) - report.told
        assert platform.collect(source).told == set(report.failed)


def test_a_broker_that_is_not_there_and_a_topic_that_is_not_there_are_told(
    broker: Broker, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "_ANSWER_SECONDS", 5.0)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{nobody.getsockname()[1]}"
        error = platform.collect(orders_from(Kafka(brokers=address, topic="orders", tls=False))).error
    assert isinstance(error, UnreachableError)
    assert "Connection refused" in str(error)
    error = platform.collect(source_of(broker, "nothing")).error
    assert str(error) == f"There is no topic nothing at kafka://{broker.address}/nothing."


def test_a_followed_topic_lands_what_comes(broker: Broker, topic: str, platform: Platform) -> None:
    source, stop = source_of(broker, topic, batch_seconds=0.1), threading.Event()
    broker.send(topic, values(1))
    landed: queue.Queue[str] = queue.Queue()
    thread = threading.Thread(
        target=follow,
        args=(
            [source],
            lambda is_enough: replace(platform.collecting, progress=landed.put, is_enough=is_enough),
            platform.record,
            stop,
            landed.put,
        ),
    )
    thread.start()
    for number in range(1, 4):
        while "Landed" not in (said := landed.get(timeout=300)):
            assert said.startswith("Looking at")
        broker.send(topic, values(1, number))
    stop.set()
    thread.join(300)
    assert numbers(platform, source)[:3] == [0, 1, 2]
    platform.collect(source)
    assert numbers(platform, source) == [0, 1, 2, 3]


def test_a_declaration_that_cannot_be_right_is_refused(broker: Broker) -> None:
    with pytest.raises(ValueError, match="is no broker"):
        Kafka(brokers="kafka", topic="orders")
    with pytest.raises(ValueError, match="neither"):
        Kafka(brokers="kafka:9092", topic="orders", user="me")
    with pytest.raises(ValueError, match="are read by Json"):
        replace(find_source("streams"), arrives=Kafka(brokers="kafka:9092", topic="streams"))
