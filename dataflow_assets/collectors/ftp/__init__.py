"""Files of an FTP server, one after the other, by TLS unless a declaration says otherwise.

Here: looking at the folder, and bringing files. Not here: what a declaration says of the server (see
`sources.origins.ftp`), the connection (see `ftp.session`), and what lines of a listing mean (see `ftp.listing`).

A file is taken for whole where the server says the same of it before its first byte and after its last, and as many
bytes came as it says. A transfer that is cut goes on where it was, over a new connection.

Where the server knows no MLSD, a listing says when a file was changed to the minute, and of an old file to the day: of
every file it says something else when that is half a year old. So what it says is only a reason to ask for the size
and the time to the second.
"""

import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from ftplib import error_perm
from pathlib import Path
from typing import BinaryIO, ClassVar

from dataflow_assets.collectors.base import CollectError, Collector, Record, Remote, Sink, UnreachableError
from dataflow_assets.collectors.files import (
    Entry,
    as_remotes,
    find_changed,
    is_unfinished,
    is_wanted,
    may_grow,
    may_hold,
    write_here,
)
from dataflow_assets.collectors.ftp.session import LOST, FtpSession, State, words_of
from dataflow_assets.core.formatting import counted
from dataflow_assets.landing.deliveries import ObjectNameError
from dataflow_assets.sources.origins.base import Origin
from dataflow_assets.sources.origins.ftp import Ftp


class FtpCollector(Collector[Ftp]):
    """Brings the files of a folder on an FTP server."""

    origin_type: ClassVar[type[Origin]] = Ftp
    _looked_at = float("-inf")  # when the listing began, by this machine's clock

    def check(self) -> str:
        """Log in and list the folder; how many files of the source there are."""
        with closing(FtpSession(self.origin)) as session:
            count = len(_list(session, self.origin))
        return f"{self.origin.address} has {counted(count, 'file')} of {self.source.name}."

    def find(self, record: Record) -> Iterable[Remote]:
        """The files that are not recorded as they are now."""
        self._looked_at = time.monotonic()
        with closing(FtpSession(self.origin)) as session:
            changed = find_changed(_list(session, self.origin), record)
            if not session.has_facts:
                changed = list(_look_closer(session, self.origin, record, changed))
        return as_remotes(changed, self.origin, self.timezone)

    def bring(self, wanted: Sequence[Remote], sink: Sink) -> None:
        """Bring files, those first that nobody may be writing."""
        quiet_at = self._looked_at + self.origin.quiet_seconds
        with closing(FtpSession(self.origin)) as session:
            for remote in sorted(wanted, key=may_grow):
                if may_grow(remote):
                    time.sleep(max(0.0, quiet_at - time.monotonic()))
                with tempfile.NamedTemporaryFile(prefix="dataflow-") as file:
                    _Transfer(session, remote, Path(file.name), sink).run()


def _list(session: FtpSession, origin: Ftp) -> list[Entry]:
    try:
        return list(_walk(session, origin))
    except LOST as error:
        raise UnreachableError(f"The connection to {origin.address} was lost ({words_of(error)}).") from None


def _walk(session: FtpSession, origin: Ftp) -> Iterator[Entry]:
    """The files of the source, in the folder and in those within that may hold some.

    A folder that is one of those in which it lies, by a link, is left out.
    """
    waiting = [("", frozenset[str]())]
    while waiting:
        folder, around = waiting.pop()
        try:
            lines = list(session.lines(folder))
        except error_perm as error:
            if not folder:
                kind = CollectError if words_of(error).startswith("5") else UnreachableError
                raise kind(f"The folder of {origin.address} cannot be listed: {words_of(error)}.") from None
            yield Entry(path=folder, version="", fault=f"this folder cannot be listed: {words_of(error)}")
            continue
        if not folder and any(line.unique for line in lines if line.is_folder):
            around = frozenset([session.unique("")])
        for line in lines:
            path = folder + line.name
            if line.is_folder:
                is_loop = bool(line.unique) and line.unique in around
                if may_hold(origin, path) and not is_unfinished(path) and not is_loop:
                    waiting.append((f"{path}/", around | {line.unique}))
            elif line.is_file and is_wanted(origin, path):
                yield Entry(path=path, version=line.version, size=line.size, modified=line.modified)


def _look_closer(session: FtpSession, origin: Ftp, record: Record, changed: Sequence[Entry]) -> Iterator[Entry]:
    """Those of which size and time to the second are not as recorded; of the others the new listing is recorded."""
    yield from (entry for entry in changed if entry.fault)
    looked_at = [entry for entry in changed if not entry.fault]
    known = record.read([entry.path for entry in looked_at])
    same: list[Entry] = []
    for entry in looked_at:
        try:
            state = session.state(entry.path)
        except error_perm:  # whether it is gone or refused shows when it is brought
            yield entry
            continue
        except LOST as error:
            raise UnreachableError(f"The connection to {origin.address} was lost ({words_of(error)}).") from None
        before = known.get(entry.path)
        if before and before.version and state.modified and (before.size, before.modified) == state:
            same.append(entry)
        else:
            yield replace(entry, size=state.size, modified=state.modified or entry.modified)
    if same:
        record.confirm({entry.path: entry.version for entry in same})


@dataclass(frozen=True)
class _Transfer:
    """One file on its way into the sink, by way of a local one."""

    session: FtpSession
    remote: Remote
    file: Path
    sink: Sink

    def run(self) -> None:
        """Read it and land it; where it cannot be, say so to the sink."""
        try:
            if self._read():
                self.sink.land(self.remote, self.file)
            else:
                self.sink.postpone(self.remote, "it is being changed there")
        except error_perm as error:
            if self._is_there():
                self.sink.fail(self.remote, f"the server refuses it: {words_of(error)}")
            else:
                self.sink.postpone(self.remote, "it is gone there")
        except ObjectNameError as error:
            self.sink.fail(self.remote, str(error))

    def _is_there(self) -> bool:
        folder, slash, name = self.remote.path.rpartition("/")
        try:
            return any(line.name == name for line in self.session.lines(folder + slash))
        except error_perm:
            return False
        except LOST as error:
            self.session.replace(error)
            return True

    def _read(self) -> bool:
        """Read it to the end, over as many connections as that takes; whether it is the version that is wanted."""
        while True:
            try:
                with self.file.open("ab", buffering=0) as here:
                    is_whole = self._read_on(here)
            except LOST as error:
                self.session.replace(error)
            else:
                self.session.note_progress()
                return is_whole

    def _read_on(self, here: BinaryIO) -> bool:
        if not self._is_as_wanted():
            return False
        if here.tell() and not self.session.has_rest:
            here.truncate(0)
            here.seek(0)
        if here.tell() != self.remote.size or not self.remote.size:
            self.session.read(self.remote.path, lambda data: write_here(here, data), here.tell())
        if self.remote.size is not None and here.tell() < self.remote.size:
            raise EOFError("the transfer ended early")
        return self._is_as_wanted() and self.remote.size in (None, here.tell())

    def _is_as_wanted(self) -> bool:
        """Whether the server says the same of it as when it was found, as far as it says anything."""
        now = self.session.state(self.remote.path)
        wanted = State(self.remote.size, self.remote.modified)
        return all(one is None or one == other for one, other in zip(now, wanted, strict=True))


COLLECTOR = FtpCollector
