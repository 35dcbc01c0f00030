"""The clients of the load on the HTTP API, and what they see.

Here: readers of streams, pages and answers, those that post, and those that stall. Not here: what happens to the server
meanwhile (see `serving_load`).
"""

import asyncio
import io
import random
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import httpx2
import polars as pl

from benchmarks.serving import ROWS

CLIENTS = {"stream": 60, "page": 60, "answer": 40, "post": 20, "stalled": 20}
DAYS = [date(2021, 12, 1) + timedelta(days=number) for number in range(8)]
POSTED_DAY = date(2022, 2, 1)
FEWEST_ROWS = 20_000  # of a day; one that was made from version v has v more, each of v megabytes
RECORDS = 20  # of a post


def is_whole(form: str, body: bytes) -> bool:
    """Whether a stream that ended well holds one version of a day, all of it."""
    readers: dict[str, Callable[[io.BytesIO], pl.DataFrame]] = {
        "arrow": pl.read_ipc_stream,
        "csv": pl.read_csv,
        "ndjson": pl.read_ndjson,
        "parquet": pl.read_parquet,
    }
    sizes = readers[form](io.BytesIO(body)).get_column("size_mb")
    return sizes.n_unique() == 1 and len(sizes) == FEWEST_ROWS + int(sizes[0])


@dataclass
class Load:
    """The clients, what they saw, and when they saw it, in seconds from the beginning."""

    address: str
    key: str
    seconds: float
    start: float = field(default_factory=time.monotonic)
    seen: list[tuple[float, str, str]] = field(default_factory=list)
    times: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    acknowledged: set[int] = field(default_factory=set)
    posts: int = 0

    @property
    def is_over(self) -> bool:
        """Whether the clients stop."""
        return time.monotonic() - self.start > self.seconds

    async def run(self) -> None:
        """All clients until the time is over."""
        limits = httpx2.Limits(max_connections=None)
        headers = {"X-API-Key": self.key}
        async with httpx2.AsyncClient(base_url=self.address, headers=headers, limits=limits, timeout=130) as client:
            kinds: dict[str, Callable[[httpx2.AsyncClient], Awaitable[str]]] = {
                "stream": self._stream,
                "page": self._page,
                "answer": self._answer,
                "post": self._post,
                "stalled": self._stall,
            }
            await asyncio.gather(
                *(self._repeat(client, kind, kinds[kind]) for kind, count in CLIENTS.items() for _ in range(count))
            )

    async def _repeat(
        self, client: httpx2.AsyncClient, kind: str, once: Callable[[httpx2.AsyncClient], Awaitable[str]]
    ) -> None:
        while not self.is_over:
            begin = time.monotonic()
            try:
                saw = await once(client)
            except httpx2.TransportError as error:
                saw = f"cut off ({type(error).__name__})"
            self.seen.append((time.monotonic() - self.start, kind, saw))
            self.times[kind].append(time.monotonic() - begin)
            if saw.startswith(("5", "cut off (Connect")):
                await asyncio.sleep(1)

    async def _stream(self, client: httpx2.AsyncClient) -> str:
        form = random.choice(("arrow", "csv", "ndjson", "parquet"))
        day = random.choice(DAYS)
        answer = await client.get(ROWS, params={"event_day": day.isoformat(), "format": form})
        if answer.status_code != 200:
            return str(answer.status_code)
        return "200" if is_whole(form, answer.content) else "half for whole"

    async def _page(self, client: httpx2.AsyncClient) -> str:
        day = random.choice(DAYS)
        answer = await client.get(ROWS, params={"event_day": day.isoformat(), "limit": 100})
        following = answer.links.get("next", {}).get("url")
        return str((await client.get(following)).status_code if following else answer.status_code)

    async def _answer(self, client: httpx2.AsyncClient) -> str:
        await asyncio.sleep(0.5)
        return str((await client.get("/v1/answers/engaged_users")).status_code)

    async def _post(self, client: httpx2.AsyncClient) -> str:
        await asyncio.sleep(3)
        self.posts, number = self.posts + 1, self.posts
        start = datetime.combine(POSTED_DAY, datetime.min.time(), UTC) + timedelta(seconds=number)
        times = f"{start:%Y-%m-%dT%H:%M:%SZ},{start:%Y-%m-%dT23:59:59Z}"
        lines = [f"post {number},u{i}@b.example,1.5,{times}" for i in range(RECORDS)]
        body = "\n".join(["movie_title,user_email,size_mb,start_at,end_at", *lines]) + "\n"
        headers = {"Content-Type": "text/csv", "Idempotency-Key": f"post-{number}"}
        for tries in range(60):
            try:
                answer = await client.post("/v1/sources/streams/records", content=body, headers=headers)
            except httpx2.TransportError:
                await asyncio.sleep(1)
                continue
            if answer.status_code == 202:
                self.acknowledged.add(number)
                return "202" if tries == 0 else "202 when repeated"
            if answer.status_code not in (409, 503):
                return str(answer.status_code)
            self.seen.append((time.monotonic() - self.start, "post", str(answer.status_code)))
            await asyncio.sleep(1)
        return "never acknowledged"

    async def _stall(self, client: httpx2.AsyncClient) -> str:
        async with client.stream("GET", f"{ROWS}?format=csv") as answer:
            if answer.status_code != 200:
                return str(answer.status_code)
            size = 0
            async for piece in answer.aiter_raw(65_536):
                if size == 0:
                    await asyncio.sleep(15)
                size += len(piece)
        return "200"
