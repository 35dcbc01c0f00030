"""Clients of every kind may log in to the embedded server: those of Go refuse a password stretched too little."""

import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

import pytest

from dataflow_assets.postgres import embedded

_PROTOCOL, _SASL, _CONTINUE = 196_608, 10, 11
_LEAST = 4096  # iterations that RFC 7677 asks for, and lib/pq insists on


@pytest.fixture
def address(tmp_path: Path) -> Iterator[SplitResult]:
    """Where a server is that nobody has touched."""
    with embedded.acquire(tmp_path / "home", durable=False) as lease:
        yield urlsplit(lease.url)


def test_passwords_are_stretched_as_the_standard_asks(address: SplitResult) -> None:
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=300) as connection:
        start = f"user\0{address.username}\0database\0{address.path[1:]}\0\0".encode()
        connection.sendall(struct.pack("!ii", len(start) + 8, _PROTOCOL) + start)
        assert b"SCRAM-SHA-256\0" in _authentication(connection, _SASL)
        first = b"n,,n=,r=anything"
        message = b"SCRAM-SHA-256\0" + struct.pack("!i", len(first)) + first
        connection.sendall(b"p" + struct.pack("!i", len(message) + 4) + message)
        fields = dict(field.split("=", 1) for field in _authentication(connection, _CONTINUE).decode().split(","))
    assert int(fields["i"]) >= _LEAST


def _authentication(connection: socket.socket, kind: int) -> bytes:
    """What the server's next message says, which is about authentication, and of this kind."""
    letter, length, found = struct.unpack("!cii", _read(connection, 9))
    assert (letter, found) == (b"R", kind)
    return _read(connection, length - 8)


def _read(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        assert more, "the server hung up"
        data += more
    return data
