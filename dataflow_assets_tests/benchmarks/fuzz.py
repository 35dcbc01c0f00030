"""Files damaged at random, read by every reader: none may crash, hang, or keep memory.

    python -m dataflow_assets_tests.benchmarks.fuzz --minutes 10

A process reads valid files that were damaged in a few places; it is started again where it dies or takes too long over
a file. Prints figures as JSON; ends with 1 where it crashed or hung, or where a CSV file's sum does not hold. The
numbers of those files are given: `--reader csv --first NUMBER --files 1` reads one again.

Here: the readers, the damage, and the figures. Not here: what each damage must give (see `lake/test_damage.py`).
"""

import argparse
import csv
import io
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dataflow_assets.errors import FormatError
from dataflow_assets.lake.reading import read_file
from dataflow_assets.sources import Source, find_source
from dataflow_assets_tests.benchmarks.memory import peak_rss_mib
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
    """A reader to be tried: a source that has it, and how valid files of some rows are made."""

    source: Source
    valid: Callable[[random.Random, int], bytes]


def _csv(chance: random.Random, rows: int) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator=chance.choice(["\n", "\r\n"]))
    writer.writerow(["movie_title", "user_email", "size_mb", "start_at", "end_at"])
    titles = ["Heat", 'The "Heat"', "Heat,\nPart 2", "Été"]
    for number in range(rows):
        day = f"2021-12-{number % 28 + 1:02}T"
        times = (f"{day}{number % 24:02}:00:00.000+0100", f"{day}23:59:59.999+0100")
        writer.writerow([chance.choice(titles), f"user{number}@x.example", number / 8, *times])
    return text.getvalue().encode()


def _json(chance: random.Random, rows: int) -> bytes:
    reviews = [
        {
            "content": {"text": chance.choice(["Good.", 'So "so".', "Été\n", ""])},
            "rating": {"rate": number % 6, "label": chance.choice(["ONE", None])},
            "movies": [{"id": 0, "title": f"Movie {number}"}, {"id": 0, "title": "end"}],
            "books": [{"metadata": {"title": f"Book {number}"}}],
            "created": "2021-12-01T10:00:00.000+0100",
        }
        for number in range(rows)
    ]
    return json.dumps(reviews, indent=chance.choice([None, 4]), ensure_ascii=chance.random() < 0.5).encode()


READERS: Mapping[str, Reader] = {
    "csv": Reader(find_source("streams"), _csv),
    "json": Reader(find_source("reviews"), _json),
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
    """Read so many damaged files; what became of them, and the most memory that this process had so far."""
    found: Counter[str] = Counter()
    uneven, slowest = [], 0.0
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        path = Path(folder, f"file{READERS[reader].source.reader.suffix}")
        for number in range(first, first + files):
            path.write_bytes(damaged_file(reader, number))
            report(str(number))
            start = time.perf_counter()
            outcome = _outcome(path, READERS[reader].source)
            slowest = max(slowest, time.perf_counter() - start)
            found[outcome] += 1
            uneven += [number] if outcome == "uneven" else []
    return {"outcomes": found, "uneven": uneven, "slowest": slowest, "peak_rss_mib": peak_rss_mib()}


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
                self.memory.append(found["peak_rss_mib"])
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
            "peak_rss_mib_at_start": self.memory[0] if self.memory else None,
            "peak_rss_mib_at_end": self.memory[-1] if self.memory else None,
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
    sys.exit(any(trial.crashes or trial.hangs or (trial.reader == "csv" and trial.uneven) for trial in trials))


if __name__ == "__main__":
    main()
