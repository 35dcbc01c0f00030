"""Records of an API, page by page.

Here: going from page to page to the end, and putting all records into one object. Not here: what a declaration says of
the API (see `sources.origins.http`), asking (see `http.session`), and where in a page the records are (see
`rest.pages`).
"""

import hashlib
import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import requests

from dataflow_assets.collectors.base import CollectError, Collector, Record, Remote, Sink
from dataflow_assets.collectors.http.session import HttpSession
from dataflow_assets.collectors.rest.pages import Page, PageError, next_link
from dataflow_assets.core.time_windows import day_of
from dataflow_assets.sources.origins.base import Origin
from dataflow_assets.sources.origins.http import Cursor, LinkHeader, Offset, PageNumber, RestApi

_LARGEST_PAGE = 32 << 20  # bytes
_CHUNK = 1 << 20


class RestCollector(Collector[RestApi]):
    """Brings all records of an API, once on each day."""

    origin_type: ClassVar[type[Origin]] = RestApi

    def check(self) -> str:
        """Ask for the first page; how many records it has."""
        walk = _Walk(self.origin)
        count = len(walk.read(walk.first).records)
        return f"{self.origin.address} has {count:,} records for {self.source.name} on its first page."

    def find(self, record: Record) -> Iterable[Remote]:
        """All records, unless they were brought today."""
        address, today = self.origin.address, day_of(datetime.now(UTC), self.timezone)
        known = record.read([address]).get(address)
        if known and known.version and known.day == today:
            return []
        return [Remote(path=address, version="", name=f"{self.source.name}.jsonl", day=today)]

    def bring(self, wanted: Sequence[Remote], sink: Sink) -> None:
        """Go through all pages, and land what they hold together."""
        for remote in wanted:
            with tempfile.NamedTemporaryFile(prefix="dataflow-") as file:
                digest = hashlib.sha256()
                walk = _Walk(self.origin)
                url: str | None = walk.first
                while url:
                    page = walk.read(url)
                    for line in page.records:
                        data = line.encode() + b"\n"
                        digest.update(data)
                        file.write(data)
                    url = walk.next(url, page)
                file.flush()
                sink.land(replace(remote, version=f"sha256:{digest.hexdigest()}"), Path(file.name))


class _Walk:
    """The way through the pages of an API."""

    def __init__(self, origin: RestApi) -> None:
        self._origin = origin
        self._session = HttpSession(origin)
        self._seen: set[str] = set()
        self._records = 0
        self._pages = 0

    @property
    def first(self) -> str:
        """The address of the first page."""
        paginator = self._origin.paginator
        url = _with(self._origin.url, self._origin.parameters)
        match paginator:
            case PageNumber():
                return _with(url, {paginator.parameter: str(paginator.first)})
            case Offset():
                return _with(url, {paginator.parameter: "0"})
        return url

    def read(self, url: str) -> Page:
        """A page.

        Raises:
            CollectError: it is none, or the pages have no end.
        """
        if url in self._seen:
            raise CollectError(f"{self._origin.address} leads to a page that was read already: it has no end.")
        if len(self._seen) >= self._origin.most_pages:
            raise CollectError(f"{self._origin.address} has more than {self._origin.most_pages:,} pages (most_pages).")
        self._seen.add(url)
        with self._session.get(url, {"Accept": "application/json"}) as response:
            content, link = _body(response), next_link(response.headers.get("Link", ""))
        try:
            page = Page.of(content, self._origin.records, link)
        except PageError as error:
            raise CollectError(f"{self._origin.address} gives no records on page {len(self._seen)}: {error}.") from None
        self._records += len(page.records)
        return page

    def next(self, url: str, page: Page) -> str | None:
        """The address of the page after one; None after the last."""
        paginator = self._origin.paginator
        match paginator:
            case LinkHeader():
                return self._session.lead(url, page.link) if page.link else None
            case Cursor():
                return self._after(url, paginator, page.value(paginator.path))
            case PageNumber() if page.records:
                return _with(url, {paginator.parameter: str(paginator.first + len(self._seen))})
            case Offset() if page.records:
                return _with(url, {paginator.parameter: str(self._records)})
        return None

    def _after(self, url: str, paginator: Cursor, said: Any) -> str | None:
        """The address of the page that a page names, by a cursor or an address."""
        if said is None or said in ("", False):
            return None
        text = said if isinstance(said, str) else json.dumps(said)
        first = urlsplit(self._origin.url).path.split("/", 2)[1:2]  # of its path, by which one is told from Base64
        is_path = text.startswith("/") and ("?" in text or text.split("/", 2)[1:2] == first)
        is_address = is_path or text.startswith(("http://", "https://", "?"))
        return self._session.lead(url, text) if is_address else _with(url, {paginator.parameter: text})


def _body(response: requests.Response) -> str:
    """The text of an answer, all of it."""
    data = bytearray()
    for chunk in response.iter_content(_CHUNK):
        data += chunk
        if len(data) > _LARGEST_PAGE:
            raise CollectError(f"A page of {urlsplit(response.url).hostname} is over {_LARGEST_PAGE >> 20} MiB.")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise CollectError(f"A page of {urlsplit(response.url).hostname} is not UTF-8.") from None


def _with(url: str, parameters: Mapping[str, str]) -> str:
    """An address with these parameters, in place of those of the same names."""
    parts = urlsplit(url)
    query = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name not in parameters]
    return urlunsplit(parts._replace(query=urlencode([*query, *parameters.items()])))


COLLECTOR = RestCollector
