"""Kafka from a declaration to the warehouse, by the commands, with a real broker, whoever is killed on the way."""

import random
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
from confluent_kafka import Producer

from dataflow_assets.core.ports import free_port
from dataflow_assets_tests.collectors.kafka_broker import PARTITIONS, Broker, broker_process
from dataflow_assets_tests.collectors.program import Program
from dataflow_assets_tests.processes import kill_all

_MESSAGES = 24_000


@pytest.fixture
def broker() -> Iterator[Broker]:
    """A broker in a process of its own, with an empty topic `orders`."""
    with broker_process("orders", PARTITIONS) as address:
        yield Broker(address, Producer({"bootstrap.servers": address, "log_level": 0}))


@pytest.fixture
def program(broker: Broker, tmp_path: Path) -> Iterator[Program]:
    """The program, whose orders come from there."""
    origin = f'Kafka(brokers="{broker.address}", topic="orders", tls=False, batch_rows=500, batch_seconds=0.2)'
    made = Program.with_orders_from(tmp_path, origin)
    yield made
    kill_all(tmp_path)


def send(broker: Broker, count: int) -> None:
    """Send orders to all partitions, the last one by itself: this broker says that a topic ends in its last batch."""
    for partition in range(PARTITIONS):
        values = [f'{{"id":{number}}}' for number in range(partition, count, PARTITIONS)]
        broker.send("orders", values[:-1], partition=partition)
        broker.send("orders", values[-1:], partition=partition)


def messages_in_landing(program: Program) -> int:
    """How many lines all objects in landing have together."""
    objects = program.folder.glob("home/**/landing/orders/**/*.ndjson")
    return sum(len(file.read_bytes().splitlines()) for file in objects)


def count(program: Program) -> str:
    """How many orders are in the warehouse, how many different ones, and the first and last number."""
    statement = "SELECT count(*), count(DISTINCT number), min(number), max(number) FROM warehouse.orders"
    return program.run("query", "--format", "csv", "-c", statement).splitlines()[-1]


def test_collectors_that_are_killed_bring_each_message_once(broker: Broker, program: Program) -> None:
    send(broker, _MESSAGES)
    for _ in range(4):
        both = [program.begin("collect", "--source", "orders") for _ in range(2)]
        time.sleep(random.uniform(0.7, 3.0))
        for process in both:
            process.kill()
            process.join()
    topic = f"kafka://{broker.address}/orders"  # by hand, from the server of the declaration
    program.run("load", "--model", "orders", "--collector", "kafka", "--config", topic)
    assert messages_in_landing(program) == _MESSAGES
    assert count(program) == f"{_MESSAGES},{_MESSAGES},0,{_MESSAGES - 1}"


def test_a_followed_topic_goes_on_where_it_was_stopped(broker: Broker, program: Program) -> None:
    following = program.start("follow")
    assert following.stderr
    send(broker, 400)
    while "Landed" not in (line := following.stderr.readline()):
        assert line, "it ended by itself"
    following.terminate()
    following.communicate(timeout=300)
    assert following.returncode == 0
    program.run("collect", "--source", "orders")
    assert messages_in_landing(program) == 400


def test_a_message_reaches_the_warehouse_and_the_daily_answer_of_a_running_platform(
    broker: Broker, program: Program
) -> None:
    log = program.folder / "up.log"
    with log.open("w") as errors:
        platform = program.start("up", "--port", str(free_port()), errors=errors)
    assert platform.stdout
    assert "is up" in platform.stdout.readline(), log.read_text()
    with closing(psycopg2.connect(program.run("url").strip())) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        sent = time.monotonic()
        send(broker, 8)
        for what, statement in {
            "the warehouse": "SELECT count(DISTINCT number) FROM warehouse.orders",
            "the daily answer": "SELECT coalesce(sum(orders), 0) FROM analytics.orders_by_day",
        }.items():
            while True:
                cursor.execute(statement)
                if cursor.fetchone() == (8,):
                    break
                assert platform.poll() is None
                assert time.monotonic() - sent < 300, log.read_text()
                time.sleep(0.2)  # no event says that somebody else's table has rows
            print(f"{time.monotonic() - sent:.1f} s from the broker to {what}")  # noqa: T201
    platform.terminate()
    platform.communicate(timeout=300)
    assert platform.returncode == 0
