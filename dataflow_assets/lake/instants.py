"""Texts to instants, by the formats that a source declares.

Here: pure functions over frames. Not here: what becomes of a row whose text is no time (see `validation`).
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime

import polars as pl

from dataflow_assets.sources.declaration import Source

_INSTANT = pl.Datetime("us", "UTC")
_YEARS = (datetime(2, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC))
_ZONED = ("%z", "%:z", "%#z", "%Z", "%+")
_USUAL = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.(?P<fraction>\d{3}|\d{6}))?(?P<zone>Z|[+]00:?00)")


def with_instants(text: pl.DataFrame, source: Source, columns: Iterable[str]) -> pl.DataFrame:
    """Put beside columns of texts (`name`, String) the instants that they say (`name|instant`, UTC microseconds).

    An instant is null where no format reads the text, or where it lies outside the years 2 to 9998: Python, and so
    PostgreSQL's days in any time zone, end at the years 1 and 9999.
    """
    instants = {name: f"{name}|instant" for name in columns}
    found = text.with_columns(_by_first_text(text[name], source).alias(instant) for name, instant in instants.items())
    for time_format in source.time_formats:
        unread = {
            name: instant
            for name, instant in instants.items()
            if found[instant].null_count() > found[name].null_count()
        }
        found = found.with_columns(_or_else(*item, time_format, source.time_zone) for item in unread.items())
    return found.with_columns(_in_range(instant) for instant in instants.values())


def _by_first_text(texts: pl.Series, source: Source) -> pl.Expr:
    """What the texts say where all of their parts are as long as the first one's; null where they are not.

    Polars reads `%+`, whose parts may be of any length, four times as slowly.
    """
    first = texts.drop_nulls().head(1)
    usual = _USUAL.fullmatch(first.item()) if source.time_formats[0] == "%+" and first.len() else None
    if usual is None:
        return pl.lit(None, _INSTANT)
    fraction = f".%{len(usual['fraction'])}f" if usual["fraction"] else ""
    time_format = f"%Y-%m-%dT%H:%M:%S{fraction}{usual['zone']}"
    return (
        pl.col(texts.name)
        .str.to_datetime(time_format, time_unit="us", strict=False, cache=False)
        .dt.replace_time_zone("UTC")
    )


def _in_range(instant: str) -> pl.Expr:
    return pl.when(pl.col(instant).is_between(*_YEARS, closed="left")).then(instant).alias(instant)


def _or_else(column: str, instant: str, time_format: str, time_zone: str) -> pl.Expr:
    """The instants that are known, and those that a format reads from the other texts."""
    unread = pl.when(pl.col(instant).is_null()).then(column)
    return pl.coalesce(instant, _read(unread, time_format, time_zone))


def _read(text: pl.Expr, time_format: str, time_zone: str) -> pl.Expr:
    if any(zone in time_format for zone in _ZONED):
        return text.str.to_datetime(time_format, time_unit="us", time_zone="UTC", strict=False)
    local = text.str.to_datetime(time_format, time_unit="us", strict=False)
    return local.dt.replace_time_zone(time_zone, ambiguous="earliest", non_existent="null").dt.convert_time_zone("UTC")
