"""Texts to instants, by the formats that a source declares.

Here: pure functions over frames. Not here: what becomes of a row whose text is no time (see `validate`).
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import polars as pl

from dataflow_assets.lake.validation.repeated_hour import RepeatedHour
from dataflow_assets.sources.base import Events, Source
from dataflow_assets.sources.time_formats import has_fraction, has_zone, read_times

REPAIRED = "repaired|"  # begins the names of columns that count by row what was repaired
_INSTANT = pl.Datetime("us", "UTC")
SKIPPED = "|skipped"  # ends the names of flags of local times that the clocks of their zone skipped
_YEARS = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
_EVENT_YEARS = (datetime(2, 1, 1, tzinfo=UTC), datetime(9998, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC))
_AMBIGUOUS = "ambiguous_time"
_LEAP_SECOND = r":60|^[0-9]{8}[T ]?[0-9]{4}60"
_FINE = r"\.[0-9]{6,}[1-9]"
_USUAL = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.(?P<fraction>\d{3}|\d{6}))?(?P<zone>Z|[+-](?:[01]\d|2[0-3]):?[0-5]\d)",
    re.ASCII,
)


def with_instants(
    text: pl.DataFrame, columns: Mapping[str, str], source: Source, repeated: RepeatedHour | None = None
) -> pl.DataFrame:
    """Put beside columns of texts (String) the instants that they say (UTC microseconds), under the names given.

    An instant is null where no format reads the text, or where it lies outside the years 1 to 9999; that of an event
    outside the years 2 to 9998, for its day in any time zone must lie within those. Flags tell the texts that do not
    say an instant in full, or say more; their names begin with REPAIRED and a kind. The flags
    of local times that there were not, which end in SKIPPED, are given, and set. A local time that there was twice is
    the first of the two, unless it is that of an event and an equal one came before it in the same file, for all of
    which `repeated` is given.
    """
    found = text.with_columns(_by_first_text(text[name], source).alias(instant) for name, instant in columns.items())
    for number, time_format in enumerate(source.time_formats):
        unread = {
            name: instant for name, instant in columns.items() if found[instant].null_count() > found[name].null_count()
        }
        if unread:
            read = found.select(
                expression for item in unread.items() for expression in _read(*item, time_format, source.time_zone)
            )
            flags = _repaired(found, read, unread, time_format, source.time_zone)
            found = found.with_columns(
                *(found[instant].fill_null(read[instant]) for instant in unread.values()),
                *_skipped(read),
                *(flag.alias(f"{REPAIRED}{kind}|{instant}|{number}") for kind, instant, flag in flags),
            )
    if repeated and isinstance(source, Events) and source.event_time in source.key:
        found = _in_order(found, columns, source, repeated)
    found = found.with_columns(_leap_seconds(found, columns))
    of_event = _times_of_event(source)
    return found.with_columns(
        _in_range(columns[name], _EVENT_YEARS if name in of_event else _YEARS) for name in columns
    )


def has_local_times(source: Source) -> bool:
    """Whether a format of the source reads local times, which the clocks of its zone may have skipped."""
    return not all(map(has_zone, source.time_formats))


def _times_of_event(source: Source) -> tuple[str, ...]:
    return tuple(filter(None, (source.event_time, source.end_time))) if isinstance(source, Events) else ()


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


def _in_range(instant: str, years: tuple[datetime, datetime]) -> pl.Expr:
    return pl.when(pl.col(instant).is_between(*years)).then(instant).alias(instant)


def _read(column: str, instant: str, time_format: str, time_zone: str) -> Iterator[pl.Expr]:
    """The instants that a format reads from the texts of which none is known yet, and which were skipped."""
    found = read_times(pl.when(pl.col(instant).is_null()).then(column), time_format)
    if has_zone(time_format):
        yield found.dt.replace_time_zone("UTC").alias(instant)
        return
    zoned = found.dt.replace_time_zone(time_zone, ambiguous="earliest", non_existent="null")
    yield zoned.dt.convert_time_zone("UTC").alias(instant)
    yield (found.is_not_null() & zoned.is_null()).alias(instant + SKIPPED)


def _in_order(found: pl.DataFrame, columns: Mapping[str, str], source: Events, repeated: RepeatedHour) -> pl.DataFrame:
    """The instants, with the second of two where an equal event came before; it ends after it begins."""
    begin, end = columns[source.event_time], columns.get(source.end_time or "")
    flags = [name for name in found.columns if name.startswith(f"{REPAIRED}{_AMBIGUOUS}|{begin}|")]
    doubtful = found.filter(pl.any_horizontal(pl.lit(value=False), *flags))
    if doubtful.is_empty():
        return found
    others = [part for part in source.key if part != source.event_time]
    is_second = repeated.find_second(doubtful.select(*others, begin))
    is_moved = pl.col("position").is_in(doubtful.filter(is_second)["position"].implode())
    found = found.with_columns(pl.when(is_moved).then(_latest(pl.col(begin), source)).otherwise(begin).alias(begin))
    if end is None:
        return found
    is_before = is_moved & (pl.col(end) < pl.col(begin))
    return found.with_columns(pl.when(is_before).then(_latest(pl.col(end), source)).otherwise(end).alias(end))


def _leap_seconds(found: pl.DataFrame, columns: Mapping[str, str]) -> Iterator[pl.Expr]:
    """Flags of the texts that say a second 60, which is read as the first of the next minute."""
    on_the_minute = found.select(pl.col(instant).to_physical() % 60_000_000 < 1_000_000 for instant in columns.values())
    for name, instant in columns.items():
        candidates = found[name].filter(on_the_minute[instant])
        if candidates.str.contains(_LEAP_SECOND).any():
            is_leap = pl.col(name).str.contains(_LEAP_SECOND) & pl.col(instant).is_not_null()
            yield is_leap.alias(f"{REPAIRED}leap_second|{instant}")


def _latest(instants: pl.Expr, source: Source) -> pl.Expr:
    """The last instant at which the clocks of the source showed what they showed at another."""
    local = instants.dt.convert_time_zone(source.time_zone).dt.replace_time_zone(None)
    return local.dt.replace_time_zone(source.time_zone, ambiguous="latest").dt.convert_time_zone("UTC")


def _skipped(read: pl.DataFrame) -> Iterator[pl.Expr]:
    for flag in (name for name in read.columns if name.endswith(SKIPPED)):
        yield (pl.lit(read[flag]) | pl.col(flag)).alias(flag)


def _repaired(
    texts: pl.DataFrame, read: pl.DataFrame, columns: Mapping[str, str], time_format: str, time_zone: str
) -> Iterator[tuple[str, str, pl.Series]]:
    """Of the instants that a format read: a kind of mending, the column of the instants, and which were repaired so."""
    for column, instant in columns.items():
        found = read[instant]
        if found.null_count() == found.len():
            continue
        if has_fraction(time_format):
            read_texts = pl.when(found.is_not_null()).then(texts[column])
            yield "fine_time", instant, pl.select(read_texts.str.contains(_FINE)).to_series()
        if not has_zone(time_format):
            yield "zoneless_time", instant, found.is_not_null()
            local = found.dt.convert_time_zone(time_zone).dt.replace_time_zone(None)
            latest = local.dt.replace_time_zone(time_zone, ambiguous="latest").dt.convert_time_zone("UTC")
            yield _AMBIGUOUS, instant, latest != found
