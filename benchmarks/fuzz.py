"""Files damaged at random, read by every reader: none may crash, hang, or keep memory.

    python -m benchmarks.fuzz --minutes 10

A process reads valid files that were damaged in a few places; it is started again where it dies or takes too long over
a file. Prints figures as JSON; ends with 1 where it crashed or hung, or where a file's sum does not hold. The
numbers of those files are given: `--reader csv --first NUMBER --files 1` reads one again.

Here: the readers, the damage, and the figures. Not here: what each damage must give (see `lake/test_damage.py`).
"""

import argparse
import csv
import gzip
import io
import json
import random
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import fastavro
import openpyxl
import polars as pl

from benchmarks.memory import peak_rss_mib, rss_mib
from dataflow_assets.errors import FormatError
from dataflow_assets.lake.readers import read_file
from dataflow_assets.sources import Source, find_source
from dataflow_assets.sources.formats import Avro, Csv, Excel, FixedWidth, Json, Parquet
from dataflow_assets_tests.loading import Report, Worker, WorkerError

_FILES = 100  # that a process is given at once
_SECONDS = 60.0  # that they may take beyond what is usual for one
_PIECES = [
    b'"',
    b'""',
    b",",
    b";",
    b"\t",
    b"\n",
    b"\r",
    b"\r\n",
    b"\0",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"{",
    b"}",
    b"[",
]
_PIECES += [b"]", b":", b"null", b"NaN", b"1e999", b"-", b" ", b"\xff", b"\xc3", b"\xef\xbb\xbf", b"\xed\xa0\x80"]


@dataclass(frozen=True)
class Reader:
    """A reader to be tried: a source that has it, how valid files of some rows are made, and how their names end."""

    source: Source
    valid: Callable[[random.Random, int], bytes]
    packing: str = ""

    @property
    def file_name(self) -> str:
        """The name of such a file."""
        return f"file{self.source.reader.suffix}{self.packing}"


def _csv(chance: random.Random, rows: int, escape: str | None = None) -> bytes:
    text = io.StringIO()
    end = chance.choice(["\n", "\r\n"])
    writer = csv.writer(text, lineterminator=end, escapechar=escape, doublequote=escape is None)
    writer.writerow(["movie_title", "user_email", "size_mb", "start_at", "end_at"])
    titles = ["Heat", 'The "Heat"', "Heat,\nPart 2", "Été"]
    for number in range(rows):
        day = f"2021-12-{number % 28 + 1:02}T"
        times = (f"{day}{number % 24:02}:00:00.000+0100", f"{day}23:59:59.999+0100")
        writer.writerow([chance.choice(titles), f"user{number}@x.example", number / 8, *times])
    return text.getvalue().encode()


def _reviews(chance: random.Random, rows: int) -> list[dict[str, Any]]:
    return [
        {
            "content": {"text": chance.choice(["Good.", 'So "so".', "Été\n", ""])},
            "rating": {"rate": number % 6, "label": chance.choice(["ONE", None])},
            "movies": [{"id": 0, "title": f"Movie {number}"}, {"id": 0, "title": "end"}],
            "books": [{"metadata": {"title": f"Book {number}"}}],
            "created": "2021-12-01T10:00:00.000+0100",
        }
        for number in range(rows)
    ]


def _json(chance: random.Random, rows: int) -> bytes:
    text = json.dumps(_reviews(chance, rows), indent=chance.choice([None, 4]), ensure_ascii=chance.random() < 0.5)
    return text.encode()


def _json_lines(chance: random.Random, rows: int) -> bytes:
    return "".join(json.dumps(review) + "\n" for review in _reviews(chance, rows)).encode()


def _parquet(chance: random.Random, rows: int) -> bytes:
    written = io.BytesIO()
    columns = {"title": "Movie ", "original_language": "Language "}
    numbers = pl.int_range(rows, eager=True).alias("number").to_frame()
    numbers.select(
        **{name: pl.format(text + "{}", "number") for name, text in columns.items()},
        duration_mins=pl.col("number") + 1,
        size_mb=pl.col("number") / 8,
    ).write_parquet(written, compression=chance.choice(["snappy", "zstd", "uncompressed"]), row_group_size=100)
    return written.getvalue()


def _gzipped(chance: random.Random, rows: int) -> bytes:
    return gzip.compress(_csv(chance, rows), mtime=0)


def _zipped(chance: random.Random, rows: int) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(chance.randint(1, 3)):
            archive.writestr(zipfile.ZipInfo(f"{number}.csv"), _csv(chance, rows))
    return written.getvalue()


def _escaped(chance: random.Random, rows: int) -> bytes:
    return _csv(chance, rows, "\\")


def _in_utf_16(chance: random.Random, rows: int) -> bytes:
    return _csv(chance, rows).decode().encode("utf-16")


def _movies(rows: int) -> list[dict[str, Any]]:
    return [
        {"title": f"Movie {number}", "duration_mins": number + 1, "original_language": "en", "size_mb": number / 8}
        for number in range(rows)
    ]


def _avro(chance: random.Random, rows: int) -> bytes:
    written = io.BytesIO()
    kinds = {"title": "string", "duration_mins": "long", "original_language": ["null", "string"], "size_mb": "double"}
    fields = [{"name": name, "type": kind} for name, kind in kinds.items()]
    schema = {"type": "record", "name": "movie", "fields": fields}
    codec = chance.choice(["null", "deflate", "snappy", "zstandard", "bzip2", "xz"])
    fastavro.writer(written, schema, _movies(rows), codec=codec, sync_interval=1000)
    return written.getvalue()


def _workbook(_: random.Random, rows: int) -> bytes:
    """Not packed, so that the damage reaches the XML."""
    written, plain, book = io.BytesIO(), io.BytesIO(), openpyxl.Workbook()
    assert book.active
    book.active.append(find_source("movies").schema.column_names())
    for movie in _movies(min(rows, 200)):
        book.active.append(list(movie.values()))
    book.save(written)
    with zipfile.ZipFile(written) as packed, zipfile.ZipFile(plain, "w") as archive:
        for info in packed.infolist():
            archive.writestr(zipfile.ZipInfo(info.filename), packed.read(info))
    return plain.getvalue()


def _fixed_width(_: random.Random, rows: int) -> bytes:
    return "".join("{:<20}{:>8}{:>4}{:>12}\n".format(*movie.values()) for movie in _movies(rows)).encode()


_WIDTHS = {"title": 20, "duration_mins": 8, "original_language": 4, "size_mb": 12}
_STREAMS, _REVIEWS = find_source("streams"), find_source("reviews")
assert isinstance(_REVIEWS.reader, Json)

READERS: Mapping[str, Reader] = {
    "csv": Reader(_STREAMS, _csv),
    "csv-escaped": Reader(replace(_STREAMS, reader=Csv(escape="\\")), _escaped),
    "csv-utf-16": Reader(replace(_STREAMS, reader=Csv(encoding="utf-16")), _in_utf_16),
    "csv-gzip": Reader(_STREAMS, _gzipped, ".gz"),
    "csv-zip": Reader(_STREAMS, _zipped, ".zip"),
    "json": Reader(_REVIEWS, _json),
    "json-lines": Reader(replace(_REVIEWS, reader=replace(_REVIEWS.reader, lines=True)), _json_lines),
    "parquet": Reader(replace(find_source("movies"), reader=Parquet()), _parquet),
    "avro": Reader(replace(find_source("movies"), reader=Avro()), _avro),
    "workbook": Reader(replace(find_source("movies"), reader=Excel()), _workbook),
    "fixed-width": Reader(replace(find_source("movies"), reader=FixedWidth(widths=_WIDTHS)), _fixed_width),
}


def damaged_file(reader: str, number: int) -> bytes:
    """The file of that number: valid, then damaged in one to six places; the same bytes for the same number."""
    chance = random.Random(f"{reader} {number}")
    rows = 20_000 if number % 200 == 0 else chance.randrange(40)
    content = bytearray(READERS[reader].valid(chance, rows))
    for _ in range(chance.randint(1, 6)):
        start = chance.randrange(len(content) + 1)
        stop = start + chance.choice([0, 0, 1, 1, 2, 10, 100, 10_000])
        match chance.randrange(4):
            case 0:
                content[start:stop] = chance.choice(_PIECES)
            case 1:
                content[start:stop] = chance.randbytes(chance.randrange(8))
            case 2:
                content[start:start] = content[start:stop] * chance.choice([1, 1, 1000 // (stop - start + 1)])
            case 3:
                content[start:start] = chance.choice(_PIECES) * chance.choice([1, 3, 1000])
    return bytes(content)


def read_files(report: Report, reader: str, first: int, files: int) -> dict[str, Any]:
    """Read so many damaged files; what became of them, and how much memory this process has then, and had at most."""
    found: Counter[str] = Counter()
    uneven, slowest = [], 0.0
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        path = Path(folder, READERS[reader].file_name)
        for number in range(first, first + files):
            path.write_bytes(damaged_file(reader, number))
            report(str(number))
            start = time.perf_counter()
            outcome = _outcome(path, READERS[reader].source)
            slowest = max(slowest, time.perf_counter() - start)
            found[outcome] += 1
            uneven += [number] if outcome == "uneven" else []
    memory = {"memory": rss_mib(), "most_memory": peak_rss_mib()}
    return {"outcomes": found, "uneven": uneven, "slowest": slowest, **memory}


def _outcome(path: Path, source: Source) -> str:
    """Whether a file was read or refused, or is refused because the sum does not hold."""
    delivered = given = 0
    try:
        for batch in read_file(path, source).batches:
            delivered += batch.delivered
            given += batch.rows.height + len(batch.rejects)
    except FormatError:
        return "refused"
    return "read" if delivered == given else "uneven"


@dataclass
class Trial:
    """What was found of one reader."""

    reader: str
    next_file: int
    worker: Worker = field(default_factory=Worker)
    outcomes: Counter[str] = field(default_factory=Counter)
    crashes: list[dict[str, str]] = field(default_factory=list)
    hangs: list[str] = field(default_factory=list)
    uneven: list[int] = field(default_factory=list)
    slowest: float = 0.0
    memory: list[int] = field(default_factory=list)
    most_memory: int = 0

    def go_on(self, files: int = _FILES) -> None:
        """Read some more files."""
        self.worker.begin(read_files, self.reader, self.next_file, files)
        self.next_file += files
        if not self.worker.is_done(_SECONDS):
            self.hangs.append(self.worker.phase)
        else:
            try:
                found = self.worker.result()
            except WorkerError as error:
                self.crashes.append({"file": self.worker.phase, "error": str(error)[-2_000:]})
            else:
                self.outcomes += found["outcomes"]
                self.uneven += found["uneven"]
                self.slowest = max(self.slowest, found["slowest"])
                self.memory.append(found["memory"])
                self.most_memory = max(self.most_memory, found["most_memory"])
                return
        self.worker.kill()
        self.worker = Worker()

    @property
    def figures(self) -> dict[str, Any]:
        """Of the process's memory the first and the last figure count: a killed one began anew."""
        return {
            "files": sum(self.outcomes.values()),
            **self.outcomes,
            "crashes": self.crashes,
            "hangs": self.hangs,
            "files_whose_sum_does_not_hold": self.uneven,
            "slowest_seconds": round(self.slowest, 2),
            "rss_mib_at_start": self.memory[0] if self.memory else None,
            "rss_mib_at_end": self.memory[-1] if self.memory else None,
            "peak_rss_mib": self.most_memory,
        }


def main() -> None:
    """Read files of every reader in turn until the time is over, and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--reader", choices=READERS)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--files", type=int, help="of each reader; without it, as many as the time allows")
    wanted = parser.parse_args()
    trials = [Trial(reader, wanted.first) for reader in READERS if wanted.reader in (None, reader)]
    end = time.monotonic() + wanted.minutes * 60
    while time.monotonic() < end:
        for trial in trials:
            trial.go_on(wanted.files or _FILES)
        if wanted.files:
            break
    for trial in trials:
        trial.worker.kill()
    print(json.dumps({trial.reader: trial.figures for trial in trials}, indent=2))  # noqa: T201
    sys.exit(any(trial.crashes or trial.hangs or trial.uneven for trial in trials))


if __name__ == "__main__":
    main()
