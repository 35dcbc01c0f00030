"""Made-up deliveries of any size, in exactly the shapes that the real systems send.

Here: writing them, equal byte for byte for equal arguments, with a known number of broken rows. Not here:
landing them, and any knowledge of how rows are read.

Sessions are a function of the seed and their number alone, so they are computed in chunks by expressions,
and a larger sample begins with the rows of a smaller one.
"""

import csv
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

MOVIES, USERS, AUTHORS, BOOKS, REVIEWS = 90, 800, 200, 100, 500
OUTAGE_MOVIE, OUTAGE_SESSIONS = "Unforgiven", 5
NATIONALITY, ITS_AUTHORS = "singaporeans", 3

_CHUNK = 100_000
_FIRST_START = datetime(2021, 12, 1)  # noqa: DTZ001, local time at the offset that the files carry
_OUTAGE_START = datetime(2021, 12, 25, 6, 30)  # noqa: DTZ001
_OFFSET = "+0100"
_MONTH_MS = 31 * 24 * 3_600_000
_SHORTEST_MS, _LONGEST_MS = 10_000, 24 * 3_600_000

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


def write_sample(folder: Path, *, streams: int = 10_000, seed: int = 0) -> Sample:
    """Write six files, `internal/*.csv` and `vendor/*.json`, under a folder that is made if need be.

    Args:
        folder: where; files of the same names are replaced.
        streams: how many sessions, all of which start in December 2021. Of a hundred, one is broken; of
            two hundred, one names a movie and one a user that the other files do not have.
        seed: which sample.

    Returns:
        What was written. The first sessions are of `Unforgiven`, in progress on 25 December at 07:00.
    """
    rng = random.Random(seed)  # noqa: S311
    titles = _titles(rng)
    movies, users = _movies(rng, titles), _users(rng)
    authors = _authors(rng)
    books = _books(rng, [author["metadata"]["name"] for author in authors if author["metadata"]["name"]])
    reviews = _reviews(rng, titles, [book["name"] for book in books])
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
    _write_streams(files["streams"], movies, users, streams, seed)

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


def _reviews(rng: random.Random, movies: Sequence[str], books: Sequence[str]) -> list[dict[str, Any]]:
    """Reviews that tie all but six movies to books, the first movies to the first books."""
    reviewed = movies[:-6]
    return [_review(rng, number, reviewed, books) for number in range(REVIEWS)]


def _review(rng: random.Random, number: int, movies: Sequence[str], books: Sequence[str]) -> dict[str, Any]:
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
        "updated": _in_december(rng),
        "created": _in_december(rng),
    }


def _midnight(day: datetime) -> str:
    return f"{day:%Y-%m-%d}T00:00:00.000+0000"


def _in_december(rng: random.Random) -> str:
    moment = _FIRST_START + timedelta(milliseconds=rng.randrange(_MONTH_MS))
    return moment.isoformat(timespec="milliseconds") + _OFFSET


def _write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _write_json(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    text = json.dumps(rows, indent=4, separators=(",", ":"), ensure_ascii=False)
    path.write_text(text, encoding="utf-8", newline="")


# the sessions: expressions over row numbers, chunk by chunk


def _write_streams(
    path: Path, movies: Sequence[Mapping[str, Any]], users: Sequence[Mapping[str, Any]], rows: int, seed: int
) -> None:
    titles = pl.Series([_quoted(movie["title"]) for movie in movies])
    sizes = pl.Series([movie["size_mb"] for movie in movies], dtype=pl.Float64)
    emails = pl.Series([user["email"] for user in users])
    with path.open("wb") as file:
        file.write(b"movie_title,user_email,size_mb,start_at,end_at\n")
        for numbers in _chunks(rows):
            sessions = _sessions(numbers, seed, titles, sizes, emails)
            sessions.select(_line()).write_csv(file, include_header=False, quote_style="never")


def _chunks(rows: int) -> Iterator[pl.DataFrame]:
    for first in range(0, rows, _CHUNK):
        numbers = pl.int_range(first, min(first + _CHUNK, rows), dtype=pl.UInt64, eager=True)
        yield pl.DataFrame({"number": numbers})


def _sessions(numbers: pl.DataFrame, seed: int, titles: pl.Series, sizes: pl.Series, emails: pl.Series) -> pl.DataFrame:
    """The fields of each session as text, before any is broken: `number` (UInt64) and the five columns."""
    number = pl.col("number")
    is_outage = number < OUTAGE_SESSIONS
    drawn = numbers.with_columns(
        movie=pl.when(is_outage).then(0).otherwise(_drawn(seed, 0, titles.len())),
        user=_drawn(seed, 1, emails.len()),
        watched=_drawn(seed, 2, 1_000_000).cast(pl.Float64) / 1_000_000,
        start=pl.when(is_outage)
        .then(pl.lit(_OUTAGE_START) + pl.duration(minutes=number))
        .otherwise(pl.lit(_FIRST_START) + pl.duration(milliseconds=_drawn(seed, 3, _MONTH_MS))),
        lasts=pl.when(is_outage)
        .then(2 * 3_600_000)
        .otherwise(_SHORTEST_MS + _drawn(seed, 4, _LONGEST_MS - _SHORTEST_MS)),
    )
    movie, user = pl.col("movie"), pl.col("user")
    unlisted_movie, unlisted_user = number % 200 == 57, number % 200 == 157
    return drawn.select(
        "number",
        movie_title=pl.when(unlisted_movie).then(pl.lit("An Unlisted Movie")).otherwise(pl.lit(titles).gather(movie)),
        user_email=pl.when(unlisted_user).then(pl.lit("guest@mail.example")).otherwise(pl.lit(emails).gather(user)),
        size_mb=(pl.lit(sizes).gather(movie) * pl.col("watched")).cast(pl.String),
        start_at=_time(pl.col("start")),
        end_at=_time(pl.col("start") + pl.duration(milliseconds="lasts")),
    )


def _time(local: pl.Expr) -> pl.Expr:
    return local.dt.strftime(f"%Y-%m-%dT%H:%M:%S%.3f{_OFFSET}")


def _line() -> pl.Expr:
    """The session as a line of CSV: one in a hundred broken, in each of the ways in turn."""
    kinds = len(_BROKEN)
    line = pl.format(_WHOLE, *_FIELDS)
    for kind, (form, fields) in enumerate(_BROKEN.values()):
        line = pl.when(pl.col("number") // 100 % kinds == kind).then(pl.format(form, *fields)).otherwise(line)
    is_broken = pl.col("number") % 100 == 99
    return pl.when(is_broken).then(line).otherwise(pl.format(_WHOLE, *_FIELDS)).alias("line")


_FIELDS = ("movie_title", "user_email", "size_mb", "start_at", "end_at")
_WHOLE = "{},{},{},{},{}"
_BROKEN: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "it ends before it starts": (_WHOLE, ("movie_title", "user_email", "size_mb", "end_at", "start_at")),
    "no such e-mail address": ("{},nobody,{},{},{}", ("movie_title", "size_mb", "start_at", "end_at")),
    "no such month": ("{},{},{},2021-13-01T00:00:00.000+0100,{}", ("movie_title", "user_email", "size_mb", "end_at")),
    "no time at all": ("{},{},{},{},", ("movie_title", "user_email", "size_mb", "start_at")),
    "a negative size": ("{},{},-1{},{},{}", _FIELDS),
    "a size in words": ("{},{},large,{},{}", ("movie_title", "user_email", "start_at", "end_at")),
    "a column is missing": ("{},{},{},{}", ("movie_title", "user_email", "size_mb", "start_at")),
    "a column too many": ("{},{},{},{},{},again", _FIELDS),
    "no movie": (",{},{},{},{}", ("user_email", "size_mb", "start_at", "end_at")),
    "it never ends": (
        "{},{},{},{},2022-02-28T00:00:00.000+0100",
        ("movie_title", "user_email", "size_mb", "start_at"),
    ),
}


def _quoted(text: str) -> str:
    return f'"{text}"' if "," in text else text


def _drawn(seed: int, draw: int, below: int) -> pl.Expr:
    """An even draw from 0 up to but without `below` (Int64), for each row number, seed and kind of draw.

    It is the output function of SplitMix64: stable for ever, unlike the hashes and samples of a library.
    """
    start = random.Random(f"{seed}.{draw}").getrandbits(64)  # noqa: S311
    mixed = pl.col("number") * pl.lit(0x9E3779B97F4A7C15, pl.UInt64) + pl.lit(start, pl.UInt64)
    mixed = (mixed ^ (mixed // 2**30)) * pl.lit(0xBF58476D1CE4E5B9, pl.UInt64)
    mixed = (mixed ^ (mixed // 2**27)) * pl.lit(0x94D049BB133111EB, pl.UInt64)
    mixed = mixed ^ (mixed // 2**31)
    return (mixed % below).cast(pl.Int64)
