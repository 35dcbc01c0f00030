"""Files and records behind an address of HTTP.

Here: what a declaration says of a whole export, and of an API that gives records page by page. Not here: asking for
them (see `collectors.http` and `collectors.rest`).
"""

import re
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import SplitResult, urlsplit

from dataflow_assets.sources.formats.base import Format
from dataflow_assets.sources.formats.json import Json
from dataflow_assets.sources.formats.json_paths import parse_path
from dataflow_assets.sources.origins.base import Origin

_NAME = re.compile(r"[^/\x00-\x1f]{1,200}")


@dataclass(frozen=True, kw_only=True)
class HttpOrigin(Origin):
    """An address. `token` names the environment variable whose value is sent in a header, after a prefix."""

    url: str
    token: str | None = None
    header: str = "Authorization"
    prefix: str = "Bearer "
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """The address without its query, which may hold what is secret."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}{parts.path}"

    @property
    def server(self) -> Hashable:
        """The host, and how it is spoken to."""
        parts = urlsplit(self.url)
        return parts.scheme, parts.hostname, parts.port

    @property
    def variables(self) -> Mapping[str, str | None]:
        """That of the token."""
        return {"token": self.token}

    def problems(self) -> Iterator[str]:
        """A sentence for each thing that cannot be right."""
        yield from super().problems()
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            yield "url is no address such as https://example.com/export.csv"
        elif parts.username or parts.password:
            yield "url holds a password; name the environment variable of a token instead"


@dataclass(frozen=True, kw_only=True)
class HttpFile(HttpOrigin):
    """One file, whole: an export that is written anew from time to time.

    A new version is seen by its ETag or Last-Modified, and lands on the day of Last-Modified, or on that on which it
    was seen. Without either, it is fetched each time, and lands where its content is another. The object is called
    `name`, or as the address ends.
    """

    label: ClassVar[str] = "HTTP"
    schemes: ClassVar[tuple[str, ...]] = ("http", "https")
    name: str = ""

    @classmethod
    def fields_at(cls, address: SplitResult) -> Mapping[str, Any]:
        """The address itself."""
        return {"url": address.geturl()}

    @property
    def file_name(self) -> str:
        """What the object is called."""
        return self.name or urlsplit(self.url).path.rpartition("/")[2]

    def problems(self) -> Iterator[str]:
        """A sentence for each thing that cannot be right."""
        yield from super().problems()
        if not _NAME.fullmatch(self.file_name):
            yield "the address ends in no name of a file: give a name"


@dataclass(frozen=True, kw_only=True)
class LinkHeader:
    """The next page is the `Link` of the relation `next`; the last has none."""


@dataclass(frozen=True, kw_only=True)
class Cursor:
    """A page says at `path`, such as `$.next`, the value of a parameter, or the address, of the next; the last none."""

    path: str
    parameter: str = "cursor"


@dataclass(frozen=True, kw_only=True)
class PageNumber:
    """The parameter counts pages from `first`; after the last comes one without records."""

    parameter: str = "page"
    first: int = 1


@dataclass(frozen=True, kw_only=True)
class Offset:
    """The parameter counts the records before a page; after the last comes one without records."""

    parameter: str = "offset"


Paginator = LinkHeader | Cursor | PageNumber | Offset


@dataclass(frozen=True, kw_only=True)
class RestApi(HttpOrigin):
    """An API that gives all records page by page: a snapshot of each day on which it is asked.

    `records` is the path of the array of records in a page, such as `$.data`; `$` where the page is the array. All
    pages together land as one object, a line of JSON for each record as it was sent; where one cannot be had, nothing
    lands. `most_pages` bounds an API that never ends.
    """

    label: ClassVar[str] = "REST"
    schedule: str = "0 5 * * *"
    paginator: Paginator
    records: str = "$"
    parameters: Mapping[str, str] = field(default_factory=dict)
    most_pages: int = 10_000

    def problems(self) -> Iterator[str]:
        """A sentence for each thing that cannot be right."""
        yield from super().problems()
        for path in (self.records, *([self.paginator.path] if isinstance(self.paginator, Cursor) else [])):
            try:
                if None in parse_path(path):
                    yield f"{path!r} must name keys of objects alone, such as $.data"
            except ValueError as error:
                yield str(error)
        if self.most_pages < 1:
            yield "most_pages is less than one"

    def wrong_format(self, reader: Format) -> Iterator[str]:
        """Records land as JSON lines."""
        if not isinstance(reader, Json) or not reader.lines:
            yield "records of an API are read by Json(lines=True, paths=…)"
