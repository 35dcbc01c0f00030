"""The connection to an SFTP server, which is opened again where it is lost.

Here: logging in, and what a failure of that means to a user. Not here: what is done over it (see `sftp`).
"""

import asyncio
import socket
from pathlib import Path
from types import TracebackType
from typing import Self

import asyncssh

from dataflow_assets.collectors.base import CollectError, UnreachableError
from dataflow_assets.collectors.files import secret_of
from dataflow_assets.sources.origins.sftp import Sftp

REQUEST_SECONDS = 60.0  # after which an answer that does not come is given up
LOST = (asyncssh.DisconnectError, asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection, ConnectionError, TimeoutError)
_CIPHERS = "^aes128-gcm@openssh.com,aes256-gcm@openssh.com"  # before others: a third less of a processor than those
_CONNECT_SECONDS = 30.0
_ALIVE_SECONDS = 15.0  # between two questions whether the other side is there; the third without an answer ends it
_PAUSES = (0.5, 2.0, 5.0)  # seconds before each new connection in place of a lost one


class SftpSession:
    """A client of an SFTP server.

    Raises:
        UnreachableError: nobody answers there, or not for long.
        CollectError: the host or the user is not let in, and why.
    """

    def __init__(self, origin: Sftp) -> None:
        self._origin = origin
        self._lock = asyncio.Lock()
        self._pauses = iter(_PAUSES)
        self._connection: asyncssh.SSHClientConnection | None = None
        self.client: asyncssh.SFTPClient

    async def __aenter__(self) -> Self:
        await self._open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._close()

    async def replace(self, lost: asyncssh.SFTPClient, error: Exception) -> None:
        """Open another connection in place of a lost one, unless somebody has done so; not for ever.

        Raises:
            UnreachableError: it was lost too often, with nothing done in between.
        """
        async with self._lock:
            if self.client is not lost:
                return
            self._close()
            for pause in self._pauses:
                await asyncio.sleep(pause)
                try:
                    await self._open()
                except UnreachableError as next_error:
                    error = next_error
                else:
                    return
            raise UnreachableError(f"The connection to {self._origin.address} is lost again and again ({error}).")

    def note_progress(self) -> None:
        """Something was done over the connection: where it is lost later, it is opened again as often as ever."""
        self._pauses = iter(_PAUSES)

    async def _open(self) -> None:
        origin = self._origin
        key = None
        if origin.key_file:
            key = _read_key(origin, secret_of(origin, "key_passphrase"))
        password = secret_of(origin, "password")
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                self._connection = await asyncssh.connect(
                    origin.host,
                    origin.port or origin.default_port,
                    config=None,
                    known_hosts=([asyncssh.import_public_key(origin.host_key)], [], []),
                    username=origin.user,
                    password=password,
                    client_keys=[key] if key else None,
                    agent_path=None,
                    encryption_algs=_CIPHERS,
                    keepalive_interval=_ALIVE_SECONDS,
                )
                # Names are bytes there: one that is no UTF-8 must not end the listing.
                self.client = await self._connection.start_sftp_client(path_encoding=None)
        except (OSError, asyncssh.Error) as error:
            self._close()
            raise _explain(origin, error) from None

    def _close(self) -> None:
        if self._connection:
            self._connection.abort()
            self._connection = None


def _read_key(origin: Sftp, passphrase: str | None) -> asyncssh.SSHKey:
    assert origin.key_file
    path = Path(origin.key_file).expanduser()
    try:
        return asyncssh.read_private_key(path, passphrase)
    except (OSError, asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
        raise CollectError(f"The key_file {path} of {origin.address} cannot be used: {error}.") from None


def _explain(origin: Sftp, error: Exception) -> CollectError:
    """What it means to a user that a connection was not opened."""
    where = origin.address
    match error:
        case asyncssh.HostKeyNotVerifiable() | asyncssh.KeyExchangeFailed():
            return CollectError(
                f"The server of {where} does not prove itself by the host_key that is declared ({error}): it has "
                "another key now, or it is another server. Ask its owner before you change the declaration."
            )
        case asyncssh.PermissionDenied():
            return CollectError(f"{where} does not let the user {origin.user} in: the password or the key is wrong.")
        case socket.gaierror() if error.errno != socket.EAI_AGAIN:
            return CollectError(f"There is no host {origin.host} ({error.strerror}); correct `host` of {where}.")
        case TimeoutError():
            return UnreachableError(f"{where} does not answer within {_CONNECT_SECONDS:.0f} seconds.")
        case asyncssh.ChannelOpenError() | asyncssh.SFTPError():
            return CollectError(f"{where} lets the user {origin.user} in, but offers no SFTP ({error}).")
    return UnreachableError(f"{where} cannot be reached ({error}).")
