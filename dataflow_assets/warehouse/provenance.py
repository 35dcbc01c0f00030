"""Where the rows of a key came from, and what became of each: as the tables say it, by what derives them.

Here: functions over the lake. Not here: which row counts (see `snapshots.derive` and `changes.derive`), and how this is
printed.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import groupby
from typing import Any

import polars as pl

from dataflow_assets.core.floats import with_own_digits
from dataflow_assets.errors import NotFoundError
from dataflow_assets.lake.delta.dumps import Dumps, read_dumps, read_missing_columns
from dataflow_assets.lake.delta.table import LakeTable
from dataflow_assets.lake.validation.casting import read_texts, values_for_texts
from dataflow_assets.lake.validation.validate import POSITION
from dataflow_assets.sources.base import Events, Snapshot, Source
from dataflow_assets.sources.changes import Changes
from dataflow_assets.warehouse.changes.derive import find_full_dumps, order_changes, place_dumps
from dataflow_assets.warehouse.snapshots.derive import DAY, derive_current, derive_dumps, derive_history
from dataflow_assets.warehouse.snapshots.quarantine import find_quarantined_dumps

MOST_KEYS = 20
_BATCH_ROWS = 100_000
_TIMES_AS_SHOWN = ("%+", "%Y-%m-%d %H:%M:%S%.f%:z")  # beside the source's own formats: what our commands print
_ORDER = (DAY, "object", POSITION)  # of equal keys the last one counts
_NO_DUMPS = Dumps({}, frozenset())
_Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Origin:
    """A row, where it stood, and what became of it; of equal rows on several days of a snapshot the first.

    Of a row that counted, a column that its file lacks has the value that the key had.
    """

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


def explain_newest(table: LakeTable, source: Source, texts: Mapping[str, str]) -> Explanation:
    """The same as `explain`, of the newest version of a source's lake table."""
    version, dumps = table.open().version(), _NO_DUMPS
    if isinstance(source, Snapshot):
        dumps = read_dumps(table, version)
    elif isinstance(source, Changes):
        dumps = replace(dumps, missing_columns=read_missing_columns(table, version))
    return explain(table.scan(version), source, texts, dumps)


def explain(lake: pl.LazyFrame, source: Source, texts: Mapping[str, str], dumps: Dumps = _NO_DUMPS) -> Explanation:
    """Find out where the rows of a key came from; where parts of it are left out, which keys there are.

    Args:
        lake: all rows of the source's lake table.
        source: names key and columns.
        texts: some parts of the key, as texts of a file or as our commands print them.
        dumps: of a snapshot, those that there are; of a source of changes, the columns that deliveries lack.

    Raises:
        NotFoundError: a text is no value of its column's type.
    """
    matching = lake.filter(_conditions(lake.collect_schema(), source, texts))
    keys = _first_keys(matching, source)
    if len(keys) != 1:
        return Explanation(keys=keys[:MOST_KEYS], has_more_keys=len(keys) > MOST_KEYS)
    rows = matching.collect(engine="streaming").sort(_ORDER)
    found = Explanation(keys=keys)
    if isinstance(source, Snapshot):
        return _explain_snapshot(found, rows, source, dumps)
    origins = _changes(rows, lake, source, dumps) if isinstance(source, Changes) else _events(_shown(rows), source)
    return replace(found, origins=tuple(origins))


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


def _changes(rows: pl.DataFrame, lake: pl.LazyFrame, source: Changes, dumps: Dumps) -> Iterator[Origin]:
    """The rows in the order of all changes, among which a dump stands at its last row."""
    placed = None
    if source.full_dumps is not None:
        objects = find_full_dumps(lake, source)
        placed = objects, place_dumps(lake, source, objects)
    ordered = order_changes(rows.lazy(), source, dumps.missing_columns, placed)
    last_turn = ordered.row(-1, named=True)
    *older, latest = _shown(ordered.filter(pl.col("object").is_not_null()))
    for row in older:
        yield _origin(row, source, f"changed by {latest['object']} position {latest[POSITION]}")
    is_gone = last_turn["object"] is None
    fate = f"deleted by the full dump of {last_turn[DAY]}, which lacks it" if is_gone else "the latest change"
    yield _origin(latest, source, fate)


def _explain_snapshot(found: Explanation, rows: pl.DataFrame, source: Snapshot, dumps: Dumps) -> Explanation:
    """The rows of a key by the runs of its history, and since when it is missing."""
    complete = dumps.rows.keys() - find_quarantined_dumps(dumps, source.smallest_share).keys()
    is_complete = pl.col(DAY).is_in(list(complete))
    of_key = rows.filter(is_complete)
    origins = [_origin(row, source, "quarantined") for row in _shown(rows.filter(~is_complete))]
    if of_key.is_empty():
        return replace(found, origins=tuple(origins))
    dumped = derive_dumps(of_key.lazy(), source, dumps.missing_columns)
    runs = derive_history(dumped, source)
    [current] = derive_current(dumped, runs, complete).to_dicts()
    origins += _snapshots(_shown(of_key), _shown(runs), source)
    return replace(
        found,
        origins=tuple(sorted(origins, key=lambda origin: origin.delivery_day)),
        first_seen=current["first_seen"],
        last_seen=of_key.row(-1, named=True)[DAY],
        missing_since=current["missing_since"],
    )


def _snapshots(rows: Sequence[_Row], runs: Sequence[_Row], source: Source) -> Iterator[Origin]:
    """A row for each run of equal values over the dumps, and those that another row of their own dump supersedes."""
    starts = {run["valid_from"]: run for run in runs}
    days = sorted({row[DAY] for row in rows})
    for day, of_day in groupby(rows, lambda row: row[DAY]):
        *superseded, counted = of_day
        yield from (_origin(row, source, _superseded_by(counted)) for row in superseded)
        if run := starts.get(day):
            yield _origin(counted | _values(run, source), source, _validity(run, days))


def _validity(run: _Row, days: Sequence[date]) -> str:
    first, end = run["valid_from"], run["valid_to"]
    last = max(day for day in days if first <= day and (end is None or day < end))
    again = f", given again until {last}" if last > first else ""
    return f"the latest values{again}" if end is None else f"valid until {end}{again}"


def _superseded_by(row: _Row) -> str:
    return f"superseded by {row['object']} position {row[POSITION]}"


def _origin(row: _Row, source: Source, fate: str) -> Origin:
    return Origin(
        delivery_day=row[DAY],
        object=row["object"],
        position=row[POSITION],
        values=_values(row, source),
        fate=fate,
    )


def _shown(rows: pl.DataFrame) -> list[_Row]:
    """The rows with the digits that a Float32 has."""
    return with_own_digits(rows).to_dicts()


def _values(row: _Row, source: Source) -> _Row:
    return {name: row[name] for name in source.schema.column_names()}
