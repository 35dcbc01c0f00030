"""Collecting from a topic of which offsets are of no message: after compaction, and where transactions ended."""

from dataflow_assets.sources.origins import Kafka
from dataflow_assets_tests.collectors.builders import Platform
from dataflow_assets_tests.collectors.kafka_broker import broker_process
from dataflow_assets_tests.collectors.kafka_records import append, append_end_of_transaction
from dataflow_assets_tests.collectors.orders import orders_from
from dataflow_assets_tests.collectors.test_kafka import messages


def test_offsets_of_no_message_are_passed_over_and_hold_nothing_up(platform: Platform) -> None:
    with broker_process("orders", 1) as address:
        source = orders_from(Kafka(brokers=address, topic="orders", tls=False, batch_rows=2))
        append(address, "orders", {0: b'{"id":0}', 3: b'{"id":3}', 7: b'{"id":7}'}, offsets=10)
        append_end_of_transaction(address, "orders")
        report = platform.collect(source)
        assert (report.error, report.failed, report.postponed) == (None, {}, {})
        assert [one["offset"] for one in messages(platform, source)] == [0, 3, 7]
        assert platform.new(source) == []
        append(address, "orders", {0: b'{"id":11}'}, offsets=1)
        append_end_of_transaction(address, "orders")
        platform.collect(source)
        assert platform.collect(source).landed == []
    assert [(one["offset"], one["value"]["id"]) for one in messages(platform, source)] == [
        (0, 0),
        (3, 3),
        (7, 7),
        (11, 11),
    ]
