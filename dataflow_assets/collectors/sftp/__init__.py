"""Files of an SFTP server, several at a time over one connection.

Here: looking at the folder, and bringing files. Not here: what a declaration says of the server (see
`sources.origins.sftp`), and connecting to it (see `sftp.ssh`).

A file is taken for whole where the server says the same of it in the listing, when it was opened and after its last
byte, and as many bytes came as it says. Where the connection is lost, it is opened again, and what was read so far is
kept.
"""

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, TypeVar

import asyncssh

from dataflow_assets.collectors.base import Collector, Record, Remote, Sink
from dataflow_assets.collectors.files import as_remotes, find_changed, may_grow
from dataflow_assets.collectors.sftp.listing import list_files, path_there, version_of
from dataflow_assets.collectors.sftp.ssh import LOST, REQUEST_SECONDS, SftpSession
from dataflow_assets.core.formatting import counted
from dataflow_assets.landing.deliveries import ObjectNameError
from dataflow_assets.sources.origins.base import Origin
from dataflow_assets.sources.origins.sftp import Sftp

_AT_ONCE = 8  # files
_WINDOW = 1 << 20  # bytes that are asked for at once; of what came before nothing is asked for again
_Item = TypeVar("_Item")


class SftpCollector(Collector[Sftp]):
    """Brings the files of a folder on an SFTP server."""

    origin_type: ClassVar[type[Origin]] = Sftp
    _looked_at = float("-inf")  # when the listing began, by this machine's clock

    def check(self) -> str:
        """Log in and list the folder; how many files of the source there are."""
        count = len(asyncio.run(list_files(self.origin)))
        return f"{self.origin.address} has {counted(count, 'file')} of {self.source.name}."

    def find(self, record: Record) -> Iterable[Remote]:
        """The files that are not recorded as they are now."""
        self._looked_at = time.monotonic()
        changed = find_changed(asyncio.run(list_files(self.origin)), record)
        return as_remotes(changed, self.origin, self.timezone)

    def bring(self, wanted: Sequence[Remote], sink: Sink) -> None:
        """Bring files, those first that nobody may be writing."""
        asyncio.run(self._bring(sorted(wanted, key=may_grow), sink))

    async def _bring(self, wanted: Sequence[Remote], sink: Sink) -> None:
        quiet_at = self._looked_at + self.origin.quiet_seconds
        with tempfile.TemporaryDirectory(prefix="dataflow-") as folder:
            async with SftpSession(self.origin) as session:

                async def bring_one(remote: Remote) -> None:
                    if may_grow(remote):
                        await asyncio.sleep(quiet_at - time.monotonic())
                    with tempfile.NamedTemporaryFile(dir=folder) as file:
                        await _Transfer(session, self.origin, remote, Path(file.name), sink).run()

                await _each(wanted, bring_one)


async def _each(items: Iterable[_Item], work: Callable[[_Item], Awaitable[None]]) -> None:
    """Work at some items, a few at once; the first error ends all."""
    rest = iter(items)

    async def worker() -> None:
        for item in rest:
            await work(item)

    tasks = [asyncio.create_task(worker()) for _ in range(_AT_ONCE)]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@dataclass(frozen=True)
class _Transfer:
    """One file on its way into the sink, by way of a local one."""

    session: SftpSession
    origin: Sftp
    remote: Remote
    file: Path
    sink: Sink

    async def run(self) -> None:
        """Read it and land it; where it cannot be, say so to the sink."""
        try:
            if await self._read():
                await asyncio.to_thread(self.sink.land, self.remote, self.file)
            else:
                self.sink.postpone(self.remote, "it is being changed there")
        except asyncssh.SFTPNoSuchFile:
            self.sink.postpone(self.remote, "it is gone there")
        except asyncssh.SFTPPermissionDenied:
            self.sink.fail(self.remote, f"the user {self.origin.user} may not read it")
        except asyncssh.SFTPError as error:
            self.sink.fail(self.remote, f"the server refuses it: {error.reason}")
        except ObjectNameError as error:
            self.sink.fail(self.remote, str(error))

    async def _read(self) -> bool:
        """Read it to the end, over as many connections as that takes; whether it is the version that is wanted."""
        while True:
            client = self.session.client
            try:
                is_whole = await self._read_on(client)
                self.session.note_progress()
                return is_whole
            except LOST as error:
                await self.session.replace(client, error)

    async def _read_on(self, client: asyncssh.SFTPClient) -> bool:
        size = self.remote.size or 0
        async with asyncio.timeout(REQUEST_SECONDS) as limit:
            async with client.open(path_there(self.origin, self.remote.path), "rb") as there:
                with self.file.open("ab") as here:
                    if version_of(await there.stat()) != self.remote.version:
                        return False
                    while rest := size - here.tell():  # to ask for more than there is costs as much again
                        data = await there.read(min(_WINDOW, rest), here.tell())
                        if not data:
                            return False
                        limit.reschedule(asyncio.get_running_loop().time() + REQUEST_SECONDS)
                        assert isinstance(data, bytes)
                        here.write(data)
                    return version_of(await there.stat()) == self.remote.version


COLLECTOR = SftpCollector
