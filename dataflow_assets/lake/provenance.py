"""Where the rows of a key came from, and what became of each.

Here: pure functions over rows of the lake. Not here: opening the lake (see `tables`), and how this is printed.
"""

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import date
from itertools import groupby
from typing import Any

import polars as pl

from dataflow_assets.errors import NotFoundError
from dataflow_assets.lake.validation.casting import read_texts, values_for_texts
from dataflow_assets.lake.validation.validate import POSITION
from dataflow_assets.sources.base import Events, Source
from dataflow_assets.sources.changes import Changes

MOST_KEYS = 20
_BATCH_ROWS = 100_000
_TIMES_AS_SHOWN = ("%+", "%Y-%m-%d %H:%M:%S%.f%:z")  # beside the source's own formats: what our commands print
_ORDER = ("delivery_day", "object", POSITION)  # of equal keys the last one counts
_Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Origin:
    """A row, where it stood, and what became of it; of equal rows on several days of a snapshot the first."""

    delivery_day: date
    object: str
    position: int
    values: _Row
    fate: str


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """The keys that match, in order and no more than MOST_KEYS, and of a single one its rows, oldest first.

    Of a snapshot's key, `last_seen` is the last delivery day that has it, `missing_since` the first one after that.
    """

    keys: list[_Row]
    has_more_keys: bool = False
    origins: tuple[Origin, ...] = ()
    first_seen: date | None = None
    last_seen: date | None = None
    missing_since: date | None = None


def key_texts(source: Source, parts: Sequence[str]) -> dict[str, str]:
    """The text of each part of a key: `column=text`, and the others in the order of the columns that are left.

    Raises:
        NotFoundError: there are more parts than the key has, or one twice.
    """
    pairs = [part.partition("=") for part in parts]
    named = {column: text for column, _, text in pairs if column in source.key}
    others = [part for part, (column, _, _) in zip(parts, pairs, strict=True) if column not in source.key]
    unnamed = [column for column in source.key if column not in named]
    if len(others) > len(unnamed) or len(named) + len(others) < len(parts):
        raise NotFoundError(
            f"The key of {source.name} has the parts {', '.join(source.key)}, each of which counts once."
        )
    return named | dict(zip(unnamed, others, strict=False))


def explain(
    lake: pl.LazyFrame, source: Source, texts: Mapping[str, str], quarantined: Set[date] = frozenset()
) -> Explanation:
    """Find out where the rows of a key came from; where parts of it are left out, which keys there are.

    Args:
        lake: all rows of the source's lake table.
        source: names key and columns.
        texts: some parts of the key, as texts of a file or as our commands print them.
        quarantined: delivery days of a snapshot whose dumps are quarantined.

    Raises:
        NotFoundError: a text is no value of its column's type.
    """
    matching = lake.filter(_conditions(lake.collect_schema(), source, texts))
    keys = _first_keys(matching, source)
    if len(keys) != 1:
        return Explanation(keys=keys[:MOST_KEYS], has_more_keys=len(keys) > MOST_KEYS)
    rows = matching.collect(engine="streaming").sort(_ORDER).to_dicts()
    if isinstance(source, Events):
        return Explanation(keys=keys, origins=tuple(_events(rows, source)))
    if isinstance(source, Changes):
        return Explanation(keys=keys, origins=tuple(_changes(rows, source)))
    complete = [row for row in rows if row["delivery_day"] not in quarantined]
    incomplete = [_origin(row, source, "quarantined") for row in rows if row["delivery_day"] in quarantined]
    if not complete:
        return Explanation(keys=keys, origins=tuple(incomplete))
    last_seen = complete[-1]["delivery_day"]
    is_later = (pl.col("delivery_day") > last_seen) & ~pl.col("delivery_day").is_in(list(quarantined))
    later = lake.filter(is_later).select(pl.min("delivery_day"))
    origins = sorted([*_snapshots(complete, source), *incomplete], key=lambda origin: origin.delivery_day)
    return Explanation(
        keys=keys,
        origins=tuple(origins),
        first_seen=complete[0]["delivery_day"],
        last_seen=last_seen,
        missing_since=later.collect(engine="streaming").item(),
    )


def rejects_with(rejects: pl.LazyFrame, source: Source, texts: Mapping[str, str], most: int) -> list[_Row]:
    """The first rejects of a source whose raw text holds the texts of a key.

    Of numbers and times, which may be written in many ways, only where the key has no other part.
    """
    columns = source.schema.columns()
    certain = [text for name, text in texts.items() if columns[name].dtype == pl.String] or list(texts.values())
    holds = [pl.col("raw").str.contains(text, literal=True) for text in certain]
    found = rejects.filter(pl.col("source") == source.name, *holds).head(most)
    columns_shown = ["delivery_day", "object", "line", "code", "message", "raw"]
    return found.select(columns_shown).collect(engine="streaming").sort("delivery_day", "object", "line").to_dicts()


def _conditions(held: pl.Schema, source: Source, texts: Mapping[str, str]) -> Iterator[pl.Expr]:
    for name, value in _typed(source, texts).items():
        yield pl.col(name) == pl.lit(value, held[name])
        if isinstance(source, Events) and name == source.event_time:
            yield pl.col("event_date") == pl.lit(value.date())  # by which the lake's files are parted


def _typed(source: Source, texts: Mapping[str, str]) -> _Row:
    """The values that texts say, read as those of a file are."""
    types = source.schema.create_empty().schema
    row = pl.DataFrame({name: [texts.get(name)] for name in types}, schema=dict.fromkeys(types, pl.String))
    lenient = replace(source, time_formats=(*source.time_formats, *_TIMES_AS_SHOWN))
    read = read_texts(row, lenient).with_columns(**values_for_texts(source))
    values = {name: read.select(pl.col(name).cast(types[name], strict=False)).item() for name in texts}
    for name, value in values.items():
        if value is None:
            raise NotFoundError(f"{texts[name]!r} is no value of {name} of {source.name}, which is {types[name]}.")
    return values


def _first_keys(matching: pl.LazyFrame, source: Source) -> list[_Row]:
    """The first keys in order, one more than are shown; no more than a batch of rows is held."""
    key = list(source.key)
    keys = matching.select(key)
    found = pl.DataFrame(schema=keys.collect_schema())
    for batch in keys.collect_batches(chunk_size=_BATCH_ROWS):
        found = pl.concat([found, batch]).unique().sort(key).head(MOST_KEYS + 1)
    return found.to_dicts()


def _events(rows: Sequence[_Row], source: Source) -> Iterator[Origin]:
    *older, latest = rows
    for row in older:
        yield _origin(row, source, _superseded_by(latest))
    yield _origin(latest, source, "in the table")


def _changes(rows: Sequence[_Row], source: Changes) -> Iterator[Origin]:
    order = (*filter(None, [source.ordered_by]), *_ORDER)
    *older, latest = sorted(rows, key=lambda row: tuple(row[name] for name in order))
    for row in older:
        yield _origin(row, source, f"changed by {latest['object']} position {latest[POSITION]}")
    yield _origin(latest, source, "the latest change")


def _snapshots(rows: Sequence[_Row], source: Source) -> Iterator[Origin]:
    """A row for each run of equal values over the dumps, and those that another row of their own dump supersedes."""
    dumps = [list(of_day) for _, of_day in groupby(rows, lambda row: row["delivery_day"])]
    runs = [list(run) for _, run in groupby(dumps, lambda dump: _values(dump[-1], source))]
    ends = [run[0][-1]["delivery_day"] for run in runs[1:]]
    for run, end in zip(runs, [*ends, None], strict=True):
        for number, (*superseded, counted) in enumerate(run):
            yield from (_origin(row, source, _superseded_by(counted)) for row in superseded)
            if number == 0:
                yield _origin(counted, source, _validity(run, end))


def _validity(run: Sequence[Sequence[_Row]], end: date | None) -> str:
    first, last = run[0][-1]["delivery_day"], run[-1][-1]["delivery_day"]
    again = f", given again until {last}" if last > first else ""
    return f"the latest values{again}" if end is None else f"valid until {end}{again}"


def _superseded_by(row: _Row) -> str:
    return f"superseded by {row['object']} position {row[POSITION]}"


def _origin(row: _Row, source: Source, fate: str) -> Origin:
    return Origin(
        delivery_day=row["delivery_day"],
        object=row["object"],
        position=row[POSITION],
        values=_values(row, source),
        fate=fate,
    )


def _values(row: _Row, source: Source) -> _Row:
    return {name: row[name] for name in source.schema.column_names()}
