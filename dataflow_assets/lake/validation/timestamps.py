"""Texts to instants, by the formats that a source declares.

Here: pure functions over frames. Not here: what becomes of a row whose text is no time (see `validate`).
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import polars as pl

from dataflow_assets.sources.base import Source

REPAIRED = "repaired|"  # begins the names of columns that count by row what was repaired
_INSTANT = pl.Datetime("us", "UTC")
_YEARS = (datetime(2, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC))
_ZONED = ("%z", "%:z", "%#z", "%Z", "%+")
_FRACTION = re.compile(r"%\+|%\.?[0-9]?f")
_FINE = r"\.[0-9]{6,}[1-9]"
_USUAL = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.(?P<fraction>\d{3}|\d{6}))?(?P<zone>Z|[+-](?:[01]\d|2[0-3]):?[0-5]\d)",
    re.ASCII,
)


def with_instants(text: pl.DataFrame, columns: Mapping[str, str], source: Source) -> pl.DataFrame:
    """Put beside columns of texts (String) the instants that they say (UTC microseconds), under the names given.

    An instant is null where no format reads the text, or where it lies outside the years 2 to 9998: Python, and so
    PostgreSQL's days in any time zone, end at the years 1 and 9999. Flags tell the texts that do not say an instant in
    full, or say more; their names begin with REPAIRED and a kind.
    """
    found = text.with_columns(_by_first_text(text[name], source).alias(instant) for name, instant in columns.items())
    for number, time_format in enumerate(source.time_formats):
        unread = {
            name: instant for name, instant in columns.items() if found[instant].null_count() > found[name].null_count()
        }
        if unread:
            read = found.select(_read(*item, time_format, source.time_zone) for item in unread.items())
            flags = _repaired(found, read, unread, time_format, source.time_zone)
            found = found.with_columns(
                *(found[instant].fill_null(read[instant]) for instant in unread.values()),
                *(flag.alias(f"{REPAIRED}{kind}|{instant}|{number}") for kind, instant, flag in flags),
            )
    return found.with_columns(_in_range(instant) for instant in columns.values())


def _by_first_text(texts: pl.Series, source: Source) -> pl.Expr:
    """What the texts say that have parts as long as the first one's, and its offset; null where they have not.

    Polars reads `%+`, whose parts may be of any length, four times as slowly.
    """
    first = texts.drop_nulls().head(1)
    usual = _USUAL.fullmatch(first.item()) if source.time_formats[0] == "%+" and first.len() else None
    if usual is None:
        return pl.lit(None, _INSTANT)
    fraction = f".%{len(usual['fraction'])}f" if usual["fraction"] else ""
    time_format = f"%Y-%m-%dT%H:%M:%S{fraction}{usual['zone']}"
    local = pl.col(texts.name).str.to_datetime(time_format, time_unit="us", strict=False, cache=False)
    offset = datetime.strptime(usual["zone"], "%z").utcoffset()
    return local.dt.replace_time_zone("UTC") - offset if offset else local.dt.replace_time_zone("UTC")


def _in_range(instant: str) -> pl.Expr:
    return pl.when(pl.col(instant).is_between(*_YEARS, closed="left")).then(instant).alias(instant)


def _read(column: str, instant: str, time_format: str, time_zone: str) -> pl.Expr:
    """The instants that a format reads from the texts of which none is known yet."""
    text = pl.when(pl.col(instant).is_null()).then(column).alias(instant)
    if _has_zone(time_format):
        return text.str.to_datetime(time_format, time_unit="us", time_zone="UTC", strict=False)
    local = text.str.to_datetime(time_format, time_unit="us", strict=False)
    return local.dt.replace_time_zone(time_zone, ambiguous="earliest", non_existent="null").dt.convert_time_zone("UTC")


def _repaired(
    texts: pl.DataFrame, read: pl.DataFrame, columns: Mapping[str, str], time_format: str, time_zone: str
) -> Iterator[tuple[str, str, pl.Series]]:
    """Of the instants that a format read: a kind of mending, the column of the instants, and which were repaired so."""
    for column, instant in columns.items():
        found = read[instant]
        if found.null_count() == found.len():
            continue
        if _FRACTION.search(time_format):
            read_texts = pl.when(found.is_not_null()).then(texts[column])
            yield "fine_time", instant, pl.select(read_texts.str.contains(_FINE)).to_series()
        if not _has_zone(time_format):
            yield "zoneless_time", instant, found.is_not_null()
            local = found.dt.convert_time_zone(time_zone).dt.replace_time_zone(None)
            latest = local.dt.replace_time_zone(time_zone, ambiguous="latest").dt.convert_time_zone("UTC")
            yield "ambiguous_time", instant, latest != found


def _has_zone(time_format: str) -> bool:
    return any(zone in time_format for zone in _ZONED)
