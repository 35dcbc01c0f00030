"""Records as a topic of Kafka holds them after compaction, and where a transaction ended: offsets with gaps.

Here: writing such batches by Kafka's protocol, which no client does. Not here: the broker (see `kafka_broker`).
"""

import socket
import struct
from collections.abc import Mapping, Sequence

from dataflow_assets_tests.collectors.kafka_broker import SENT

_PRODUCE = 0
_CONTROL = 0b110000  # a batch of a transaction, and of its end
_REVERSED_POLYNOMIAL = 0x82F63B78  # of CRC-32C


def append(address: str, topic: str, values: Mapping[int, bytes], offsets: int) -> None:
    """Append a batch of so many offsets to the first partition, of which those after the first have these values."""
    _produce(address, topic, _batch(0, [_record(delta, b"k", value) for delta, value in values.items()], offsets))


def append_end_of_transaction(address: str, topic: str) -> None:
    """Append the mark by which a broker says that a transaction was committed; it has an offset of its own."""
    committed, coordinator = struct.pack(">hh", 0, 1), struct.pack(">hi", 0, 0)
    _produce(address, topic, _batch(_CONTROL, [_record(0, committed, coordinator)], 1))


def _produce(address: str, topic: str, batch: bytes) -> None:
    host, _, port = address.rpartition(":")
    records = struct.pack(">i", 1) + struct.pack(">ii", 0, len(batch)) + batch
    body = struct.pack(">hhii", -1, -1, 30_000, 1) + _text(topic) + records  # no transaction's name; all must have it
    request = struct.pack(">hhi", _PRODUCE, 3, 1) + _text("test") + body
    with socket.create_connection((host, int(port)), timeout=300) as connection, connection.makefile("rb") as answers:
        connection.sendall(struct.pack(">i", len(request)) + request)
        (size,) = struct.unpack(">i", answers.read(4))
        answer = answers.read(size)
    (error,) = struct.unpack_from(">h", answer, 4 + 4 + 2 + len(topic) + 4 + 4)
    assert error == 0, f"the broker answers with the error {error}"


def _batch(attributes: int, records: Sequence[bytes], offsets: int) -> bytes:
    counted = struct.pack(">hiqqqhii", attributes, offsets - 1, SENT, SENT, -1, -1, -1, len(records))
    checked = counted + b"".join(records)
    rest = struct.pack(">ibI", 0, 2, _crc(checked)) + checked
    return struct.pack(">qi", 0, len(rest)) + rest


def _record(delta: int, key: bytes, value: bytes) -> bytes:
    body = b"\0" + b"".join(
        (_varint(0), _varint(delta), _varint(len(key)), key, _varint(len(value)), value, _varint(0))
    )
    return _varint(len(body)) + body


def _varint(number: int) -> bytes:
    """A number from 0 on, as Kafka writes signed ones."""
    number *= 2
    data = bytearray()
    while number > 0x7F:
        data.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*data, number])


def _text(text: str) -> bytes:
    return struct.pack(">h", len(text)) + text.encode()


def _crc(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (_REVERSED_POLYNOMIAL if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF
