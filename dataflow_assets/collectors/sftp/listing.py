"""The files in a folder of an SFTP server, and in those within that may hold some of the source.

Here: listing, and what of a file is compared. Not here: reading one (see `sftp`).
"""

import asyncio
import stat
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import asyncssh

from dataflow_assets.collectors.base import CollectError, UnreachableError
from dataflow_assets.collectors.files import Entry, is_unfinished, is_wanted, may_hold
from dataflow_assets.collectors.sftp.ssh import LOST, REQUEST_SECONDS, SftpSession
from dataflow_assets.sources.origins.sftp import Sftp


def path_there(origin: Sftp, path: str) -> bytes:
    """The path by which the server knows one below the folder; each byte that is no UTF-8 is as it came."""
    return f"{origin.folder.rstrip('/')}/{path}".rstrip("/").encode("utf-8", "surrogateescape") or b"/"


def version_of(attributes: asyncssh.SFTPAttrs) -> str:
    """What of a file is compared: its size and when it was changed, in seconds."""
    return f"{attributes.size} bytes of {attributes.mtime}"


async def list_files(origin: Sftp) -> list[Entry]:
    """The files of the source. Links to files are followed, links to folders are not.

    Raises:
        CollectError: there is no such folder, or it cannot be listed.
    """
    async with SftpSession(origin) as session:
        return [entry async for entry in _walk(session, origin)]


async def _walk(session: SftpSession, origin: Sftp) -> AsyncIterator[Entry]:
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        try:
            names = await _list_folder(session, origin, folder)
        except asyncssh.SFTPError as error:
            if not folder:
                raise CollectError(f"The folder of {origin.address} cannot be listed: {error.reason}.") from None
            yield Entry(path=folder, version="", fault=f"this folder cannot be listed: {error.reason}")
            continue
        for name, attributes in names:
            path = folder + name
            if stat.S_ISDIR(attributes.permissions or 0):
                waiting += [f"{path}/"] if may_hold(origin, path) and not is_unfinished(path) else []
            elif is_wanted(origin, path) and (entry := await _look_closer(session, origin, path, attributes)):
                yield entry


async def _list_folder(session: SftpSession, origin: Sftp, folder: str) -> list[tuple[str, asyncssh.SFTPAttrs]]:
    """What a folder has, and what is said of each; nothing where it is gone meanwhile."""
    loop, found = asyncio.get_running_loop(), []
    try:
        async with asyncio.timeout(REQUEST_SECONDS) as limit:
            async for entry in session.client.scandir(path_there(origin, folder)):
                limit.reschedule(loop.time() + REQUEST_SECONDS)
                assert isinstance(entry.filename, bytes)
                if entry.filename not in (b".", b".."):
                    found.append((entry.filename.decode("utf-8", "surrogateescape"), entry.attrs))
    except asyncssh.SFTPNoSuchFile:
        if not folder:
            raise
    except LOST as error:
        raise _lost(origin, error) from None
    return found


async def _look_closer(session: SftpSession, origin: Sftp, path: str, attributes: asyncssh.SFTPAttrs) -> Entry | None:
    """A file, also one behind a link; None where it is gone, or no file."""
    mode = attributes.permissions or 0
    if not stat.S_ISREG(mode) or attributes.size is None or attributes.mtime is None:
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                attributes = await session.client.stat(path_there(origin, path))
        except (asyncssh.SFTPNoSuchFile, asyncssh.SFTPPermissionDenied):
            return None
        except LOST as error:
            raise _lost(origin, error) from None
        except asyncssh.SFTPError as error:  # such as for a link that leads to itself
            return Entry(path=path, version="", fault=f"the server refuses it: {error.reason}")
    if not stat.S_ISREG(attributes.permissions or stat.S_IFREG):
        return None
    modified = None if attributes.mtime is None else datetime.fromtimestamp(attributes.mtime, UTC)
    return Entry(path=path, version=version_of(attributes), size=attributes.size, modified=modified)


def _lost(origin: Sftp, error: Exception) -> UnreachableError:
    said = str(error) or f"no answer within {REQUEST_SECONDS:.0f} seconds"
    return UnreachableError(f"The connection to {origin.address} was lost ({said}).")
