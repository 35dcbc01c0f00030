"""Reading over HTTP: rows per second of each format, memory, pages, and requests per second of small answers.

Rivals are a plain endpoint of FastAPI and SQLAlchemy's ORM over the same table, Datasette over the same rows in SQLite,
and psql's `\\copy … binary` to a file. Posted records land here as one object; the rival's are in a table.
Seconds of processor time are those of the server's process; psql's are its own.
"""

import argparse
import asyncio
import json
import os
import resource
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import uvicorn

from benchmarks.common import fair_start, psql, server, sql
from benchmarks.data import DAY, write_streams
from benchmarks.serving_rivals import datasette_app, orm_app, records, write_sqlite
from dataflow_assets.postgres.connection import connect
from dataflow_assets.postgres.migrate import upgrade
from dataflow_assets.serving.accounts import add_user
from dataflow_assets.serving.api_keys import add_key
from dataflow_assets.serving.principals import Role
from dataflow_assets.serving.reading.cursors import write_cursor
from dataflow_assets.serving.reading.parameters import parse_parameters
from dataflow_assets.serving.reading.relations import source_relations
from dataflow_assets.serving.server import serve as serve_ours
from dataflow_assets.serving.tokens import KeyRing
from dataflow_assets.settings import load_settings
from dataflow_assets.sources import find_source
from dataflow_assets.sources.base import Events
from dataflow_assets.warehouse.answers import load_answer
from dataflow_assets.warehouse.events import load_day

ROWS = "/v1/tables/streams/rows"
FORMATS = ("arrow", "parquet", "csv", "ndjson", "json")
_TICKS = os.sysconf("SC_CLK_TCK")
_FEWER_ROWS = 200_000  # of the rivals: the ORM holds all of them
_READY = {"datasette": "/-/versions.json"}
_POSTED = 10_000  # records at once
_MEDIA = {"csv": "text/csv", "json": "application/json"}


class Process:
    """A server in a process of its own."""

    def __init__(self, kind: str, environment: dict[str, str], key: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        home = Path(environment["DATAFLOW_HOME"])
        home.mkdir(parents=True, exist_ok=True)
        with (home / f"{kind}.log").open("a") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.serving", "--serve", kind, "--port", str(self.port)],
                env={**os.environ, **environment},
                stderr=log,
            )
        self.headers = {"X-API-Key": key}
        for _ in range(3000):  # five minutes, on a busy machine
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}{_READY.get(kind, '/health')}").close()
                return
            except OSError:
                time.sleep(0.1)
        raise AssertionError("the server did not start")

    def get(self, path: str) -> int:
        """Read an answer to its end; how many bytes it has."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers=self.headers)
        size = 0
        with urllib.request.urlopen(request, timeout=600) as answer:
            while piece := answer.read(1 << 20):
                size += len(piece)
        return size

    @property
    def cpu(self) -> float:
        """The seconds of processor time that it has used."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def memory(self, name: str) -> float:
        """VmRSS (now) or VmHWM (most since `forget`), in MiB."""
        lines = Path(f"/proc/{self._process.pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith(name)).split()[1]) / 1024

    def forget(self) -> None:
        """Let the most memory be that of now."""
        Path(f"/proc/{self._process.pid}/clear_refs").write_text("5")

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(30)


def serve(kind: str, port: int) -> None:
    """Run a server in this process: ours as `dataflow serve` does, with its log in a file, or a rival without one."""
    rivals = {
        "orm": lambda: orm_app(os.environ["DATABASE_URL"]),
        "datasette": lambda: datasette_app(Path(os.environ["DATAFLOW_HOME"])),
    }
    if kind in rivals:
        uvicorn.run(rivals[kind](), port=port, log_level="warning", access_log=False)
        return
    serve_ours(load_settings(), "127.0.0.1", port)


def measure(process: Process, path: str, rows: int) -> dict[str, Any]:
    """Read it once."""
    process.forget()
    idle, cpu, start = process.memory("VmRSS"), process.cpu, time.perf_counter()
    size = process.get(path)
    seconds, used = time.perf_counter() - start, process.cpu - cpu
    return {
        "rows_per_second": rows / seconds,
        "rows_per_cpu_second": rows / max(used, 1 / _TICKS),
        "seconds": seconds,
        "cpu_seconds": used,
        "megabytes": size / 1e6,
        "mib_over_before": process.memory("VmHWM") - idle,
    }


def copy_to_file(url: str, folder: Path, rows: int) -> dict[str, Any]:
    """psql's binary copy of the same columns."""
    cpu, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    columns = "SELECT movie_title, user_email, size_mb, start_at, end_at FROM warehouse.streams"
    psql(url, f"\\copy ({columns}) TO '{folder / 'rows.bin'}' WITH (FORMAT binary)")
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - cpu.ru_utime - cpu.ru_stime
    return {"rows_per_second": rows / seconds, "seconds": seconds, "cpu_seconds": used}


async def hammer(process: Process, path: str, headers: dict[str, str], count: int, connections: int = 16) -> Any:
    """Ask for something small again and again by some connections at once."""
    head = "".join(f"{name}: {value}\r\n" for name, value in {**process.headers, **headers}.items())
    request = f"GET {path} HTTP/1.1\r\nHost: x\r\n{head}\r\n".encode()
    statuses: set[bytes] = set()

    async def one(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", process.port)
        for _ in range(number):
            writer.write(request)
            answer = await reader.readuntil(b"\r\n\r\n")
            statuses.add(answer.split(b" ", 2)[1])
            length = next((line for line in answer.lower().split(b"\r\n") if line.startswith(b"content-length")), b":0")
            await reader.readexactly(int(length.partition(b":")[2]))
        writer.close()

    cpu, start = process.cpu, time.perf_counter()
    await asyncio.gather(*(one(count // connections) for _ in range(connections)))
    seconds = time.perf_counter() - start
    done = count // connections * connections
    return {
        "statuses": sorted(status.decode() for status in statuses),
        "per_second": done / seconds,
        "per_cpu_second_of_the_server": done / (process.cpu - cpu),
    }


def median(measured: Callable[[], dict[str, Any]], rounds: int) -> dict[str, Any]:
    """The round in the middle by its seconds, and the seconds of all."""
    found = sorted((measured() for _ in range(rounds)), key=lambda one: one["seconds"])
    return {**found[len(found) // 2], "all_seconds": [round(one["seconds"], 4) for one in found]}


def post(process: Process, path: str, body: bytes, kind: str) -> dict[str, Any]:
    """Post some records once."""
    headers = {**process.headers, "Content-Type": kind}
    cpu, start = process.cpu, time.perf_counter()
    request = urllib.request.Request(f"http://127.0.0.1:{process.port}{path}", body, headers, method="POST")
    with urllib.request.urlopen(request, timeout=600) as answer:
        answer.read()
    return {"seconds": time.perf_counter() - start, "cpu_seconds": process.cpu - cpu}


def posts(process: Process, url: str, path: str, form: str, rounds: int) -> dict[str, Any]:
    """Post many records, after one alone, as reading begins with one row; and with the disks at rest."""
    one, many = (records(form, count) for count in (1, _POSTED))
    fair_start(url)
    post(process, path, one, _MEDIA[form])
    return median(lambda: post(process, path, many, _MEDIA[form]), rounds)


def pages(process: Process, url: str, home: Path, rows: int, rounds: int) -> dict[str, float]:
    """Milliseconds of a page of 1,000 rows at the beginning and at the end."""
    source = find_source("streams")
    selection = parse_parameters(source_relations(source)[0], [("limit", "1000")])
    [(last,)] = sql(url, f"SELECT id::text FROM warehouse.streams ORDER BY id OFFSET {rows - 1001} LIMIT 1")
    secret = KeyRing([(home / "secret_key").read_text()]).derive("cursors")
    end = write_cursor(selection, [DAY.isoformat(), last], secret)
    paths = {"beginning": f"{ROWS}?limit=1000", "end": f"{ROWS}?limit=1000&cursor={end}"}
    times: dict[str, list[float]] = {name: [] for name in paths}
    for _ in range(rounds * 10):
        for name, path in paths.items():  # in turn, so that what else the machine does is the same for both
            start = time.perf_counter()
            process.get(path)
            times[name].append((time.perf_counter() - start) * 1000)
    return {name: statistics.median(of_page) for name, of_page in times.items()}


def load(url: str, home: Path, rows: int) -> None:
    """Sessions of one day, and an answer of a month."""
    source = find_source("streams")
    assert isinstance(source, Events)
    write_streams(home / "streams.csv", rows)
    times = [pl.col(name).str.to_datetime("%Y-%m-%dT%H:%M:%S%.3f%z", time_unit="us") for name in ("start_at", "end_at")]
    lake = pl.scan_csv(home / "streams.csv").with_columns(
        *times,
        position=pl.int_range(pl.len()),
        object=pl.lit("landing/streams/a.csv"),
        delivery_day=pl.lit(DAY),
        delivery=pl.lit(1, pl.Int64),
        event_date=pl.lit(DAY),
    )
    with connect(url) as connection:
        load_day(connection, source, lake.collect().lazy(), 1, DAY, "UTC")
        for number in range(30):
            day = DAY + timedelta(days=number)
            answer = pl.DataFrame({"day": [day], "users": [number]})
            load_answer(connection, "engaged_users", "day", day, answer, {"streams": 1})


@contextmanager
def running(kind: str, url: str, home: Path, key: str) -> Iterator[Process]:
    """A server until the block ends."""
    environment = {"DATABASE_URL": url, "DATAFLOW_HOME": str(home), "DATAFLOW_REQUESTS_PER_MINUTE": "100000000"}
    process = Process(kind, environment, key)
    try:
        yield process
    finally:
        process.stop()


def main() -> None:
    """Measure all of it, and print JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--requests", type=int, default=8000)
    parser.add_argument("--memory-only", action="store_true", help="read each format, and nothing else")
    parser.add_argument("--serve", choices=["ours", "orm", "datasette"])
    parser.add_argument("--port", type=int, default=0)
    given = parser.parse_args()
    if given.serve:
        serve(given.serve, given.port)
        return
    result: dict[str, Any] = {"rows": given.rows}
    with server() as (home, url):
        upgrade(url)
        load(url, home, given.rows)
        with connect(url) as connection:
            add_user(connection, "analyst", None, Role.WRITER, None)
        with connect(url) as connection:
            key = add_key(connection, "analyst", None, datetime.now(UTC) + timedelta(days=1))
        result["copy binary"] = median(lambda: copy_to_file(url, home, given.rows), given.rounds)
        with running("ours", url, home, key) as ours:
            ours.get(f"{ROWS}?limit=1")
            result["idle MiB"] = ours.memory("VmRSS")
            for form in FORMATS:
                path = f"{ROWS}?format={form}"
                result[form] = median(lambda path=path: measure(ours, path, given.rows), given.rounds)  # type: ignore[misc]
                result[form]["mib_over_idle"] = ours.memory("VmHWM") - result["idle MiB"]
            if given.memory_only:
                print(json.dumps(result, indent=2, default=str))  # noqa: T201
                return
            result["page, ms"] = pages(ours, url, home, given.rows, given.rounds)
            answer = "/v1/answers/engaged_users"
            request = urllib.request.Request(f"http://127.0.0.1:{ours.port}{answer}", headers=ours.headers)
            with urllib.request.urlopen(request) as found:
                tag = found.headers["ETag"]
            result["kept answer"] = asyncio.run(hammer(ours, answer, {}, given.requests))
            result["POST"] = posts(ours, url, "/v1/sources/streams/records", "csv", given.rounds)
            result["304"] = asyncio.run(hammer(ours, answer, {"If-None-Match": tag}, given.requests))
        with running("orm", url, home, key) as orm:
            orm.get("/rows?limit=1")
            rows = min(_FEWER_ROWS, given.rows)
            result["ORM"] = median(lambda: measure(orm, f"/rows?limit={rows}", rows), given.rounds)
            result["ORM, POST"] = posts(orm, url, "/rows", "json", given.rounds)
        write_sqlite(url, home, rows)
        with running("datasette", url, home, key) as datasette:
            path = "/rows/streams.csv?_stream=on"
            result["Datasette, CSV"] = median(lambda: measure(datasette, path, rows), given.rounds)
    print(json.dumps(result, indent=2, default=str))  # noqa: T201


if __name__ == "__main__":
    main()
