"""Files by SFTP: how many a second land, beside paramiko and dlt; and how long a look takes that finds nothing new.

    python -m benchmarks.collect --files 1000 --known 10000 --rounds 3

Ours lands each file and records it; paramiko only copies it to a folder, and dlt's filesystem source only reads it,
over one connection, one after the other. dlt gets a tenth of the files. Prints figures as JSON.

Here: the contestants. Not here: the server (see `openssh`).
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import paramiko  # this and dlt: of the group `bench`
from dlt.common.configuration.specs import SFTPCredentials
from dlt.sources.filesystem import filesystem

from benchmarks import common
from benchmarks.openssh import OpenSsh, open_ssh
from dataflow_assets.landing.storage import open_folder
from dataflow_assets.sources.base import Source
from dataflow_assets.sources.origins import Sftp
from dataflow_assets_tests.collectors.builders import Platform, arriving, write

_SIZE = 100_000  # bytes of a file


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


def paramiko_copies(server: OpenSsh, remote: Path, files: int) -> None:
    """Copy every file to a folder."""
    with tempfile.TemporaryDirectory() as folder:
        transport = paramiko.Transport(("127.0.0.1", server.port))
        transport.connect(username=server.user, pkey=paramiko.Ed25519Key.from_private_key_file(server.key_file))
        client = paramiko.SFTPClient.from_transport(transport)
        assert client
        names = [entry.filename for entry in client.listdir_attr(str(remote))]
        for name in names:
            client.get(f"{remote}/{name}", str(Path(folder, name)))
        transport.close()
        assert len(names) == files


def dlt_reads(server: OpenSsh, remote: Path, files: int) -> None:
    """Read the first files, and keep nothing of them."""
    login = SFTPCredentials(
        sftp_username=server.user, sftp_key_filename=server.key_file, sftp_port=server.port, sftp_allow_agent=False
    )
    found = filesystem(bucket_url=f"sftp://127.0.0.1{remote}", credentials=login, file_glob="*.csv")
    sizes = [len(item.read_bytes()) for item in islice(found, files)]
    assert sizes == [_SIZE] * files


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


def source_of(server: OpenSsh, folder: Path) -> Source:
    """Streams that arrive from a folder."""
    return arriving(
        Sftp(
            host="127.0.0.1",
            port=server.port,
            user=server.user,
            folder=str(folder),
            pattern="*.csv",
            host_key=server.host_key,
            key_file=server.key_file,
        )
    )


def run(files: int, known: int, rounds: int) -> dict[str, Any]:
    """All figures, the contestants in turn."""
    with common.server() as (home, url), tempfile.TemporaryDirectory() as remote, open_ssh() as server:
        common.empty_warehouse(url)
        new, old = Path(remote, "files"), Path(remote, "known")
        for number in range(files):
            write(new, f"{number}.csv", os.urandom(_SIZE))
        for number in range(known):
            write(old, f"{number}.csv", b"x")
        Path(remote).chmod(0o755)
        rates: dict[str, list[Rate]] = {"ours": [], "paramiko": [], "dlt": []}
        for number in range(rounds):
            platform = Platform(open_folder(home / f"home{number}"), url, date(2021, 12, 10))
            common.sql(url, "TRUNCATE ledger.collected")
            common.fair_start(url, *new.iterdir())
            with rated(files, rates["ours"]):
                ours(platform, source_of(server, new), files)
            common.fair_start(url)
            with rated(files, rates["paramiko"]):
                paramiko_copies(server, new, files)
            with rated(files // 10, rates["dlt"]):
                dlt_reads(server, new, files // 10)
        looks = looks_at(platform, source_of(server, old), url)
    medians = {name: statistics.median(rate.per_second for rate in found) for name, found in rates.items()}
    return {
        "files": files,
        "files_per_second": medians,
        "ours / the better one": round(medians["ours"] / max(medians["paramiko"], medians["dlt"]), 2),
        "rounds": {name: [rate._asdict() for rate in found] for name, found in rates.items()},
        "known_files": known,
        "seconds_of_a_look": [seconds for seconds, _ in looks],
        "processor_seconds_of_a_look": [used for _, used in looks],
    }


def looks_at(platform: Platform, source: Source, url: str) -> list[tuple[float, float]]:
    """Some looks at a folder of which everything is known."""
    know_all(platform, source)
    common.sql(url, "ANALYZE ledger.collected")
    return [look(platform, source) for _ in range(5)]


def main() -> None:
    """Run and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--known", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    sys.stdout.write(json.dumps(run(**vars(parser.parse_args())), indent=2) + "\n")


if __name__ == "__main__":
    main()
