"""Places that collectors are tried on: each has versions of what is there, and knows what landing must hold of them.

Here: real servers, what is changed there, and what is wrong in landing. Not here: who collects and who is killed (see
`collect_crashes`).
"""

import io
import os
import random
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import ClassVar

import polars as pl

from dataflow_assets.sources import find_source
from dataflow_assets.sources.base import Source
from dataflow_assets.sources.formats import Parquet
from dataflow_assets.sources.origins import HttpFile, Query
from dataflow_assets.sources.origins.base import Origin
from dataflow_assets_tests.collectors import ftp_server, sftp_server, sftp_source, vendor_bucket
from dataflow_assets_tests.collectors.builders import write
from dataflow_assets_tests.collectors.http_server import Answer, HttpServer, serve_http
from dataflow_assets_tests.landing.stores import serve_s3

_MODIFIED = 1_600_000_000.0
_ROWS_OF_DAYS = """
    SELECT day::date AS day, number
    FROM generate_series(current_date - 900, current_date, interval '1 day') AS day,
    generate_series(1, extract(doy FROM day)::int) AS number"""


def source_from(origin: Origin) -> Source:
    """Streams that arrive from a place."""
    reader = Parquet() if isinstance(origin, Query) else find_source("streams").reader
    return replace(find_source("streams"), reader=reader, arrives=origin)


class Place(ABC):
    """What is elsewhere. `secrets` are the variables of the environment that its declaration names."""

    secrets: Mapping[str, str]
    origin: Origin

    @abstractmethod
    def change(self, number: int, chance: random.Random) -> None:
        """Add things, and change others, for the so many-th time."""

    @abstractmethod
    def faults(self, landed: Mapping[str, bytes], *, is_whole: bool) -> Iterator[str]:
        """What is wrong in landing, whose objects are given by day and name; `is_whole`: everything must be there."""


@dataclass(kw_only=True)
class Files(Place):
    """Files with names, several versions of some; each lands once, on whichever day."""

    new: ClassVar[int] = 8  # of each change
    changed: ClassVar[int] = 4
    origin: Origin
    secrets: Mapping[str, str]
    versions: dict[str, list[bytes]] = field(default_factory=dict)

    @abstractmethod
    def put(self, name: str, content: bytes, number: int) -> None:
        """Put a file there, in place of an older version."""

    def change(self, number: int, chance: random.Random) -> None:
        """Add some files, and write over others."""
        changed = chance.sample(sorted(self.versions), min(self.changed, len(self.versions)))
        for name in [*changed, *self._names(number)]:
            content = os.urandom(chance.randrange(10, 400_000))
            self.versions.setdefault(name, []).append(content)
            self.put(name, content, number)

    def _names(self, number: int) -> Iterator[str]:
        return (f"{number}/{file}.csv" for file in range(self.new))

    def faults(self, landed: Mapping[str, bytes], *, is_whole: bool) -> Iterator[str]:
        """Files that are there twice, are as they never were, or are not as they are at the place."""
        names = [(key.split("/", 1)[1], body) for key, body in landed.items()]
        if twice := [name for name, count in Counter(name for name, _ in names).items() if count > 1]:
            yield f"twice: {twice[:3]}"
        if wrong := [name for name, body in names if body not in self.versions.get(name, [])]:
            yield f"never so: {wrong[:3]}"
        if is_whole and {name: versions[-1] for name, versions in self.versions.items()} != dict(names):
            yield "not as there"


@dataclass(kw_only=True)
class FolderFiles(Files):
    """Files in a folder of this machine, which a server serves."""

    folder: Path

    def put(self, name: str, content: bytes, number: int) -> None:
        """Write a file."""
        write(self.folder, name, content, modified=_MODIFIED + number)


@dataclass(kw_only=True)
class BucketFiles(Files):
    """Objects in a bucket."""

    vendor: vendor_bucket.Vendor

    def put(self, name: str, content: bytes, number: int) -> None:
        """Put an object."""
        self.vendor.put(name, content)


@dataclass(kw_only=True)
class WebFile(Files):
    """One file on the web, always of one day."""

    web: HttpServer

    def _names(self, number: int) -> Iterator[str]:
        return iter(() if number > 1 else ("export.csv",))

    def put(self, name: str, content: bytes, number: int) -> None:
        """Answer with it."""
        etag = f'"{sha256(content).hexdigest()}"'
        headers = {"ETag": etag, "Last-Modified": "Sun, 05 Dec 2021 10:00:00 GMT"}
        self.web.answer = lambda asked: (
            Answer(status=304) if asked.headers.get("If-None-Match") == etag else Answer(content * 5, headers=headers)
        )

    def faults(self, landed: Mapping[str, bytes], *, is_whole: bool) -> Iterator[str]:
        """The same, of what is served."""
        return super().faults({key: body[: len(body) // 5] for key, body in landed.items()}, is_whole=is_whole)


@dataclass(kw_only=True)
class Days(Place):
    """Rows of a database, a different number for each day; each change asks for days that are longer ago."""

    new: ClassVar[int] = 8
    secrets: Mapping[str, str]
    origin: Origin
    wanted: set[date] = field(default_factory=set)

    def change(self, number: int, chance: random.Random) -> None:
        """Ask for more days."""
        today = datetime.now(UTC).date()
        first = today - timedelta(days=self.new * number)
        self.wanted |= {first + timedelta(days=after) for after in range((today - first).days)}
        self.origin = Query(
            database="SHOP_DATABASE", query=_ROWS_OF_DAYS, by_day="day", first_day=min(self.wanted), settle_hours=0
        )

    def faults(self, landed: Mapping[str, bytes], *, is_whole: bool) -> Iterator[str]:
        """Days that are there twice or with other rows than theirs, and those that are missing."""
        counts = Counter(date.fromisoformat(key.split("/")[0]) for key in landed)
        if twice := [day for day, count in counts.items() if count > 1]:
            yield f"twice: {twice[:3]}"
        for key, body in landed.items():
            if len(pl.read_parquet(io.BytesIO(body))) != date.fromisoformat(key.split("/")[0]).timetuple().tm_yday:
                yield f"never so: {key}"
        if is_whole and (missing := sorted(self.wanted - set(counts))):
            yield f"missing: {missing[:3]}"


@contextmanager
def sftp_place(folder: Path, url: str) -> Iterator[Place]:
    """Files on an SFTP server."""
    with sftp_server.serve(folder) as server:
        origin = sftp_source.source_at(server, "**/*.csv").arrives
        assert origin
        yield FolderFiles(folder=folder, origin=origin, secrets={sftp_server.VARIABLE: sftp_server.PASSWORD})


@contextmanager
def ftp_place(folder: Path, url: str) -> Iterator[Place]:
    """Files on an FTP server."""
    with ftp_server.serve_ftp(ftp_server.FtpServer(folder)) as server:
        origin = ftp_server.source_at(server, "**/*.csv").arrives
        assert origin
        yield FolderFiles(folder=folder, origin=origin, secrets={ftp_server.VARIABLE: ftp_server.PASSWORD})


@contextmanager
def s3_place(folder: Path, url: str) -> Iterator[Place]:
    """Objects in a bucket of an S3 server."""
    with serve_s3() as address:
        vendor = vendor_bucket.empty_bucket(address)
        origin = vendor.source("**/*.csv").arrives
        assert origin
        yield BucketFiles(vendor=vendor, origin=origin, secrets=vendor_bucket.SECRETS)


@contextmanager
def http_place(folder: Path, url: str) -> Iterator[Place]:
    """A file on a server of HTTP."""
    with serve_http() as web:
        yield WebFile(web=web, origin=HttpFile(url=f"{web.url}/export.csv"), secrets={})


@contextmanager
def query_place(folder: Path, url: str) -> Iterator[Place]:
    """Rows of a PostgreSQL database."""
    yield Days(origin=Query(database="SHOP_DATABASE", query=_ROWS_OF_DAYS), secrets={"SHOP_DATABASE": url})


PLACES = {"sftp": sftp_place, "ftp": ftp_place, "http": http_place, "s3": s3_place, "query": query_place}
