"""A real SFTP server in this process, on a folder of the test's own, and declarations that lead to it.

Here: starting, stopping and disturbing it. Not here: what is collected.
"""

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncssh

from dataflow_assets.core.ports import free_port

USER, PASSWORD, VARIABLE = "dataflow", "correct horse", "TEST_SFTP_PASSWORD"


class _Login(asyncssh.SSHServer):
    """Lets one user in, by a password or a key."""

    def __init__(self, server: "SftpServer") -> None:
        self._server, self._key = server, server.user_key

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._server.connections.append(conn)

    def begin_auth(self, username: str) -> bool:
        self._server.logins.append(username)
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == (USER, PASSWORD)

    def public_key_auth_supported(self) -> bool:
        return self._key is not None

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return self._key is not None and key.public_data == self._key.public_data


@dataclass
class SftpServer:
    """A server of a folder. `hooks` are called with what a client asks for, before it is answered."""

    folder: Path
    host_key: asyncssh.SSHKey = field(default_factory=lambda: asyncssh.generate_private_key("ssh-ed25519"))
    user_key: asyncssh.SSHKey | None = None
    hooks: list[Callable[["Files", str, bytes], None]] = field(default_factory=list)
    asked: list[tuple[str, bytes]] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    connections: list[asyncssh.SSHServerConnection] = field(default_factory=list)
    port: int = 0
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    _acceptor: asyncssh.SSHAcceptor | None = None

    @property
    def public_key(self) -> str:
        """The key by which it proves itself, as a declaration says it."""
        return self.host_key.export_public_key().decode().strip()

    def start(self) -> None:
        """Listen, on the same port as before."""
        self.port = self.port or free_port()

        async def listen() -> None:
            self._acceptor = await asyncssh.listen(
                "127.0.0.1",
                self.port,
                server_host_keys=[self.host_key],
                server_factory=lambda: _Login(self),
                sftp_factory=lambda channel: Files(channel, self),
                allow_scp=False,
            )

        self.run(listen())

    def stop(self) -> None:
        """Stop listening, and cut every connection."""

        async def close() -> None:
            self.close()

        self.run(close())

    def close(self) -> None:
        """The same within the server's own thread."""
        assert self._acceptor
        self._acceptor.close()
        self.cut()

    def cut(self) -> None:
        """Cut every connection without a word, within the server's own thread."""
        for connection in self.connections:
            connection.abort()
        self.connections.clear()

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something in the server's own thread."""
        asyncio.run_coroutine_threadsafe(work, self._loop).result(300)


class Files(asyncssh.SFTPServer):
    """The files of a server; each request is noted, and the hooks hear of it."""

    def __init__(self, channel: asyncssh.SSHServerChannel[bytes], server: SftpServer) -> None:
        super().__init__(channel, chroot=os.fsencode(server.folder))
        self.server = server

    def _hear(self, what: str, path: bytes) -> None:
        self.server.asked.append((what, path))
        for hook in self.server.hooks:
            hook(self, what, path)

    def scandir(self, path: bytes) -> Any:
        self._hear("list", path)
        return super().scandir(path)

    def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> Any:
        self._hear("open", path)
        return super().open(path, pflags, attrs)

    def read(self, file_obj: Any, offset: int, size: int) -> Any:
        self._hear("read", str(offset).encode())
        return super().read(file_obj, offset, size)


@contextmanager
def serve(folder: Path) -> Iterator[SftpServer]:
    """A running server of a folder."""
    folder.mkdir(exist_ok=True)
    with serve_this(SftpServer(folder)) as server:
        yield server


@contextmanager
def serve_this(server: SftpServer) -> Iterator[SftpServer]:
    """Run a server until the block ends."""
    thread = threading.Thread(target=server._loop.run_forever, daemon=True)
    thread.start()
    server.start()
    yield server
    server.stop()
    server._loop.call_soon_threadsafe(server._loop.stop)
    thread.join(300)
