"""The login of Kafka by SASL, in front of a broker that knows none.

Here: PLAIN and SCRAM as RFC 4616 and RFC 5802 say them, in Kafka's frames. Not here: the broker, and passing on what
comes after the login (see `tls_proxy`).
"""

import asyncio
import hashlib
import hmac
import os
import struct
from base64 import b64decode, b64encode
from collections.abc import Generator
from dataclasses import dataclass

_API_VERSIONS, _HANDSHAKE, _AUTHENTICATE = 18, 17, 36
_UNSUPPORTED_MECHANISM, _REFUSED = 33, 58
_HASHES = {"SCRAM-SHA-256": "sha256", "SCRAM-SHA-512": "sha512"}
_ROUNDS = 4096

Talk = Generator[bytes, bytes, bytes]  # gives what the server says, gets what the client says


class _RefusedError(Exception):
    """The user is not let in."""


@dataclass(frozen=True)
class SaslLogin:
    """Lets one user in, by one mechanism."""

    mechanism: str
    user: str
    password: str

    async def admit(
        self,
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        broker: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> bool:
        """Speak with a client until it is let in, or is not."""
        talk: Talk | None = None
        while True:
            frame = await _read(client[0])
            key, version, number, length = struct.unpack(">hhih", frame[:10])
            body = frame[10 + max(length, 0) :]
            if key == _API_VERSIONS:
                _write(broker[1], frame)
                _write(client[1], await _read(broker[0]))
            elif key == _HANDSHAKE:
                _write(client[1], struct.pack(">ihi", number, self._code(body), 1) + _text(self.mechanism.encode()))
                talk = self._talk()
                next(talk)
            elif key == _AUTHENTICATE and talk:
                said, error, is_over = _go_on(talk, body[4:])
                answer = struct.pack(">ih", number, error) + _text(b"no" if error else None)
                answer += struct.pack(">i", len(said)) + said
                _write(client[1], answer + (bytes(8) if version else b""))
                if is_over:
                    return not error
            else:
                return False

    def _code(self, asked: bytes) -> int:
        return 0 if asked[2:].decode() == self.mechanism else _UNSUPPORTED_MECHANISM

    def _talk(self) -> Talk:
        return self._plain() if self.mechanism == "PLAIN" else self._scram(_HASHES[self.mechanism])

    def _plain(self) -> Talk:
        said = yield b""
        if said.split(b"\0")[1:] != [self.user.encode(), self.password.encode()]:
            raise _RefusedError
        return b""

    def _scram(self, kind: str) -> Talk:
        first = (yield b"").removeprefix(b"n,,")
        salt, asked = os.urandom(16), _fields(first)
        nonce = asked["r"] + os.urandom(12).hex()
        server = f"r={nonce},s={b64encode(salt).decode()},i={_ROUNDS}".encode()
        final = yield server
        bare, _, proof = final.rpartition(b",p=")
        salted = hashlib.pbkdf2_hmac(kind, self.password.encode(), salt, _ROUNDS)
        client_key = hmac.digest(salted, b"Client Key", kind)
        signed = b",".join((first, server, bare))
        signature = hmac.digest(hashlib.new(kind, client_key).digest(), signed, kind)
        wanted = bytes(one ^ other for one, other in zip(client_key, signature, strict=True))
        if asked["n"] != self.user or _fields(bare)["r"] != nonce or b64decode(proof) != wanted:
            raise _RefusedError
        return b"v=" + b64encode(hmac.digest(hmac.digest(salted, b"Server Key", kind), signed, kind))


def _go_on(talk: Talk, said: bytes) -> tuple[bytes, int, bool]:
    """What the server says next, the code of an error, and whether nothing comes after it."""
    try:
        return talk.send(said), 0, False
    except StopIteration as end:
        return end.value, 0, True
    except _RefusedError:
        return b"", _REFUSED, True


def _fields(said: bytes) -> dict[str, str]:
    return dict(part.split("=", 1) for part in said.decode().split(","))


def _text(data: bytes | None) -> bytes:
    return struct.pack(">h", -1) if data is None else struct.pack(">h", len(data)) + data


async def _read(reader: asyncio.StreamReader) -> bytes:
    (size,) = struct.unpack(">i", await reader.readexactly(4))
    return await reader.readexactly(size)


def _write(writer: asyncio.StreamWriter, frame: bytes) -> None:
    writer.write(struct.pack(">i", len(frame)) + frame)
