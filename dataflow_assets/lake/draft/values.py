"""How a file of text writes numbers, dates and what is missing, and its texts as they are written by default.

Here: pure functions over a sample of delimited text. Not here: how it was cut into values (see `csv_sample`), and what
the texts mean (see `columns`).
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

_NULLS = ("NULL", "null", "\\N", "(null)", "N/A", "n/a", "NA", "#N/A", "NaN", "nan", "None", "-", "--", "?")
_PLAINLY_NULL = ("NULL", "\\N", "(null)", "#N/A")
_MARKS = ((",", "."), (",", " "), (",", "\u00a0"), (",", "\u202f"), (",", "'"), (",", ""), (".", ","), (".", "'"))
_PLAIN = r"^[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$"
_ISO = "%Y-%m-%d"
_DATE_FORMATS = (
    *("%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%m.%d.%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y.%m.%d"),
    *("%d-%b-%Y", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y"),
)
_COMPACT = "%Y%m%d"
_IS_DAY = re.compile(r"(date|day|_on$|datum)", re.IGNORECASE)


@dataclass(frozen=True)
class Values:
    """Texts as they are written by default, the options that say how the file writes them, and what was guessed."""

    texts: pl.DataFrame
    options: Mapping[str, object] = field(default_factory=dict)
    kept_as_text: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()


def find_value_options(texts: pl.DataFrame, delimiter: str) -> Values:
    """How some texts are written; each column is one of texts where none is empty as text."""
    nulls = tuple(token for token in _NULLS if any(_stands_for_null(column, token) for column in texts))
    bare = texts.with_columns(pl.when(~pl.all().is_in(list(nulls))).then(pl.all())) if nulls else texts
    notes = [f"{', '.join(map(repr, nulls))} stands for no value, in every column"] if nulls else []
    decimal, thousands, doubt = _find_marks(bare, delimiter)
    notes += doubt
    numbers = {name: _plain_numbers(bare[name], decimal, thousands) for name in bare.columns}
    found = bare.with_columns(column for column in numbers.values() if column is not None)
    unread = [name for name in bare.columns if numbers[name] is None and _all(bare[name], _PLAIN)]
    kept = [] if (decimal, thousands) == (".", "") else unread
    formats, days, doubts = _find_dates(found)
    options = {
        "decimal": "" if decimal == "." else decimal,
        "thousands": thousands,
        "date_formats": formats,
        "nulls": nulls,
    }
    return Values(found.with_columns(days), options, frozenset(kept), (*notes, *doubts))


def _stands_for_null(column: pl.Series, token: str) -> bool:
    """Whether a text stands for no value in a column: it plainly does, or all others are numbers, dates or times."""
    if not (column == token).any():
        return False
    others = column.filter(column != token).drop_nulls()
    others = others.filter(~others.is_in(list(_NULLS)))
    return token in _PLAINLY_NULL or _all(others, r"^[+-]?[0-9][0-9 .,:/TZ+-]*$")


def _find_marks(texts: pl.DataFrame, delimiter: str) -> tuple[str, str, list[str]]:
    """The decimal mark, that of thousands, and what is doubtful: those that the most columns have."""
    fitting = [marks for column in texts for marks in _MARKS if _has_marks(column, *marks)]
    if not fitting:
        return ".", "", []
    [(decimal, _)] = Counter(decimal for decimal, _ in fitting).most_common(1)
    grouping = Counter(thousands for mark, thousands in fitting if mark == decimal and thousands)
    thousands = next((mark for mark, _ in grouping.most_common(1)), "")
    said = f"{decimal!r} is the decimal mark" + (f", and {thousands!r} that of thousands" if thousands else "")
    twin = decimal == "," and not thousands and delimiter != "," and _are_all_thousands(texts)
    return decimal, thousands, [said + ("; or it is that of thousands" if twin else "")]


def _has_marks(column: pl.Series, decimal: str, thousands: str) -> bool:
    """Whether the values are numbers with these marks, and some have each of the marks by which they are told."""
    telling = [mark for mark in (decimal if decimal != "." else "", thousands) if mark]
    return _all(column, _number(decimal, thousands)) and all(
        column.str.contains(mark, literal=True).any() for mark in telling
    )


def _are_all_thousands(texts: pl.DataFrame) -> bool:
    with_comma = [column for column in texts if _has_marks(column, ",", "")]
    return all(_all(column, r"^[+-]?[0-9]{1,3}(?:,[0-9]{3})*$") for column in with_comma)


def _number(decimal: str, thousands: str) -> str:
    grouped = rf"[0-9]{{1,3}}(?:{re.escape(thousands)}[0-9]{{3}})+|" if thousands else ""
    return rf"^[+-]?(?:{grouped}[0-9]+)(?:{re.escape(decimal)}[0-9]+)?$"


def _all(column: pl.Series, pattern: str) -> bool:
    values = column.drop_nulls()
    return values.len() > 0 and bool(values.str.contains(pattern).all())


def _plain_numbers(column: pl.Series, decimal: str, thousands: str) -> pl.Series | None:
    """The numbers of a column with a point and without marks of thousands; None where they are no such numbers."""
    if (decimal, thousands) == (".", "") or not _all(column, _number(decimal, thousands)):
        return None
    bare = column.str.replace_all(thousands, "", literal=True) if thousands else column
    return bare.str.replace(decimal, ".", literal=True)


def _find_dates(texts: pl.DataFrame) -> tuple[tuple[str, ...], list[pl.Series], list[str]]:
    """The formats of dates, the columns of dates as ISO 8601 writes them, and what is doubtful."""
    fitting = {column.name: list(_date_formats(column)) for column in texts}
    counts = Counter(one for formats in fitting.values() for one in formats)
    best = max(counts, key=lambda one: (counts[one], -_order(one)), default=None)
    if best is None:
        return (), [], []
    days = [_read_days(texts[name], best) for name, formats in fitting.items() if best in formats]
    notes = [f"the date format {best}"]
    if any("%d" in one and one != best for days_of in days for one in fitting[days_of.name]):
        notes = [f"the date format {best}: day and month may be the other way round"]
    has_iso = any(_all(column, r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$") for column in texts)
    return (best, *([_ISO] if has_iso else [])), [day.dt.to_string(_ISO) for day in days], notes


def _order(date_format: str) -> int:
    return _DATE_FORMATS.index(date_format) if date_format in _DATE_FORMATS else len(_DATE_FORMATS)


def _date_formats(column: pl.Series) -> Iterator[str]:
    values = column.drop_nulls()
    candidates: Sequence[str] = _DATE_FORMATS if _all(column, r"^[0-9A-Z][0-9A-Za-z]*[ ./-].{4,}[0-9]$") else ()
    if _IS_DAY.search(column.name) and _all(column, "^(?:19|20)[0-9]{6}$"):
        candidates = (_COMPACT,)
    yield from (one for one in candidates if _read_days(values, one).null_count() == 0)


def _read_days(values: pl.Series, date_format: str) -> pl.Series:
    try:
        days = values.str.to_date(date_format, strict=False)
    except pl.exceptions.PolarsError:
        return pl.Series(values.name, [None] * values.len(), pl.Date)
    return days.set(days.dt.year() < 1000, None)
