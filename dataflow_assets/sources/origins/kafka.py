"""The messages of a Kafka topic.

Here: what a declaration says of one. Not here: connecting to it (see `collectors.kafka`).
"""

import re
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal
from urllib.parse import SplitResult

from dataflow_assets.sources.formats.base import Format
from dataflow_assets.sources.formats.json import Json
from dataflow_assets.sources.origins.base import Origin

_BROKER = re.compile(r"[^\s/@,]+:\d{1,5}")
_URL = re.compile(r"https?://[^\s/@]+(/[^\s@]*)?")
_TOPIC = re.compile(r"[a-zA-Z0-9._-]{1,249}")


@dataclass(frozen=True, kw_only=True)
class Kafka(Origin):
    """A topic, each of whose partitions is brought from its first message on, in its order.

    Each landed object is a batch: a line of JSON for each message, with `partition`, `offset`, `timestamp`, `key`,
    `headers` (each name with the list of its values) and `value`. So the source is read by
    `Json(lines=True, payload="$.value", paths={"id": "$.value.id", "sent": "$.timestamp"})`. A batch is of the day of
    its first message.

    A batch ends at `batch_rows`, at 64 MiB, or where no more came within `batch_seconds` of its first message.
    `brokers` are those to begin with, such as `kafka1:9092,kafka2:9092`. With a `user` and a `password` (the name of an
    environment variable) it logs in, as `mechanism` says. Without `tls` anyone on the way can read the password;
    `ca_file` is the file of who signed the brokers' certificates, where the machine does not trust them anyhow.

    Where messages are written by schemas of a `registry`, such as `https://registry:8081`, those in Avro and JSON are
    decoded: the value in a line is what the schema makes of it. `registry_user` and `registry_password` (the name of an
    environment variable) log in there.

    `group` is the consumer group under which Kafka's own tools show how far it is: `dataflow-` and the source's name,
    unless another is given. What has been brought is looked up in the record, not there.
    """

    label: ClassVar[str] = "Kafka"
    schemes: ClassVar[tuple[str, ...]] = ("kafka",)
    brokers: str
    topic: str
    group: str | None = None
    user: str | None = None
    password: str | None = None
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    tls: bool = True
    ca_file: str | None = None
    registry: str | None = None
    registry_user: str | None = None
    registry_password: str | None = None
    batch_rows: int = 100_000
    batch_seconds: float = 5.0

    @property
    def address(self) -> str:
        """Such as `kafka://kafka1:9092/orders`."""
        return f"kafka://{self.brokers}/{self.topic}"

    @classmethod
    def fields_at(cls, address: SplitResult) -> Mapping[str, Any]:
        """Those of `kafka://kafka1:9092,kafka2:9092/orders`."""
        user, _, brokers = address.netloc.rpartition("@")
        return {"brokers": brokers, "topic": address.path.strip("/"), **({"user": user} if user else {})}

    @property
    def server(self) -> Hashable:
        """The brokers."""
        return self.brokers

    @property
    def variables(self) -> Mapping[str, str | None]:
        """Those of the passwords."""
        return {"password": self.password, "registry_password": self.registry_password}

    def problems(self) -> Iterator[str]:
        """A sentence for each thing that cannot be right."""
        yield from super().problems()
        for broker in self.brokers.split(","):
            if not _BROKER.fullmatch(broker):
                yield f"{broker!r} is no broker; one is written HOST:PORT, several with a comma between them"
        if not _TOPIC.fullmatch(self.topic) or self.topic in (".", ".."):
            yield f"{self.topic!r} is no name of a topic"
        if (self.user is None) != (self.password is None):
            yield "name both a user and the environment variable of the password, or neither"
        if self.ca_file is not None and not self.tls:
            yield "there is a ca_file, but no tls"
        if self.registry is not None and not _URL.fullmatch(self.registry):
            yield "registry is no address such as https://registry.example.com, without a user and a password"
        if (self.registry_user is None) != (self.registry_password is None):
            yield "name both a registry_user and the environment variable of the registry_password, or neither"
        if self.registry_user is not None and self.registry is None:
            yield "there is a registry_user, but no registry"
        if self.batch_rows < 1 or self.batch_seconds < 0:
            yield "a batch has at least one row, and does not end before it begins"

    def wrong_format(self, reader: Format) -> Iterator[str]:
        """A topic lands as JSON lines, whatever its messages are."""
        if not isinstance(reader, Json) or not reader.lines:
            yield 'messages of Kafka are read by Json(lines=True, payload="$.value", paths=…)'
