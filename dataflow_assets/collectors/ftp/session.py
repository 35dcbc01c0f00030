"""The connection to an FTP server, which is opened again where it is lost.

Here: logging in, what a failure of that means to a user, and asking for listings and the state of a file. Not here:
what is done with them (see `ftp`).
"""

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from ftplib import FTP, FTP_TLS, error_perm, error_proto, error_reply, error_temp
from typing import Any, NamedTuple

from dataflow_assets.collectors.base import CollectError, UnreachableError
from dataflow_assets.collectors.files import secret_of
from dataflow_assets.collectors.ftp.listing import Line, parse_facts, parse_list, parse_moment
from dataflow_assets.sources.origins.ftp import Ftp

REQUEST_SECONDS = 60.0  # after which an answer, or the next bytes, that do not come are given up
LOST = (OSError, EOFError, error_temp, error_proto, error_reply)
_BLOCK = 1 << 18  # bytes
_OF_FILE = ("450", "451")  # by which a server says that it cannot give one file now; the connection is sound
_PAUSES = (0.5, 2.0, 5.0)  # seconds before each new connection in place of a lost one


class State(NamedTuple):
    """What the server says of a file just now; None where it cannot say."""

    size: int | None
    modified: datetime | None


class _Tls(FTP_TLS):
    """FTPS of which each transfer takes up the session of the commands, as vsftpd demands it."""

    def ntransfercmd(self, cmd: str, rest: int | str | None = None) -> tuple[socket.socket, int | None]:
        connection, size = FTP.ntransfercmd(self, cmd, rest)  # noqa: S321, it is wrapped below
        assert isinstance(self.sock, ssl.SSLSocket)
        wrapped = self.context.wrap_socket(connection, server_hostname=self.host, session=self.sock.session)
        return wrapped, size


class FtpSession:
    """A client of an FTP server, in the folder of its origin.

    Names are text in UTF-8, in which each byte that is none is as `surrogateescape` has it.

    Raises:
        UnreachableError: nobody answers there, or not for long.
        CollectError: the host or the user is not let in, there is no such folder, and why.
    """

    def __init__(self, origin: Ftp) -> None:
        self._origin = origin
        self._pauses = iter(_PAUSES)
        self._open()

    def close(self) -> None:
        """End the connection, without a word if need be."""
        self._client.close()

    def lines(self, folder: str) -> Iterator[Line]:
        """What a folder has, which is named by its path below the folder of the origin.

        Raises:
            error_perm: it cannot be listed.
        """
        now, found = datetime.now(UTC), list[str]()
        with _refusals():
            self._client.cwd(self._path(folder))
            self._client.retrlines("MLSD" if self.has_facts else "LIST", found.append)
        for text in map(_decode, found):
            line = parse_facts(text) if self.has_facts else parse_list(text, now)
            if line and line.name not in (".", ".."):
                yield line

    def unique(self, folder: str) -> str:
        """What tells a folder from others, whatever it is called; empty where the server cannot say."""
        with suppress(error_perm), _refusals():
            line = self._facts(folder) if self.has_facts else None
            return line.unique if line else ""
        return ""

    def state(self, path: str) -> State:
        """What the server says of a file now.

        Raises:
            error_perm: it is gone, or cannot be looked at.
        """
        if self.has_facts:
            with _refusals():
                line = self._facts(path)
            return State(line.size, line.modified) if line else State(None, None)
        where = self._path(path)
        self._client.voidcmd("TYPE I")
        with _refusals():
            size = self._client.size(where)
        with suppress(error_perm), _refusals():
            return State(size, parse_moment(self._client.sendcmd(f"MDTM {where}").partition(" ")[2]))
        return State(size, None)

    def read(self, path: str, write: Callable[[bytes], Any], offset: int) -> None:
        """Read a file from a place on.

        Raises:
            error_perm: it is gone, or may not be read.
        """
        with _refusals():
            self._client.retrbinary(f"RETR {self._path(path)}", write, _BLOCK, rest=offset or None)

    def replace(self, error: Exception) -> None:
        """Open another connection in place of a lost one; not for ever.

        Raises:
            UnreachableError: it was lost too often, with nothing done in between.
        """
        self.close()
        for pause in self._pauses:
            time.sleep(pause)
            try:
                self._open()
            except UnreachableError as next_error:
                error = next_error
            else:
                return
        raise UnreachableError(f"The connection to {self._origin.address} is lost again and again ({error}).")

    def note_progress(self) -> None:
        """Something was done over the connection: where it is lost later, it is opened again as often as ever."""
        self._pauses = iter(_PAUSES)

    def _facts(self, path: str) -> Line | None:
        said = self._client.sendcmd(f"MLST {self._path(path)}").splitlines()
        return next(filter(None, (parse_facts(_decode(line)) for line in said)), None)

    def _path(self, path: str) -> str:
        there = path.encode("utf-8", "surrogateescape").decode("latin-1")
        return f"{self._base.rstrip('/')}/{there}".rstrip("/") or "/"

    def _open(self) -> None:
        origin, password = self._origin, secret_of(self._origin, "password")
        try:
            self._client = self._connect(origin, password)
        except (OSError, EOFError, *_REFUSALS) as error:
            raise _explain(origin, error) from None
        try:
            self._client.cwd(origin.folder.encode().decode("latin-1"))
            self._base = self._client.pwd()
        except error_perm as error:
            raise CollectError(f"The folder of {origin.address} cannot be listed: {words_of(error)}.") from None

    def _connect(self, origin: Ftp, password: str | None) -> FTP:
        # Names go through as Latin-1, in which each byte is a letter: one that is no UTF-8 must not end the listing.
        context = ssl.create_default_context(cafile=origin.ca_file) if origin.tls else None
        client = (
            _Tls(context=context, encoding="latin-1", timeout=REQUEST_SECONDS)
            if context
            else FTP(encoding="latin-1", timeout=REQUEST_SECONDS)  # noqa: S321, the declaration says so
        )
        try:
            client.connect(origin.host, origin.port or origin.default_port)
            client.login(origin.user, password or "")
            if isinstance(client, FTP_TLS):
                client.prot_p()
            self._read_features(client)
        except BaseException:
            client.close()
            raise
        return client

    def _read_features(self, client: FTP) -> None:
        features = ""
        with suppress(error_perm):
            features = client.sendcmd("FEAT").upper()
        self.has_facts = "MLST" in features
        self.has_rest = "REST" in features
        if self.has_facts and "UNIQUE" in features:
            with suppress(error_perm):
                client.sendcmd("OPTS MLST type;size;modify;unique;")
        if "UTF8" in features:
            with suppress(error_perm):
                client.sendcmd("OPTS UTF8 ON")


@contextmanager
def _refusals() -> Iterator[None]:
    """Take what a server says of one file alone, such as that it is busy, for a refusal, not for a lost connection."""
    try:
        yield
    except error_temp as error:
        if str(error).startswith(_OF_FILE):
            raise error_perm(str(error)) from None  # noqa: S321, it is an exception
        raise


_REFUSALS = (error_perm, error_temp, error_proto, error_reply)


def _decode(text: str) -> str:
    return text.encode("latin-1").decode("utf-8", "surrogateescape")


def words_of(error: Exception) -> str:
    """What the server said, with its number."""
    return _decode(str(error)).encode("utf-8", "replace").decode().strip().rstrip(".")


def _explain(origin: Ftp, error: Exception) -> CollectError:
    """What it means to a user that a connection was not opened."""
    where = origin.address
    if permanent := _explain_permanent(origin, error):
        return CollectError(permanent)
    return UnreachableError(f"{where} cannot be reached ({words_of(error) or type(error).__name__}).")


def _explain_permanent(origin: Ftp, error: Exception) -> str | None:
    where, words = origin.address, words_of(error)
    match error:
        case ssl.SSLCertVerificationError():
            said = f"The certificate of {where} is not to be trusted: {error.verify_message}. Ask its owner for another"
            return f"{said}, or declare as `ca_file` the certificate that signed it."
        case ssl.SSLError() if not isinstance(error, ssl.SSLEOFError):
            return f"{where} does not agree on TLS ({error.reason})."
        case FileNotFoundError():
            return f"There is no file {origin.ca_file}, the ca_file of {where}."
        case error_perm():
            is_login = words.startswith("530") or not origin.tls
            advice = "correct the user or the password" if is_login else "`tls=False` does without TLS"
            return f"{where} does not let the user {origin.user} in ({words}); {advice}."
        case socket.gaierror() if error.errno != socket.EAI_AGAIN:
            return f"There is no host {origin.host} ({error.strerror}); correct `host` of {where}."
    return None
