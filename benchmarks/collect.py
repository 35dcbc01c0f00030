"""Files by SFTP: how many a second land, beside paramiko; and how long a look takes that finds nothing new.

    python -m benchmarks.collect --files 1000 --known 10000 --rounds 3

The server is a process of its own. Ours lands each file and records it; paramiko only copies it to a folder, over one
connection, one after the other. Prints figures as JSON.

Here: the contestants. Not here: the server (see the tests).
"""

import argparse
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import asyncssh

from benchmarks import common
from dataflow_assets.landing.storage import open_folder
from dataflow_assets.sources.base import Source
from dataflow_assets_tests.collectors import sftp_server, sftp_source
from dataflow_assets_tests.collectors.builders import Platform, write

_SIZE = 100_000  # bytes of a file


def serve(folder: Path, key: bytes, pipe: Any) -> None:
    """Serve a folder until the other end hangs up; tells the port, and then how many folders were listed."""
    server = sftp_server.SftpServer(folder, asyncssh.import_private_key(key))
    with sftp_server.serve_this(server):
        pipe.send(server.port)
        while pipe.recv():
            pipe.send(sum(what == "list" for what, _ in server.asked))


class Rate(NamedTuple):
    """Files a second, and files in each second of this process's processor time."""

    per_second: float
    per_processor_second: float


@contextmanager
def rated(files: int, rates: list[Rate]) -> Iterator[None]:
    """Add how fast the block was at so many files."""
    start, used = time.perf_counter(), time.process_time()
    yield
    seconds, processor = time.perf_counter() - start, time.process_time() - used
    rates.append(Rate(round(files / seconds, 1), round(files / processor, 1)))


def ours(platform: Platform, source: Source, files: int) -> None:
    """Land every file."""
    report = platform.collect(source)
    assert len(report.landed) == files, report


def paramiko_copies(port: int, files: int) -> None:
    """Copy every file to a folder."""
    import paramiko  # noqa: PLC0415, of the group `bench`

    with tempfile.TemporaryDirectory() as folder:
        transport = paramiko.Transport(("127.0.0.1", port))
        transport.connect(username=sftp_server.USER, password=sftp_server.PASSWORD)
        client = paramiko.SFTPClient.from_transport(transport)
        assert client
        names = [entry.filename for entry in client.listdir_attr("/files")]
        for name in names:
            client.get(f"/files/{name}", str(Path(folder, name)))
        transport.close()
        assert len(names) == files


def look(platform: Platform, source: Source) -> tuple[float, float]:
    """The seconds of a look that finds nothing new, and those of them in which this process used a processor."""
    start, used = time.perf_counter(), time.process_time()
    assert platform.new(source) == []
    return round(time.perf_counter() - start, 2), round(time.process_time() - used, 2)


def know_all(platform: Platform, source: Source) -> None:
    """Record every file there as landed, which none of them is."""
    found = platform.collecting.find_new(source, platform.record(source))
    record = platform.record(source)
    record.claim({remote.path: (day, remote.path) for day, remote in found})
    record.confirm({remote.path: remote.version for _, remote in found})


def run(files: int, known: int, rounds: int) -> dict[str, Any]:
    """All figures, the contestants in turn."""
    os.environ[sftp_server.VARIABLE] = sftp_server.PASSWORD
    key = asyncssh.generate_private_key("ssh-ed25519")
    with common.server() as (home, url):
        common.empty_warehouse(url)
        remote = home / "remote"
        for number in range(files):
            write(remote, f"files/{number}.csv", os.urandom(_SIZE))
        for number in range(known):
            write(remote, f"known/{number}.csv", b"x")
        context = multiprocessing.get_context("spawn")
        pipe, theirs = context.Pipe()
        context.Process(target=serve, args=(remote, key.export_private_key(), theirs), daemon=True).start()
        server = sftp_server.SftpServer(remote, key, port=pipe.recv())
        rates: dict[str, list[Rate]] = {"ours": [], "paramiko": []}
        for number in range(rounds):
            platform = Platform(open_folder(home / f"home{number}"), url, date(2021, 12, 10))
            common.sql(url, "TRUNCATE ledger.collected")
            common.fair_start(url, *(remote / "files").iterdir())
            with rated(files, rates["ours"]):
                ours(platform, sftp_source.source_at(server, folder="/files"), files)
            common.fair_start(url)
            with rated(files, rates["paramiko"]):
                paramiko_copies(server.port, files)
        source = sftp_source.source_at(server, folder="/known")
        know_all(platform, source)
        common.sql(url, "ANALYZE ledger.collected")
        lists = _lists(pipe)
        looks = [look(platform, source) for _ in range(5)]
        listed = (_lists(pipe) - lists) / len(looks)
        pipe.send(False)
    medians = {name: statistics.median(rate.per_second for rate in found) for name, found in rates.items()}
    return {
        "files": files,
        "files_per_second": medians,
        "ours / paramiko": round(medians["ours"] / medians["paramiko"], 2),
        "rounds": {name: [rate._asdict() for rate in found] for name, found in rates.items()},
        "known_files": known,
        "seconds_of_a_look": [seconds for seconds, _ in looks],
        "processor_seconds_of_a_look": [used for _, used in looks],
        "listings_of_a_look": listed,
    }


def _lists(pipe: Any) -> int:
    pipe.send(True)
    return int(pipe.recv())


def main() -> None:
    """Run and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--known", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    sys.stdout.write(json.dumps(run(**vars(parser.parse_args())), indent=2) + "\n")


if __name__ == "__main__":
    main()
