"""The sessions of a sample: a function of the seed and their number alone, computed in chunks by expressions.

Here: streams.csv. Not here: the other files, and how many sessions there are (see `sample_data`).
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

FIRST_START = datetime(2021, 12, 1)  # noqa: DTZ001, local time at the offset that the files carry
OFFSET = "+0100"
MONTH_MS = 31 * 24 * 3_600_000
OUTAGE_SESSIONS = 5
_OUTAGE_START = datetime(2021, 12, 25, 6, 30)  # noqa: DTZ001
_SHORTEST_MS, _LONGEST_MS = 10_000, 24 * 3_600_000
_CHUNK = 100_000


def write_streams(
    path: Path,
    movies: Sequence[Mapping[str, Any]],
    users: Sequence[Mapping[str, Any]],
    rows: int,
    seed: int,
    shift: timedelta,
) -> None:
    """Write a file of so many sessions of these movies and users, all moved by whole days."""
    titles = pl.Series([_quoted(movie["title"]) for movie in movies])
    sizes = pl.Series([movie["size_mb"] for movie in movies], dtype=pl.Float64)
    emails = pl.Series([user["email"] for user in users])
    with path.open("wb") as file:
        file.write(b"movie_title,user_email,size_mb,start_at,end_at\n")
        for numbers in _chunks(rows):
            sessions = _sessions(numbers, seed, shift, titles, sizes, emails)
            sessions.select(_line(shift)).write_csv(file, include_header=False, quote_style="never")


def _chunks(rows: int) -> Iterator[pl.DataFrame]:
    for first in range(0, rows, _CHUNK):
        numbers = pl.int_range(first, min(first + _CHUNK, rows), dtype=pl.UInt64, eager=True)
        yield pl.DataFrame({"number": numbers})


def _sessions(
    numbers: pl.DataFrame, seed: int, shift: timedelta, titles: pl.Series, sizes: pl.Series, emails: pl.Series
) -> pl.DataFrame:
    """The fields of each session as text, before any is broken: `number` (UInt64) and the five columns."""
    number = pl.col("number")
    is_outage = number < OUTAGE_SESSIONS
    drawn = numbers.with_columns(
        movie=pl.when(is_outage).then(0).otherwise(_drawn(seed, 0, titles.len())),
        user=_drawn(seed, 1, emails.len()),
        watched=_drawn(seed, 2, 1_000_000).cast(pl.Float64) / 1_000_000,
        start=pl.when(is_outage)
        .then(pl.lit(_OUTAGE_START + shift) + pl.duration(minutes=number))
        .otherwise(pl.lit(FIRST_START + shift) + pl.duration(milliseconds=_drawn(seed, 3, MONTH_MS))),
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
    return local.dt.strftime(f"%Y-%m-%dT%H:%M:%S%.3f{OFFSET}")


def _line(shift: timedelta) -> pl.Expr:
    """The session as a line of CSV: one in a hundred broken, in each of the ways in turn."""
    kinds = len(_BROKEN)
    line = pl.format(_WHOLE, *_FIELDS)
    never = f"{_LATE_END + shift:%Y-%m-%d}"
    for kind, (form, fields) in enumerate(_BROKEN.values()):
        broken = pl.format(form.replace("NEVER", never), *fields)
        line = pl.when(pl.col("number") // 100 % kinds == kind).then(broken).otherwise(line)
    is_broken = pl.col("number") % 100 == 99
    return pl.when(is_broken).then(line).otherwise(pl.format(_WHOLE, *_FIELDS)).alias("line")


_FIELDS = ("movie_title", "user_email", "size_mb", "start_at", "end_at")
_WHOLE = "{},{},{},{},{}"
_LATE_END = date(2022, 2, 28)
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
        "{},{},{},{},NEVERT00:00:00.000+0100",
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
