"""Made-up deliveries of any size, in exactly the shapes that the real systems send.

Here: writing them, equal byte for byte for equal arguments, with a known number of broken rows. Not here:
landing them, and any knowledge of how rows are read.

Sessions are a function of the seed and their number alone, so they are computed in chunks by expressions,
and a larger sample begins with the rows of a smaller one.
"""

import csv
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from dataflow_assets.sample_sessions import FIRST_START, MONTH_MS, OFFSET, write_streams

MOVIES, USERS, AUTHORS, BOOKS, REVIEWS = 90, 800, 200, 100, 500
OUTAGE_MOVIE = "Unforgiven"
NATIONALITY, ITS_AUTHORS = "singaporeans", 3

_LAST_DAY = date(2021, 12, 31)

_ADJECTIVES = ("Amber", "Broken", "Crimson", "Distant", "Electric", "Gentle", "Hollow", "Idle", "Jagged", "Café")
_NOUNS = ("Lighthouse", "Orchard", "Signal", "Harbour", "Comet", "Ledger", "Meadow", "Engine", "Sparrow", "Tide")
_FIRST_NAMES = ("Alvo", "Brisa", "Corvin", "Dalia", "Edda", "Fenno", "Gisla", "Ilka", "Jorun", "Kelda", "Lorvo", "Nélo")
_SYLLABLES = ("bar", "dun", "fel", "gor", "hul", "kest", "lin", "mar", "nor", "pel", "quin", "ros", "sel", "vin")
_NATIONALITIES = ("Norwegians", "Peruvians", "Kenyans", "Finns", "Laotians", "Chileans", "Samoans", "Omanis")
_PUBLISHERS = ("Quill & Tide", "Lantern House", "Ninth Street Press", "Paper Kite", "Old Mill, New Mill")
_LANGUAGES = ("English", "French", "Japanese", "Korean", "Portuguese", "Swahili")
_RATINGS = ("ZERO", "ONE", "TWO", "THREE", "FOUR", "FIVE")
_WORDS = ("slow", "warm", "loud", "brave", "quiet", "clumsy", "bright", "honest", "tangled", "bitter")


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What was written, by source: the file, its rows (broken ones among them), and how many are broken."""

    files: Mapping[str, Path]
    rows: Mapping[str, int]
    broken: Mapping[str, int]


def write_sample(folder: Path, *, streams: int = 10_000, seed: int = 0, last_day: date = _LAST_DAY) -> Sample:
    """Write six files, `internal/*.csv` and `vendor/*.json`, under a folder that is made if need be.

    Args:
        folder: where; files of the same names are replaced.
        streams: how many sessions, all of which start on the 31 days up to the last. Of a hundred, one is broken;
            of two hundred, one names a movie and one a user that the other files do not have.
        seed: which sample.
        last_day: the last day on which sessions start. Another one moves all sessions and reviews by whole days.

    Returns:
        What was written. The first sessions are of `Unforgiven`, in progress six days before the last, at 07:00.
    """
    shift = last_day - _LAST_DAY
    rng = random.Random(seed)  # noqa: S311
    titles = _titles(rng)
    movies, users = _movies(rng, titles), _users(rng)
    authors = _authors(rng)
    books = _books(rng, [author["metadata"]["name"] for author in authors if author["metadata"]["name"]])
    reviews = _reviews(rng, titles, [book["name"] for book in books], shift)
    tables = {"movies": movies, "users": users}
    documents = {"authors": authors, "books": books, "reviews": reviews}

    files = {name: folder / "internal" / f"{name}.csv" for name in ("movies", "streams", "users")}
    files |= {name: folder / "vendor" / f"{name}.json" for name in documents}
    for path in files.values():
        path.parent.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        _write_csv(files[name], table)
    for name, document in documents.items():
        _write_json(files[name], document)
    write_streams(files["streams"], movies, users, streams, seed, shift)

    counted = {name: len(rows) for name, rows in {**tables, **documents}.items()}
    broken = {"authors": 1, "books": 0, "movies": 0, "reviews": 0, "streams": streams // 100, "users": 0}
    return Sample(files=files, rows={**counted, "streams": streams}, broken=broken)


# the small files: plain rows


def _titles(rng: random.Random) -> list[str]:
    patterns = ("The {} {}", "{} {}", "{1}, {0}", "{1} of the {0}: Part II", "My {} {} - Director's Cut")
    pairs = [(adjective, noun) for adjective in _ADJECTIVES for noun in _NOUNS]
    made = [rng.choice(patterns).format(*pair) for pair in rng.sample(pairs, MOVIES - 1)]
    return [OUTAGE_MOVIE, *made]


def _movies(rng: random.Random, titles: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {
            "title": title,
            "duration_mins": rng.randrange(70, 190),
            "original_language": rng.choice(_LANGUAGES),
            "size_mb": rng.randrange(500, 3000),
        }
        for title in titles
    ]


def _surname(rng: random.Random) -> str:
    return "".join(rng.choices(_SYLLABLES, k=2)).title()


def _users(rng: random.Random) -> list[dict[str, Any]]:
    people = [(rng.choice(_FIRST_NAMES), _surname(rng)) for _ in range(USERS)]
    return [
        {"first_name": first, "last_name": last, "email": f"{last.lower()}.{number}@mail{number % 7}.example"}
        for number, (first, last) in enumerate(people)
    ]


def _authors(rng: random.Random) -> list[dict[str, Any]]:
    names = [f"{first} {_surname(rng)} {_surname(rng)}" for first in _FIRST_NAMES for _ in range(AUTHORS)]
    distinct = rng.sample(sorted(set(names)), AUTHORS)
    authors = [_author(rng, number, name) for number, name in enumerate(distinct)]
    nameless = {"name": None, "birth_date": None, "died_at": None}
    unknown = [{"id": None, "label": "", "slug": None}, {"id": None, "label": "unknown", "slug": None}]
    return [*authors, {"metadata": nameless, "nationalities": unknown}]


def _author(rng: random.Random, number: int, name: str) -> dict[str, Any]:
    born = datetime(rng.randrange(1900, 2000), rng.randrange(1, 13), rng.randrange(1, 29))  # noqa: DTZ001
    died = born + timedelta(days=rng.randrange(8_000, 30_000)) if rng.random() < 0.9 else None
    label = NATIONALITY.title() if number < ITS_AUTHORS else rng.choice(_NATIONALITIES)
    nationalities = [
        {"id": None, "label": label, "slug": label.lower()},
        {"id": None, "label": "", "slug": None},
    ]
    rng.shuffle(nationalities)
    metadata = {"name": name, "birth_date": _midnight(born), "died_at": died and _midnight(died)}
    return {"metadata": metadata, "nationalities": nationalities}


def _books(rng: random.Random, authors: Sequence[str]) -> list[dict[str, Any]]:
    """Books by the first authors in turn, and a few by someone whom the vendor does not know."""
    titles = [f"{noun} and {other}" for noun in _NOUNS for other in (*_ADJECTIVES, *_NOUNS) if noun != other]
    return [
        {
            "name": title,
            "pages": rng.randrange(80, 1200),
            "author": authors[number] if number % 12 != 11 else "An Unlisted Author",
            "publisher": rng.choice(_PUBLISHERS),
        }
        for number, title in enumerate(rng.sample(titles, BOOKS))
    ]


def _reviews(rng: random.Random, movies: Sequence[str], books: Sequence[str], shift: timedelta) -> list[dict[str, Any]]:
    """Reviews that tie all but six movies to books, the first movies to the first books."""
    reviewed = movies[:-6]
    return [_review(rng, number, reviewed, books, shift) for number in range(REVIEWS)]


def _review(
    rng: random.Random, number: int, movies: Sequence[str], books: Sequence[str], shift: timedelta
) -> dict[str, Any]:
    rate = rng.randrange(len(_RATINGS))
    is_first = number < len(movies)
    book = books[number] if is_first else rng.choice(books)
    movie = movies[number] if is_first else rng.choice(movies)
    mentioned = [{"id": 0, "title": movie.upper()}, {"id": 0, "title": "end"}]
    rng.shuffle(mentioned)
    return {
        "content": {"text": f"{number + 1}. {' '.join(rng.sample(_WORDS, 5)).capitalize()}."},
        "rating": {"rate": rate, "label": _RATINGS[rate]},
        "books": [{"id": None, "metadata": {"title": book.upper(), "pages": "unknown"}}],
        "movies": mentioned,
        "updated": _in_month(rng, shift),
        "created": _in_month(rng, shift),
    }


def _midnight(day: datetime) -> str:
    return f"{day:%Y-%m-%d}T00:00:00.000+0000"


def _in_month(rng: random.Random, shift: timedelta) -> str:
    moment = FIRST_START + shift + timedelta(milliseconds=rng.randrange(MONTH_MS))
    return moment.isoformat(timespec="milliseconds") + OFFSET


def _write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _write_json(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    text = json.dumps(rows, indent=4, separators=(",", ":"), ensure_ascii=False)
    path.write_text(text, encoding="utf-8", newline="")
