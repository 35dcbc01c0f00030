"""The HTTP API under load: 200 clients for a minute, while days are swapped and, if asked, a server is away.

Readers of streams, pages and answers, posts, and readers that stall. It exits with 1 where a client was answered with a
failure of the server that nobody caused, took half a stream for whole, or a record that was acknowledged is not in the
table exactly once. What clients saw is printed by what they did, before, during and after the interruption.
"""

import argparse
import asyncio
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.common import sql
from benchmarks.serving import Process
from benchmarks.serving_clients import CLIENTS, DAYS, FEWEST_ROWS, POSTED_DAY, RECORDS, Load
from dataflow_assets.core.ports import free_port
from dataflow_assets.errors import LockTimeoutError, WarehouseUnavailableError
from dataflow_assets.lake.delta.table import rows_table
from dataflow_assets.lake.ingest import ingest
from dataflow_assets.landing.deliveries import Landing
from dataflow_assets.landing.storage import open_storage
from dataflow_assets.postgres.connection import AdbcError, connect
from dataflow_assets.postgres.migrate import upgrade
from dataflow_assets.serving.accounts import add_user
from dataflow_assets.serving.api_keys import add_key
from dataflow_assets.serving.principals import Role
from dataflow_assets.settings import load_settings
from dataflow_assets.sources import find_source
from dataflow_assets.sources.base import Events
from dataflow_assets.warehouse.answers import load_answer
from dataflow_assets.warehouse.events import load_day
from dataflow_assets_tests.faults.postgres import FAST, IMMEDIATE, OwnServer, own_server
from dataflow_assets_tests.redis_server import redis
from dataflow_assets_tests.serving.reading.builders import streams

_AWAY_SECONDS = 15  # of Redis
_SETTLING_SECONDS = 5  # after something is back, clients may still see that it was away
_STREAMS = find_source("streams")
assert isinstance(_STREAMS, Events)


class Cache:
    """A server of Redis that may be stopped and started again."""

    def __init__(self) -> None:
        self.port = free_port()
        self._running = ExitStack()

    def start(self) -> None:
        """Start it, on its port."""
        self._running.enter_context(redis(self.port))

    def stop(self) -> None:
        """Stop it; what it kept is gone."""
        self._running.close()


def load_version(url: str, day: date, version: int) -> None:
    """Put the rows of a version in place of a day's."""
    assert isinstance(_STREAMS, Events)
    rows = streams(FEWEST_ROWS + version, day).with_columns(
        size_mb=pl.lit(float(version)),
        position=pl.int_range(pl.len()),
        object=pl.lit("landing/streams/made.csv"),
        delivery_day=pl.lit(day),
        delivery=pl.lit(1, pl.Int64),
        event_date=pl.lit(day),
    )
    with connect(url) as connection:
        load_day(connection, _STREAMS, rows.lazy(), version, day, "UTC")


def swap_days(url: str, until: float) -> Counter[str]:
    """Swap one day after the other; how often it was done, and how often a reader or the database was in the way."""
    done: Counter[str] = Counter()
    version = 1
    while time.monotonic() < until:
        version += 1
        try:
            load_version(url, random.choice(DAYS), version)
            done["swapped"] += 1
        except LockTimeoutError:
            done["waited for a reader"] += 1
        except (AdbcError, WarehouseUnavailableError, OSError):
            done["database away"] += 1
            time.sleep(0.2)
        time.sleep(0.2)
    return done


def load_what_was_posted(url: str) -> Counter[int]:
    """Take what landed into the lake and the table; how many rows there are of each post."""
    assert isinstance(_STREAMS, Events)
    storage = open_storage(load_settings())
    for delivery in Landing(storage).deliveries():
        intake = ingest(storage, _STREAMS, delivery.object, "UTC", first_day=DAYS[0])
        assert intake
        assert not intake.rejected, intake
    table = rows_table(storage, _STREAMS)
    version = table.open().version()
    with connect(url) as connection:
        load_day(connection, _STREAMS, table.scan(version), version, POSTED_DAY, "UTC")
    rows = sql(url, f"SELECT movie_title, count(*) FROM warehouse.streams WHERE event_day = '{POSTED_DAY}' GROUP BY 1")
    return Counter({int(title.split()[1]): count for title, count in rows})


def prepare(url: str) -> str:
    """Tables, a version of each day, an answer and a user; their key."""
    upgrade(url)
    for day in DAYS:
        load_version(url, day, 1)
    with connect(url) as connection:
        answer = pl.DataFrame({"day": [DAYS[0]], "users": [7]})
        load_answer(connection, "engaged_users", "day", DAYS[0], answer, {"streams": 1})
        add_user(connection, "client", None, Role.WRITER, None)
    with connect(url) as connection:
        return add_key(connection, "client", None, datetime.now(UTC) + timedelta(days=1))


@asynccontextmanager
async def watched(process: Process) -> AsyncIterator[list[float]]:
    """The memory of a server, in MiB, every second."""
    found: list[float] = []

    async def watch() -> None:
        while True:
            found.append(process.memory("VmRSS"))
            await asyncio.sleep(1)

    task = asyncio.create_task(watch())
    yield found
    task.cancel()


async def interrupt(what: str, database: OwnServer, cache: Cache, seconds: float) -> list[float]:
    """Let something be away after a third of the time; the seconds from which to which clients may see it."""
    start = time.monotonic()
    await asyncio.sleep(seconds / 3)
    begin = time.monotonic() - start
    if what == "postgresql":
        for mode in (FAST, IMMEDIATE):
            await asyncio.to_thread(database.restart, mode)
            await asyncio.sleep(2)
    if what == "redis":
        cache.stop()
        await asyncio.sleep(_AWAY_SECONDS)
        cache.start()
    return [begin, time.monotonic() - start + _SETTLING_SECONDS]


def summarize(load: Load, away: list[float]) -> dict[str, Any]:
    """How often clients saw what, by when and by what they did, and how long they waited."""
    seen: dict[str, Counter[str]] = {}
    for second, kind, saw in load.seen:
        when = "before" if second < away[0] else "while away" if second < away[1] else "after"
        seen.setdefault(f"{kind}, {when}", Counter())[saw] += 1
    times = {kind: sorted(found) for kind, found in load.times.items()}
    seconds = {
        kind: {"median": statistics.median(found), "95 %": found[len(found) * 95 // 100], "most": found[-1]}
        for kind, found in times.items()
    }
    return {"seen": {name: dict(seen[name]) for name in sorted(seen)}, "seconds": seconds}


def find_faults(load: Load, away: list[float], posted: Counter[int], interrupted: str) -> list[str]:
    """What must not be."""
    faults = [f"{kind} at {second:.0f} s: {saw}" for second, kind, saw in load.seen if saw == "half for whole"]
    for second, kind, saw in load.seen:
        is_excused = interrupted == "postgresql" and away[0] - 1 <= second < away[1] and saw == "503"
        if saw.startswith(("5", "never")) and not is_excused:
            faults.append(f"{kind} at {second:.0f} s: {saw}")
    faults += [f"post {number}: {posted[number]} rows" for number in load.acknowledged if posted[number] != RECORDS]
    return faults + [f"post {number}: {rows} rows" for number, rows in posted.items() if rows != RECORDS]


async def measure(
    process: Process, key: str, given: argparse.Namespace, database: OwnServer, cache: Cache
) -> dict[str, Any]:
    """Let the clients work, and look."""
    load = Load(f"http://127.0.0.1:{process.port}", key, given.seconds)
    until, cpu, idle = time.monotonic() + given.seconds, process.cpu, process.memory("VmRSS")
    async with watched(process) as memory:
        swaps, away, _ = await asyncio.gather(
            asyncio.to_thread(swap_days, database.url, until),
            interrupt(given.interrupt, database, cache, given.seconds),
            load.run(),
        )
    posted = load_what_was_posted(database.url)
    third = len(memory) // 3
    return {
        **summarize(load, away),
        "faults": find_faults(load, away, posted, given.interrupt),
        "posts": {"acknowledged": len(load.acknowledged), "in the table": len(posted)},
        "days": dict(swaps),
        "cpu seconds": process.cpu - cpu,
        "MiB": {"idle": idle, "by thirds": [max(memory[n * third : (n + 1) * third]) for n in range(3)]},
    }


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--interrupt", choices=["none", "redis", "postgresql"], default="none")
    given = parser.parse_args()
    with ExitStack() as running:
        home = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="dataflow-load-")))
        home.chmod(0o755)
        database = running.enter_context(own_server(home / "server"))
        cache = Cache()
        cache.start()
        running.callback(cache.stop)
        environment = {
            "DATABASE_URL": database.url,
            "DATAFLOW_HOME": str(home / "home"),
            "DATAFLOW_REQUESTS_PER_MINUTE": "100000000",
            "REDIS_URL": f"redis://127.0.0.1:{cache.port}/0",
        }
        os.environ |= environment
        key = prepare(database.url)
        process = Process("ours", environment, key)
        running.callback(process.stop)
        found = asyncio.run(measure(process, key, given, database, cache))
    print(json.dumps({"clients": CLIENTS, **found}, indent=2))  # noqa: T201
    sys.exit(1 if found["faults"] else 0)


if __name__ == "__main__":
    main()
