"""A made-up month of deliveries of all six sources, with the faults that deliveries have, and what it has to end in.

Here: which files there are, in which versions and in what order, as a function of a seed; and all that a platform says
in the end, to be compared. Not here: delivering them, and what a row looks like (see `landing.sample`).
"""

import csv
import io
import json
import random
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from dataflow_assets.analytics import all_answers
from dataflow_assets.analytics.questions import answer_questions, parse_questions
from dataflow_assets.sample_data import write_sample
from dataflow_assets.sources import all_sources
from dataflow_assets.warehouse.bootstrap import open_warehouse
from dataflow_assets.warehouse.scan import read_tables
from dataflow_assets_tests.loading import Landed
from dataflow_assets_tests.orchestration.builders import Platform

FIRST = date(2021, 12, 1)
_DAYS = 31
_STREAMS_A_DAY = 100
_REJECTED = 150  # rows, more than a source allows

Row = Any  # the fields of a line of CSV, or an object of JSON
Object = list[Landed]  # the versions of one object, in order

# What a row of a snapshot says from some day on.
_CHANGES: dict[str, Callable[[Row], Row]] = {
    "movies": lambda row: [row[0], str(int(row[1]) + 70), *row[2:]],
    "users": lambda row: [row[0], f"{row[1]}-Berg", row[2]],
    "authors": lambda row: row | {"nationalities": [{"id": None, "label": "Danes", "slug": "danes"}]},
    "books": lambda row: row | {"author": "An Unlisted Author"},
    "reviews": lambda row: row | {"books": []},
}
# What may be wrong with an object, as often as all the others; of the rest nothing is.
_FAULTS = ("missing", "doubled", "twin", "changed", "broken", "repaired", "cut", "completed", "rejected")


def month(days: int = _DAYS, seed: int = 0) -> list[Object]:
    """The objects of the first days of a month, each in all of its versions.

    - `missing`: it never comes;
    - `doubled`: the same bytes come again; `twin`: also under another name;
    - `changed`: first it has other rows, of events on other days too, some of which no other object has;
    - `broken`: it cannot be read; `repaired`: then it can;
    - `cut`: most of its rows are missing, so that of a snapshot it is quarantined; `completed`: then they are there;
    - `rejected`: too many of its rows are rejected, so that it is quarantined, and then they are not.
    """
    rng = random.Random(f"{days}.{seed}")
    sources = sorted(source.name for source in all_sources())
    faults = [*_FAULTS] * max(1, len(sources) * days // 25)
    faults += ["none"] * (len(sources) * days - len(faults))
    rng.shuffle(faults)
    rows = {name: _by_day(name, read, days, rng) for name, read in _sample(seed).items()}
    return [
        made
        for name in sources
        for number in range(days)
        for made in _objects(name, number, rows[name], faults.pop(), rng)
        if made
    ]


def in_order(objects: Iterable[Object]) -> Iterator[list[Landed]]:
    """The last version of each object, those of one day together, from the first day on."""
    last = [versions[-1] for versions in objects]
    for day in sorted({file.day for file in last}):
        yield [file for file in last if file.day == day]


def shuffled(objects: Sequence[Object], waves: int, seed: int = 0) -> list[list[Landed]]:
    """All versions, in some waves, each of them in any order; versions of one object in their own, a wave for each."""
    rng = random.Random(f"order {seed}")
    found: list[list[Landed]] = [[] for _ in range(waves)]
    for versions in objects:
        for wave, file in zip(sorted(rng.sample(range(waves), len(versions))), versions, strict=True):
            found[wave].append(file)
    for of_wave in found:
        rng.shuffle(of_wave)
    return found


def _sample(seed: int) -> dict[str, list[Row]]:
    """The rows of each source, without headers."""
    with tempfile.TemporaryDirectory() as folder:
        made = write_sample(Path(folder), streams=_DAYS * _STREAMS_A_DAY, seed=seed)
        return {name: _read(path) for name, path in made.files.items()}


def _read(path: Path) -> list[Row]:
    text = path.read_text("utf-8")
    rows: list[Row] = json.loads(text) if path.suffix == ".json" else list(csv.reader(io.StringIO(text)))[1:]
    return rows


def _by_day(name: str, rows: list[Row], days: int, rng: random.Random) -> list[list[Row]]:
    """The rows of the object of each day."""
    found: list[list[Row]] = [[] for _ in range(days)]
    for row in rows:
        for number, told in _sessions(row, days, rng) if name == "streams" else _life(name, row, days, rng):
            found[number].append(told)
    return found


def _life(name: str, row: Row, days: int, rng: random.Random) -> Iterator[tuple[int, Row]]:
    """What a snapshot says of a row, and on which days: it may change, for a while too, and be gone for some days."""
    changed, changed_back, gone, back = (rng.randrange(4 * days) for _ in range(4))
    for number in range(days):
        if not gone <= number < back:
            yield number, _CHANGES[name](row) if changed <= number < changed_back else row


def _sessions(row: Row, days: int, rng: random.Random) -> Iterator[tuple[int, Row]]:
    """On which days a session is delivered: on its own or a little later, and sometimes once more, corrected."""
    number = rng.randrange(days)
    with suppress(ValueError, IndexError):
        number = (date.fromisoformat(row[3][:10]) - FIRST).days + rng.choice([0] * 9 + [1])
    if 0 <= number < days:
        yield number, row
        if rng.random() < 0.05 and len(row) == 5:
            yield rng.randrange(number, days), [*row[:2], "7.5", *row[3:]]


def _objects(name: str, number: int, by_day: list[list[Row]], fault: str, rng: random.Random) -> Iterator[Object]:
    """The objects of a source and a day, in their versions."""
    rows = by_day[number]
    whole = _text(name, rows)
    cut, broken = _text(name, rows[: len(rows) // 4]), whole[: len(whole) // 2].replace("\n", "#") + '"'
    versions = {
        "missing": [],
        "doubled": [whole, whole],
        "changed": [_text(name, _others(name, by_day, rng)), whole],
        "broken": [broken],
        "repaired": [broken, whole],
        "cut": [cut],
        "completed": [cut, whole],
        "rejected": [_text(name, [*rows[:20], *[["?"] if isinstance(rows[0], list) else {}] * _REJECTED]), whole],
    }.get(fault, [whole])
    file = f"{name}{'.csv' if isinstance(rows[0], list) else '.json'}"
    names = [file, f"again-{file}"] if fault == "twin" else [file]
    for each in names:
        yield [Landed(name, FIRST + timedelta(days=number), each, text) for text in versions]


def _others(name: str, by_day: list[list[Row]], rng: random.Random) -> list[Row]:
    """The rows of another day, some of them dropped; of events also some of the month before."""
    rows = [row for row in rng.choice(by_day) if rng.random() < 0.9]
    if name == "streams":
        rows += [[text.replace("2021-12", "2021-11") for text in row] for row in rows[:3]]
    return rows


def _text(name: str, rows: Sequence[Row]) -> str:
    if rows and not isinstance(rows[0], list):
        return json.dumps(rows)
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerows([_HEADERS[name], *rows])
    return file.getvalue()


_HEADERS = {
    "movies": ["title", "duration_mins", "original_language", "size_mb"],
    "users": ["first_name", "last_name", "email"],
    "streams": ["movie_title", "user_email", "size_mb", "start_at", "end_at"],
}

# What of the records follows from the landed objects alone, and not from the order of runs.
_RECORDS = {
    "ledger.event_days WHERE rows > 0": "source, event_day, declaration, accepted, rows, superseded",
    "ledger.snapshots": "source, newest_day",
    "ledger.deliveries WHERE state <> 'superseded'": (
        "source, day, object, delivery, size, state, refusal, delivered, accepted, rejected, event_days::text, "
        "repaired::text, undeclared_columns, missing_columns, quarantine_reason"
    ),
    "ledger.rejects": "source, day, object, delivery, line, code, message, raw",
}


def outcome(platform: Platform) -> dict[str, Any]:
    """All that a platform says in the end: every table that people query, records, published answers, the questions."""
    settings = platform.settings
    found: dict[str, Any] = dict(platform.tables())
    for table, columns in _RECORDS.items():
        found[table.split()[0]] = platform.query(f"SELECT * FROM (SELECT {columns} FROM {table}) AS t ORDER BY t::text")
    for answer in all_answers():
        found[f"published.{answer.name}"] = sorted(platform.published(f"FROM published.{answer.name}"))
    tables = read_tables(open_warehouse(settings), all_sources(), settings.timezone)
    found["the questions"] = answer_questions(tables, parse_questions(settings.timezone, {}))
    return found
