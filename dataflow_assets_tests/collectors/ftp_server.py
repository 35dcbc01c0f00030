"""A real FTP server in this process, on a folder of the test's own: plain or with TLS, with MLSD or without.

Here: starting, stopping and disturbing it. Not here: what is collected.
"""

import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any, ClassVar

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.filesystems import AbstractedFS
from pyftpdlib.handlers import FTPHandler, TLS_FTPHandler
from pyftpdlib.log import config_logging
from pyftpdlib.servers import ThreadedFTPServer

from dataflow_assets.core.ports import free_port
from dataflow_assets.sources.base import Source
from dataflow_assets.sources.origins import Ftp
from dataflow_assets_tests.collectors.builders import arriving

config_logging(level=logging.WARNING)
USER, PASSWORD, VARIABLE = "dataflow", "correct horse", "TEST_FTP_PASSWORD"


def write_certificate(folder: Path, *, host: str = "127.0.0.1", days: int = 1) -> Path:
    """A file with a key and the certificate that it signed for a host, which holds for some days, or has just ended."""
    key, yesterday = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC) - timedelta(days=1)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(yesterday)
        .not_valid_after(yesterday + timedelta(days=days + 1, seconds=-60))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(host))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "certificate.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return path


class _AnsweredError(Exception):
    """A hook has answered a command itself."""


@dataclass
class FtpServer:
    """A server of a folder. `hooks` are called with each command before it is done, and with each read of a file."""

    folder: Path
    certificate: Path | None = None
    without: tuple[str, ...] = ()
    port: int = 0
    hooks: list[Callable[[Any, str, str], None]] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)
    _server: Any = None
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Listen, on the same port as before."""
        authorizer = DummyAuthorizer()
        authorizer.add_user(USER, PASSWORD, str(self.folder))
        handler = _handler_of(self, TLS_FTPHandler if self.certificate else FTPHandler)
        handler.authorizer = authorizer
        self.port = self.port or free_port()
        self._server = ThreadedFTPServer(("127.0.0.1", self.port), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"timeout": 0.05}, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop listening, and cut every connection."""
        assert self._thread
        self._server.close_all()
        self._thread.join(300)

    def refuse(self, refused: dict[tuple[str, str], str], act: Callable[[Any], object] = str) -> None:
        """Answer commands, each known by its end, by these words, and do something then."""

        def hook(channel: Any, what: str, path: str) -> None:
            for (command, end), words in refused.items():
                if what == command and path.endswith(end):
                    channel.respond(words)
                    act(channel)
                    raise _AnsweredError

        self.hooks.append(hook)


def _handler_of(server: FtpServer, base: type[Any]) -> type[Any]:
    class Files(AbstractedFS):  # type: ignore[misc]
        def chdir(self, path: str) -> None:  # by itself it moves the whole process, for all threads
            os.scandir(path).close()
            self.cwd = self.fs2ftp(path)

        def open(self, filename: str, mode: str) -> Any:
            _hear(server, self.cmd_channel, "open", filename)
            file = super().open(filename, mode)
            read = file.read

            def heard(*sizes: int) -> bytes:
                _hear(server, self.cmd_channel, "read", str(file.tell()))
                return bytes(read(*sizes))

            return _Heard(file, heard)

    class Handler(base):  # type: ignore[misc]
        abstracted_fs = Files
        use_sendfile = False
        proto_cmds: ClassVar = {name: said for name, said in base.proto_cmds.items() if name not in server.without}
        tls_control_required = tls_data_required = server.certificate is not None
        certfile = str(server.certificate)

        def pre_process_command(self, line: str, cmd: str, arg: str) -> None:
            with suppress(_AnsweredError):
                _hear(server, self, cmd, arg)
                super().pre_process_command(line, cmd, arg)

        def log_cmd(self, *_: object) -> None:
            """Say nothing."""

    return Handler


class _Heard:
    """A file whose reads are heard."""

    def __init__(self, file: Any, read: Callable[..., bytes]) -> None:
        self._file, self.read = file, read

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def _hear(server: FtpServer, channel: Any, what: str, about: str) -> None:
    server.asked.append((what, about))
    for hook in list(server.hooks):
        hook(channel, what, about)


@contextmanager
def serve_ftp(server: FtpServer) -> Iterator[FtpServer]:
    """A running server."""
    server.folder.mkdir(exist_ok=True)
    server.start()
    yield server
    server.stop()


def source_at(server: FtpServer, pattern: str = "*.csv", **more: Any) -> Source:
    """Streams that arrive from the server."""
    said: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": server.port,
        "user": USER,
        "folder": "/",
        "password": VARIABLE,
        "quiet_seconds": 0.3,
        "tls": server.certificate is not None,
        "ca_file": str(server.certificate) if server.certificate else None,
    }
    return arriving(Ftp(pattern=pattern, **said | more))
