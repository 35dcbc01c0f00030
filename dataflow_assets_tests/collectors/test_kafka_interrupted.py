"""Collecting from Kafka while the broker is killed, or while others of its group come: each message once."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace

from confluent_kafka import Consumer, Producer

from dataflow_assets.collectors.sink import Report
from dataflow_assets.sources.base import Events
from dataflow_assets.sources.origins import Kafka
from dataflow_assets_tests.collectors.builders import Platform
from dataflow_assets_tests.collectors.kafka_broker import Broker, broker_of, durable_broker
from dataflow_assets_tests.collectors.orders import orders_from
from dataflow_assets_tests.collectors.test_kafka import numbers, values
from dataflow_assets_tests.collectors.vendor_bucket import Vendor


def collect_and(
    platform: Platform, source: Events, act: Callable[[], object], is_enough: Callable[[], bool] | None = None
) -> Report:
    """Collect, and do something when the second batch has landed."""

    def hear(said: str) -> None:
        if said.startswith("Landed 2 "):
            act()

    collecting = replace(platform.collecting, progress=hear, is_enough=is_enough)
    return collecting.collect(source, platform.record(source))


def test_a_broker_that_is_killed_and_comes_back_gives_each_message_once(vendor: Vendor, platform: Platform) -> None:
    """A topic is followed: asked where it ends, a broker that keeps messages in a bucket does not say the truth."""
    with durable_broker("orders", 2, vendor) as broker:
        sender = Broker(broker.address, Producer({"bootstrap.servers": broker.address, "log_level": 0}))
        for partition in range(2):
            sender.send("orders", values(3_000, 3_000 * partition), partition=partition)
        source = orders_from(
            Kafka(brokers=broker.address, topic="orders", tls=False, batch_rows=100, batch_seconds=0.2)
        )
        restart, deadline = threading.Timer(1.0, broker.start), time.monotonic() + 300

        def kill() -> None:
            broker.kill()
            restart.start()

        def is_enough() -> bool:
            return len(numbers(platform, source)) >= 6_000 or time.monotonic() > deadline

        report = collect_and(platform, source, kill, is_enough)
        restart.join()
    assert report.error is None
    assert sorted(numbers(platform, source)) == list(range(6_000))


def test_a_partition_whose_messages_come_later_is_followed_with_the_others(platform: Platform) -> None:
    with broker_of() as broker:
        broker.send("orders", values(500), partition=2)
        source = orders_from(
            Kafka(brokers=broker.address, topic="orders", tls=False, batch_rows=100, batch_seconds=0.2)
        )
        deadline = time.monotonic() + 300

        def is_enough() -> bool:
            return len(numbers(platform, source)) >= 1_000 or time.monotonic() > deadline

        report = collect_and(platform, source, lambda: broker.send("orders", values(500, 500), partition=1), is_enough)
        assert report.error is None
    assert sorted(numbers(platform, source)) == list(range(1_000))


def test_others_of_its_group_take_nothing_from_it(platform: Platform) -> None:
    with broker_of() as broker:
        for partition in range(4):
            broker.send("orders", values(500, 500 * partition), partition=partition)
        source = orders_from(Kafka(brokers=broker.address, topic="orders", tls=False, batch_rows=100, group="g"))
        other = Consumer({"bootstrap.servers": broker.address, "group.id": "g", "auto.offset.reset": "earliest"})

        def join() -> None:
            other.subscribe(["orders"])
            assert other.consume(1, 300)  # it has been given partitions of the group

        report = collect_and(platform, source, join)
        other.close()
        assert report.error is None
    assert sorted(numbers(platform, source)) == list(range(2_000))
