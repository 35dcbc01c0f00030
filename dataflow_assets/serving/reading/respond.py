"""Rows as a response: the same for every relation, format and reader.

Here: entity tags, the cache, pages and streams, put together. Not here: each of them, and routes.

Rows that are few bytes are read to their end before anything is sent: the table is let go at once, and their length is
known. Others are streamed.
"""

import asyncio
import hashlib
from collections.abc import Callable, Generator, Iterable
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar
from urllib.parse import quote, urlencode

import anyio
from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response

from dataflow_assets.analytics.base import Answer
from dataflow_assets.errors import WarehouseUnavailableError
from dataflow_assets.ledger.versions import read_versions
from dataflow_assets.postgres.brief import BriefConnections
from dataflow_assets.postgres.connection import Connection
from dataflow_assets.serving.principals import Principal
from dataflow_assets.serving.reading.cache import LARGEST, Cache
from dataflow_assets.serving.reading.formats.base import Format
from dataflow_assets.serving.reading.formats.negotiation import choose_format
from dataflow_assets.serving.reading.parameters import Comparison, Selection, parse_parameters
from dataflow_assets.serving.reading.relations import Relation
from dataflow_assets.serving.reading.rows import read_page, stream_rows
from dataflow_assets.serving.reading.sessions import Sessions
from dataflow_assets.serving.reading.sharing import Shared
from dataflow_assets.serving.reading.statements import EVERY_DAY, Days, days_of
from dataflow_assets.serving.reading.streaming import StreamedRows, withhold
from dataflow_assets.serving.refusals import OldProtocolError
from dataflow_assets.sources.base import Source

# At once, each with a connection. Who reads slowly holds up other streams, and nobody who wants a page or an answer.
_STREAMS, _SHORT_READS = 8, 4
_COMPUTATIONS = 2  # at once, each with as much memory as the columns of a table that it reads
_SHOWN_INLINE = ("json", "ndjson")

_Result = TypeVar("_Result")


class RowReader:
    """Answers requests for rows of one database.

    Args:
        url: of the database.
        timezone: in which days are cut.
        cache_url: of a Redis that keeps answers.
        secret: by which cursors are known as ours.
    """

    def __init__(self, url: str, timezone: str, cache_url: str | None, secret: bytes) -> None:
        self._sessions = Sessions(url)
        self._secret = secret
        self._timezone = timezone
        self._versions: Shared[str] = Shared()
        self._brief = BriefConnections(url)  # of ADBC, a statement as small takes ten times as much processor time
        self._streams = asyncio.Semaphore(_STREAMS)
        self._short_reads = asyncio.Semaphore(_SHORT_READS)
        self._limiter = anyio.CapacityLimiter(_STREAMS + _SHORT_READS)
        self._computing = anyio.CapacityLimiter(_COMPUTATIONS)
        self.cache = Cache(cache_url)

    async def respond(self, request: Request, relation: Relation, principal: Principal) -> Response:
        """The rows that a request asks for.

        Raises:
            DataFlowError: they cannot be had so.
        """
        selection = _allowed(parse_parameters(relation, request.query_params.multi_items()), principal)
        form = choose_format(selection.format, request.headers.get("accept"))
        answer = _Answer(request, selection, form, await self._tag(selection, form))
        if answer.tag is not None and _names_tag(request.headers.get("if-none-match", ""), answer.tag):
            return Response(status_code=304, headers=answer.headers)
        is_kept = answer.tag is not None and relation.kind == "answer"
        if is_kept and (kept := await self.cache.get(str(answer.tag))) is not None:
            cursor, _, body = kept.partition(b"\n")
            return answer.whole(body, cursor.decode())
        read = self._read_all if selection.limit is None else self._read_page
        response = await read(answer)
        if is_kept and not isinstance(response, StreamedRows):
            await self.cache.put(str(answer.tag), f"{answer.cursor}\n".encode() + response.body)
        return response

    async def read(self, work: Callable[[Connection], _Result]) -> _Result:
        """Do some work that reads, with a session."""

        def run() -> _Result:
            with self._sessions.take() as session:
                return work(session)

        return await self._in_thread(run)

    async def respond_once(
        self, request: Request, asked: object, read: Iterable[Source | Answer], compute: Callable[[], bytes]
    ) -> Response:
        """JSON that follows from tables: kept, and computed only where they are others than before.

        Args:
            request: may say which response it has.
            asked: says what is computed.
            read: the sources and answers whose tables it reads.
            compute: does it, in a thread.
        """
        versions = [await self._read_versions(declared, EVERY_DAY) for declared in read]
        tag = _digest("computed", asked, versions)
        headers = _caching_headers(tag)
        if _names_tag(request.headers.get("if-none-match", ""), tag):
            return Response(status_code=304, headers=headers)
        body = await self.cache.get(tag)
        if body is None:
            body = await self.compute(compute)
            await self.cache.put(tag, body)
        return Response(body, headers=headers, media_type="application/json")

    async def compute(self, work: Callable[[], _Result]) -> _Result:
        """Do some work that takes much memory, as little of which is done at once as may be."""
        return await to_thread.run_sync(work, limiter=self._computing)

    async def _read_versions(self, declared: Source | Answer, days: Days) -> str:
        """What the rows of some days were made from; read after this was called, and together with others who ask."""

        def read() -> str:
            with self._brief.take() as connection:
                return read_versions(connection, of=declared, days=days)

        async def read_again() -> str:
            with suppress(WarehouseUnavailableError):  # it may be the connection alone that was lost since its last use
                return await self._in_thread(read)
            return await self._in_thread(read)

        return await self._versions.get((type(declared), declared.name, days), read_again)

    async def _tag(self, selection: Selection, form: Format) -> str | None:
        """A text that is another one whenever the response may be another; None where nothing tells."""
        declared = selection.relation.of
        if declared is None:
            return None
        versions = await self._read_versions(declared, days_of(selection, self._timezone))
        columns = [column.name for column in selection.columns]
        return _digest(selection.fingerprint, columns, selection.limit, selection.cursor, form.name, versions)

    async def _read_page(self, answer: "_Answer") -> Response:
        selection, form = answer.selection, answer.form

        def read() -> tuple[bytes, str]:
            page = read_page(self._sessions, selection, self._timezone, self._secret)
            return b"".join(form.encode(selection.columns, page.batches)), page.next_cursor or ""

        async with self._short_reads:
            return answer.whole(*await self._in_thread(read))

    async def _read_all(self, answer: "_Answer") -> Response:
        selection, form = answer.selection, answer.form
        chunks = self._make_chunks(selection, form)
        turns = self._short_reads if selection.relation.kind == "answer" else self._streams
        await turns.acquire()
        try:
            beginning, is_whole = await self._in_thread(partial(_gather, chunks))
            if not is_whole:
                answer.require_visible_end()
                return StreamedRows(
                    beginning,
                    chunks,
                    limiter=self._limiter,
                    on_end=turns.release,
                    headers=answer.headers,
                    media_type=form.media_type,
                )
        except BaseException:
            chunks.close()
            turns.release()
            raise
        turns.release()
        return answer.whole(beginning)

    def _make_chunks(self, selection: Selection, form: Format) -> Generator[bytes | memoryview, None, None]:
        with closing(stream_rows(self._sessions, selection, self._timezone)) as rows:
            yield from withhold(form.encode(selection.columns, rows))

    async def _in_thread(self, work: Callable[[], _Result]) -> _Result:
        return await to_thread.run_sync(work, limiter=self._limiter)


@dataclass
class _Answer:
    """What is known of a response before its rows are."""

    request: Request
    selection: Selection
    form: Format
    tag: str | None
    cursor: str = ""

    @property
    def headers(self) -> dict[str, str]:
        found = _caching_headers(self.tag)
        if self.form.name not in _SHOWN_INLINE:
            found["Content-Disposition"] = f'attachment; filename="{self.selection.relation.name}.{self.form.name}"'
        if self.cursor:
            query = [pair for pair in self.request.query_params.multi_items() if pair[0] != "cursor"]
            found["Link"] = (
                f'<{quote(self.request.url.path)}?{urlencode([*query, ("cursor", self.cursor)])}>; rel="next"'
            )
        return found

    def whole(self, body: bytes, cursor: str = "") -> Response:
        """The response with all of its rows; the cursor leads to the next page, if there is one."""
        self.cursor = cursor
        return Response(body, headers=self.headers, media_type=self.form.media_type)

    def require_visible_end(self) -> None:
        """Look whether a reader would notice that the rows end too early."""
        if self.form.cut is None and self.request.scope["http_version"] == "1.0":
            raise OldProtocolError(
                f"By HTTP/1.0, {self.form.name} that breaks off would look whole: use HTTP/1.1 (of nginx: "
                "proxy_http_version 1.1), another format, or pages with a limit."
            )


def _allowed(selection: Selection, principal: Principal) -> Selection:
    """The selection without rows of sources that somebody may not read, where rows of all sources stand together."""
    column = selection.relation.source_column
    if column is None or principal.sources is None:
        return selection
    own = Comparison(selection.relation.columns[column], "IN", tuple(sorted(principal.sources)) or ("",))
    return replace(selection, filters=(*selection.filters, own))


def _digest(*facts: object) -> str:
    return hashlib.blake2b(repr(facts).encode(), digest_size=16).hexdigest()


def _caching_headers(tag: str | None) -> dict[str, str]:
    """What a client may do with a response: keep it for itself, and ask each time whether it is still right."""
    vary = {"Vary": "Accept, Authorization, X-API-Key"}
    return vary if tag is None else vary | {"ETag": f'W/"{tag}"', "Cache-Control": "private, no-cache"}


def _names_tag(header: str, tag: str) -> bool:
    """Whether an If-None-Match header names a tag."""
    return header.strip() == "*" or tag in (name.strip().removeprefix("W/").strip('"') for name in header.split(","))


def _gather(chunks: Generator[bytes | memoryview, None, None]) -> tuple[bytes, bool]:
    """The first bytes, and whether these are all."""
    pieces, size = [], 0
    for chunk in chunks:
        pieces.append(chunk)
        size += len(chunk)
        if size > LARGEST:
            return b"".join(pieces), False
    return b"".join(pieces), True
