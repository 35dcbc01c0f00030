"""Texts to the types, the key and the times of a source, each with how sure it is.

Here: pure functions over a sample. Not here: how it was read (see `sample`), and how a declaration is written.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import combinations

import polars as pl

from dataflow_assets.sources.time_formats import read_times

TIME_FORMATS = (
    *("%+", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S%.f%#z"),
    *("%d.%m.%Y %H:%M:%S", "%d/%m/%Y %H:%M:%S", "%m/%d/%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%m/%d/%Y %H:%M"),
)
_EPOCHS = {"epoch_seconds": 1, "epoch_milliseconds": 1_000, "epoch_microseconds": 1_000_000}
_EPOCH_YEARS = (946_684_800, 4_102_444_800)  # 2000 to 2099, in seconds since 1970
_IS_TIME = re.compile(r"(_at$|_ts$|time|^ts$|^at$|epoch|_ms$)", re.IGNORECASE)
_INT = r"^-?(?:0|[1-9][0-9]{0,17})$"
_DIGITS = r"^-?[0-9]+$"
_FLOAT = r"^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$"
_DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_WORDS = ("true", "false", "yes", "no", "t", "f", "y", "n")
_HAPPENS = re.compile(r"(start|begin|began|happen|occur|event|click|order|paid|sent|seen|timestamp|^ts$|^time$)", re.I)
_IDENTIFIES = re.compile(r"(^|_)(id|key|code|number|no|sku|uuid|email|name|title)$", re.I)
_FEW = 0.01  # of the values of a key may be missing: those rows are rejected
_ENOUGH = 50  # rows after which a column that was never empty is taken for one that is never empty
_MOST_PARTS = 4  # of a key
_WIDEST = 10  # columns that are tried as parts of a key


@dataclass(frozen=True)
class Column:
    """What one column seems to be; `declared` is its type in Python, `note` why one may doubt it."""

    name: str
    declared: str
    nullable: bool
    time_format: str | None = None
    note: str = ""

    @property
    def is_instant(self) -> bool:
        """Whether it holds instants."""
        return self.time_format is not None


def guess_columns(texts: pl.DataFrame) -> list[Column]:
    """The type of each column of texts, and whether values are missing."""
    return [_guess(texts[name]) for name in texts.columns]


def _guess(texts: pl.Series) -> Column:
    values, empty = texts.drop_nulls(), texts.null_count()
    nullable = empty > 0 or texts.len() < _ENOUGH
    note = f"{empty:,} of {texts.len():,} are empty" if empty else ""
    if values.is_empty():
        return Column(texts.name, "dy.String", nullable=True, note="always empty: the type is a guess")
    if time_format := find_time_format(values):
        twin = time_format.replace("%d/%m", "%m/%d") if "%d/%m" in time_format else ""
        doubt = "day and month may be the other way round" if twin and _reads(values, twin) else note
        return Column(texts.name, "dy.Datetime", nullable, time_format, doubt)
    declared = _type_of(values)
    if declared == "dy.String" and values.str.contains(_DIGITS).all():
        note = "digits, kept as text: zeros come first, or there are too many"
    return Column(texts.name, declared, nullable, note=note)


def _type_of(values: pl.Series) -> str:
    """The narrowest type, no instant, that every one of some texts says a value of without losing a digit."""
    if values.str.to_lowercase().is_in(_WORDS).all():
        return "dy.Bool"
    if values.str.contains(_DATE).all() and values.str.to_date("%Y-%m-%d", strict=False).null_count() == 0:
        return "dy.Date"
    if values.str.contains(_INT).all():
        return "dy.Int64"
    is_number = values.str.contains(_FLOAT).all() and not values.str.contains(_DIGITS).all()
    return "dy.Float64" if is_number else "dy.String"


def find_time_format(values: pl.Series) -> str | None:
    """The first of the known formats that reads all texts as instants."""
    epochs = [one for one, unit in _EPOCHS.items() if _IS_TIME.search(values.name) and _is_since_1970(values, unit)]
    if epochs:
        return epochs[0]
    looks = values.head(100).str.contains(r"^\S*[0-9]{1,4}\S[0-9]{1,2}\S[0-9]{1,4}[T ][0-9]{2}:[0-9]{2}").all()
    return next((one for one in TIME_FORMATS if _reads(values, one)), None) if looks else None


def _is_since_1970(values: pl.Series, unit: int) -> bool:
    if not values.str.contains(_INT).all():
        return False
    earliest, latest = (second * unit for second in _EPOCH_YEARS)
    return bool(values.cast(pl.Int64).is_between(earliest, latest).all())


def _reads(values: pl.Series, time_format: str) -> bool:
    return parse_times(values, time_format).null_count() == 0


def parse_times(values: pl.Series, time_format: str) -> pl.Series:
    """The instants of texts (UTC), null where the format reads none."""
    return values.to_frame().select(read_times(pl.col(values.name), time_format)).to_series()


def find_key(texts: pl.DataFrame, columns: Sequence[Column], first: Sequence[str] = ()) -> tuple[str, ...] | None:
    """The fewest columns whose values tell rows apart and that are hardly ever empty; None where there are none.

    Args:
        texts: the sample.
        columns: what was guessed.
        first: columns that belong to the key in any case, with all that seem to identify something.
    """
    if first and (alone := find_key(texts, columns)) and len(alone) == 1 and _IDENTIFIES.search(alone[0]):
        return tuple(name for name in texts.columns if name in (*first, *alone))
    if first:  # instants that differ in one file need not do so in the next
        first = (*first, *(one.name for one in columns if names_a_thing(texts[one.name], one)))
    wanted = [
        column.name for column in columns if _may_identify(texts[column.name], column) and column.name not in first
    ]
    wanted.sort(key=lambda name: not _IDENTIFIES.search(name))
    for size in range(0 if first else 1, _MOST_PARTS + 1):
        for parts in combinations(wanted[:_WIDEST], size):
            key = (*first, *parts)
            present = texts.select(key).drop_nulls()
            if present.height and present.n_unique() == present.height:
                return tuple(name for name in texts.columns if name in key)
    return None


def names_a_thing(texts: pl.Series, column: Column) -> bool:
    """Whether a column seems to identify something, by its name, and is never empty."""
    return bool(_IDENTIFIES.search(column.name)) and texts.null_count() == 0 and _may_identify(texts, column)


def _may_identify(texts: pl.Series, column: Column) -> bool:
    return column.declared not in ("dy.Float64", "dy.Bool") and texts.null_count() <= _FEW * texts.len()


def find_event_times(texts: pl.DataFrame, columns: Sequence[Column]) -> tuple[str | None, str | None, timedelta]:
    """The column that says when a row happened, the one that says when it ended, and the longest that it lasts."""
    instants = [column for column in columns if column.is_instant and texts[column.name].null_count() == 0]
    starts = [column for column in instants if _HAPPENS.search(column.name)]
    if not starts:
        return None, None, timedelta(0)
    start = starts[0]
    for end, longest in _ends(texts, start, instants):
        return start.name, end.name, longest
    return start.name, None, timedelta(0)


def _ends(texts: pl.DataFrame, start: Column, instants: Sequence[Column]) -> Iterator[tuple[Column, timedelta]]:
    for end in instants:
        if end is not start and end.time_format and start.time_format:
            lasts = parse_times(texts[end.name], end.time_format) - parse_times(texts[start.name], start.time_format)
            shortest, longest = lasts.min(), lasts.max()
            if isinstance(shortest, timedelta) and isinstance(longest, timedelta) and shortest >= timedelta(0):
                yield end, longest
