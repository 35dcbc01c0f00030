"""The formats of times: which there are, what each reads, and whether one keeps the instants that it is given.

Here: expressions over texts, and the check of a format when it is declared. Not here: which format is tried when, and
what becomes of a text that none reads (see `lake.validation`).
"""

import re
import warnings
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cache

import polars as pl

ISO = "%+"
EPOCH = {"%s": 0, "epoch_seconds": 0, "epoch_milliseconds": 3, "epoch_microseconds": 6}  # digits after the second
_ZONED = re.compile(r"%z|%:z|%#z|%\+|%s|(?<!%)Z$")
_OFFSET = re.compile(r"%[:#]?z")
_FRACTION = re.compile(r"%(\.?)([369]?)f")
_SECONDS = re.compile(r"%(?:[STXcrs]|\.?[369]?f)")
_LOOSE_ISO = (
    r"^([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2})(?:(:[0-9]{2})(?:[.,]([0-9]+))?)?"
    r" ?([Zz]|[+-][0-9]{2}(?::?[0-9]{2})?)$"
)
_KOLKATA = timedelta(hours=5, minutes=30)
_SAMPLES = tuple(
    datetime.fromisoformat(text)
    for text in ("1999-12-31T23:59:58.123456", "2004-02-29T12:34:56.500000", "2031-10-09T00:07:06.000000")
)
_YEARS = (datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999_999))  # noqa: DTZ001


def has_zone(time_format: str) -> bool:
    """Whether a text of that format says its offset from UTC, if only by a Z at its end, or needs none."""
    return time_format in EPOCH or bool(_ZONED.search(time_format))


def has_fraction(time_format: str) -> bool:
    """Whether a text of that format may say more than microseconds."""
    return time_format in EPOCH or time_format == ISO or bool(_FRACTION.search(time_format))


def read_times(text: pl.Expr, time_format: str) -> pl.Expr:
    """The times (microseconds without a zone) that texts of a format say: of UTC where it has a zone, else local ones.

    Null where a text is not of the format, and beyond the years 1 to 9999.
    """
    if time_format in EPOCH:
        found = _since_1970(text, EPOCH[time_format])
    else:
        found = _parsed(text, time_format)
        year = pl.when(found.dt.year() < 1000).then(found.dt.year().cast(pl.String).str.zfill(4))
        # A year of two digits is not one of the first century.
        found = pl.when(year.is_null() | text.str.contains(year, literal=True)).then(found)
    if time_format == ISO:
        found = pl.coalesce(found, _parsed(_as_rfc_3339(pl.when(found.is_null()).then(text)), ISO))
    return pl.when(found.is_between(*_YEARS)).then(found)


def _as_rfc_3339(text: pl.Expr) -> pl.Expr:
    """What Java, PostgreSQL and others write: no seconds, a blank for the T, a comma, an offset of hours alone."""
    day, minute, second, fraction, offset = (text.str.extract(_LOOSE_ISO, group) for group in range(1, 6))
    zone = pl.when(offset.str.len_bytes() == len("+hh")).then(offset + ":00").otherwise(offset.str.to_uppercase())
    return pl.concat_str(day, pl.lit("T"), minute, second.fill_null(":00"), pl.lit(".") + fraction.fill_null("0"), zone)


def _parsed(text: pl.Expr, time_format: str) -> pl.Expr:
    found = text.str.to_datetime(time_format, time_unit="us", strict=False, ambiguous="null")
    return found.dt.replace_time_zone(None) if _OFFSET.search(time_format) or time_format == ISO else found


def _since_1970(text: pl.Expr, digits: int) -> pl.Expr:
    """Of numbers in a unit of so many digits after the second; what is finer than microseconds is cut."""
    finer = 6 - digits
    pattern = rf"^(-?[0-9]{{1,{12 + digits}}})(?:\.([0-9]{{0,{finer}}})[0-9]*)?$"
    fraction = (text.str.extract(pattern, 2).fill_null("") + "0" * finer).str.head(finer) if finer else pl.lit("0")
    sign = pl.when(text.str.starts_with("-")).then(-1).otherwise(1)
    whole = text.str.extract(pattern, 1).cast(pl.Int64)
    microseconds: pl.Expr = whole * 10**finer + sign * fraction.cast(pl.Int64)
    return microseconds.cast(pl.Datetime("us"))


def wrong_formats(time_formats: tuple[str, ...]) -> Iterator[str]:
    """A sentence for each format that does not keep the instants that it is given."""
    if not time_formats:
        yield "there is no time format"
    for time_format in time_formats:
        if problem := _problem(time_format):
            yield f"the time format {time_format!r} cannot be used: {problem}"


@cache
def _problem(time_format: str) -> str | None:
    """Why a format cannot be used, found by writing times in it and reading them."""
    if time_format in EPOCH or time_format == ISO:
        return None
    if "%Z" in time_format:
        return "names of zones, such as CET, are not read; use %z for an offset, or declare the time zone"
    for moment in _SAMPLES:
        try:
            text = _written(moment, time_format)
            found = _found(text, time_format)
        except pl.exceptions.PolarsError as error:
            return str(error).partition("\n")[0].rstrip(".")
        if _OFFSET.search(time_format) and found:
            found += _KOLKATA
        if found not in _kept(moment, time_format):
            advice = "; write %.f, without a point before it, for a fraction" if "%f" in time_format else ""
            return f"{moment} is written {text!r}, which is read as {found}{advice}"
    return None


def _found(text: str, time_format: str) -> datetime | None:
    with warnings.catch_warnings(action="ignore"):  # of what is found out here anyway
        found = pl.select(read_times(pl.lit(text), time_format)).item()
    assert found is None or isinstance(found, datetime)
    return found


def _written(moment: datetime, time_format: str) -> str:
    """A time as other programs write it: a fraction of seconds in its digits, not in nanoseconds as chrono does."""

    def fraction(found: re.Match[str]) -> str:
        shown = f"{moment:%f}"
        return found[1] + (shown.ljust(int(found[2]), "0")[: int(found[2])] if found[2] else shown.rstrip("0") or "0")

    plain = _FRACTION.sub(fraction, time_format).replace("%#z", "%z")
    local = pl.lit(moment, pl.Datetime("us"))
    written = local.dt.replace_time_zone("Asia/Kolkata") if _OFFSET.search(plain) else local
    return str(pl.select(written.dt.to_string(plain)).item())


def _kept(moment: datetime, time_format: str) -> list[datetime]:
    """What may be read of a time: without the parts that the format does not have."""
    second = moment.replace(microsecond=0)
    if fraction := _FRACTION.search(time_format):
        return [moment.replace(microsecond=moment.microsecond // 1000 * 1000) if fraction[2] == "3" else moment]
    if _SECONDS.search(time_format):
        return [second]
    return [second.replace(second=0), second.replace(second=0, minute=0), second.replace(second=0, minute=0, hour=0)]
