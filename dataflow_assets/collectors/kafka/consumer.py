"""The connection to Kafka.

Here: connecting, the partitions and their ends, and what a failure means to a user. Not here: what is done with the
messages (see `kafka`).
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import TopicMetadata  # type: ignore[attr-defined]

from dataflow_assets.collectors.base import CollectError, UnreachableError
from dataflow_assets.collectors.files import secret_of
from dataflow_assets.sources.origins.kafka import Kafka

_ANSWER_SECONDS = 15.0
_SILENT_SECONDS = 30.0
_LOOK_SECONDS = 0.25
_AT_ONCE = 2_000  # messages
_REFUSED = {
    KafkaError._AUTHENTICATION: "does not let the user in: the user or the password is wrong",
    KafkaError.SASL_AUTHENTICATION_FAILED: "does not let the user in: the user or the password is wrong",
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "lets the user in, but not read this topic",
    KafkaError.GROUP_AUTHORIZATION_FAILED: "lets the user in, but not use this consumer group",
    KafkaError._SSL: "does not prove itself by a certificate that this machine, or the ca_file, trusts",
}
_UNKNOWN_MECHANISM = "Unsupported SASL mechanism"  # of which the code is that of a wrong password


class TopicReader:
    """Reads the messages of a topic from where it is told to; no rebalancing takes a partition from it.

    Raises:
        CollectError: it cannot be read, and why; an UnreachableError where trying again may help.
    """

    def __init__(self, origin: Kafka, group: str) -> None:
        self._origin = origin
        self._errors: list[KafkaError] = []
        self._consumer = Consumer({**_configuration(origin, group), "error_cb": self._errors.append})

    def partitions(self) -> Sequence[int]:
        """The numbers of the partitions."""
        found = self._describe()
        if found.error:
            raise self._explain(found.error)
        return sorted(found.partitions)

    def _describe(self) -> TopicMetadata:
        """What the broker says of the topic. One that refuses does so at each try: it is not asked for long."""
        topic, seconds = self._origin.topic, _ANSWER_SECONDS / 15
        while True:
            try:
                found: TopicMetadata = self._consumer.list_topics(topic, timeout=seconds).topics[topic]
            except KafkaException as error:
                problem = self._explain(error.args[0])
                seconds *= 2  # 1, 2, 4 and 8: a slow one gets longer
                if seconds > _ANSWER_SECONDS or not isinstance(problem, UnreachableError):
                    raise problem from None
            else:
                return found

    def bounds(self, partition: int) -> tuple[int, int]:
        """The offset of the first message that is there, and the one after the last."""
        try:
            first, end = self._consumer.get_watermark_offsets(self._at(partition, 0), timeout=_ANSWER_SECONDS)
        except KafkaException as error:
            raise self._explain(error.args[0]) from None
        return first, end

    def start(self, positions: Mapping[int, int]) -> None:
        """Read partitions from these offsets on."""
        self._consumer.assign([self._at(partition, offset) for partition, offset in positions.items()])

    def pause(self, partition: int) -> None:
        """Read no more of a partition."""
        self._consumer.pause([self._at(partition, 0)])

    def move(self, partition: int, offset: int) -> None:
        """Read a partition from another offset on; nothing comes of what was read ahead."""
        try:
            self._consumer.incremental_unassign([self._at(partition, offset)])
            self._consumer.incremental_assign([self._at(partition, offset)])
        except KafkaException as error:
            raise self._explain(error.args[0]) from None

    def _read(self) -> tuple[list[Message], dict[int, int]]:
        messages: list[Message] = []
        ends: dict[int, int] = {}
        for found in self._consumer.consume(_AT_ONCE, _LOOK_SECONDS):
            error, partition, offset = found.error(), found.partition(), found.offset()
            if error is None:
                messages.append(found)
            elif error.code() == KafkaError._PARTITION_EOF and partition is not None and offset is not None:
                ends[partition] = offset
            elif not error.retriable():
                raise self._explain(error)
        return messages, ends

    def listen(self, is_enough: Callable[[], bool] | None) -> Iterator[tuple[list[Message], Mapping[int, int]]]:
        """Messages, and the offsets at which partitions were seen to end after them, again and again.

        It ends when it is enough; without that, something must come. An end is the broker's word: one before `bounds`
        is none.
        """
        heard = time.monotonic()
        while not (is_enough and is_enough()):
            messages, ends = self._read()
            if messages or ends or is_enough:
                yield messages, ends
            if messages:
                heard = time.monotonic()
            elif not is_enough and time.monotonic() - heard > _SILENT_SECONDS:
                raise self.silence()

    def silence(self) -> CollectError:
        """Why nothing came where something should have."""
        return self._explain(self._errors[-1] if self._errors else KafkaError(KafkaError._TIMED_OUT))

    def commit(self, partition: int, offset: int) -> None:
        """Show to Kafka's own tools how far a partition was brought; nothing here depends on it."""
        with suppress(KafkaException):
            self._consumer.commit(offsets=[self._at(partition, offset)], asynchronous=True)

    def close(self) -> None:
        """Commit what was to be committed, and disconnect."""
        self._consumer.close()

    def _at(self, partition: int, offset: int) -> TopicPartition:
        return TopicPartition(self._origin.topic, partition, offset or OFFSET_BEGINNING)

    def _explain(self, error: KafkaError) -> CollectError:
        self._consumer.poll(0.1)  # which calls `error_cb` with what went wrong before
        where, code = self._origin.address, error.code()
        known: Iterable[KafkaError] = (error, *reversed(self._errors))
        for one in known:
            if _UNKNOWN_MECHANISM in one.str():
                return CollectError(f"{where} does not know the mechanism {self._origin.mechanism} ({one.str()}).")
            if reason := _REFUSED.get(one.code()):
                return CollectError(f"{where} {reason} ({one.str()}).")
        if code in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC):
            return CollectError(f"There is no topic {self._origin.topic} at {where}.")
        if code in (KafkaError.OFFSET_OUT_OF_RANGE, KafkaError._AUTO_OFFSET_RESET):
            return UnreachableError(f"{where} deleted messages before they were read; the next time tells which.")
        said = self._errors[-1].str() if self._errors else error.str()
        return UnreachableError(f"{where} cannot be reached ({said}).")


def _configuration(origin: Kafka, group: str) -> dict[str, Any]:
    login = {
        "sasl.mechanism": origin.mechanism,
        "sasl.username": origin.user,
        "sasl.password": secret_of(origin, "password"),
    }
    protocol = ("SASL_" if origin.user else "") + ("SSL" if origin.tls else "PLAINTEXT")
    return {
        "bootstrap.servers": origin.brokers,
        "group.id": group,
        "client.id": "dataflow",
        "security.protocol": protocol,
        **(login if origin.user else {}),
        **({"ssl.ca.location": origin.ca_file} if origin.ca_file else {}),
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "auto.offset.reset": "error",  # never skip what is gone without a word
        "allow.auto.create.topics": False,
        "queued.max.messages.kbytes": 2 << 10,  # of each partition
        "queued.min.messages": 2_000,
        "fetch.message.max.bytes": 1 << 20,  # a longer message comes by itself
        "log_level": 0,
    }
