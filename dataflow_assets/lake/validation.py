"""Text to typed rows: which rows a source accepts, and why it rejects the others.

Here: pure functions over frames. Not here: reading files, and how rejects are stored.
"""

import types
from datetime import UTC, datetime
from functools import cache
from typing import Any

import dataframely as dy
import polars as pl

from dataflow_assets.sources.declaration import Events, Source

POSITION = "position"
_YEARS = (datetime(2, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC))
_ZONED = ("%z", "%:z", "%#z", "%Z", "%+")


def validate(text: pl.DataFrame, source: Source) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split rows of text into the accepted and the rejected.

    Args:
        text: `position` (Int64) and every column of the source's schema (String).
        source: whose rules apply.

    Returns:
        The accepted rows: the schema's columns, typed, and `position`, in the order given. The rejected:
        `position` (Int64), `code` (String, stable: `column.rule` or the rule's name) and `message` (String).
    """
    parsed = text.with_columns(_instants(source)).with_columns(_in_range(source)).with_columns(_unreadable(source))
    flags = [name for name in parsed.columns if name.endswith(("|time", "|nul"))]
    unreadable = parsed.clear()
    is_unreadable = pl.any_horizontal(pl.lit(value=False), *flags)
    if parsed.select(is_unreadable.any()).item():
        unreadable = parsed.filter(is_unreadable)
        parsed = parsed.filter(~is_unreadable)
    instants = {name: pl.col(f"{name}|instant") for name in _columns_of(source, dy.Datetime)}
    accepted, failure = _checked(source).filter(parsed.with_columns(**instants), cast=True)
    rejected = pl.concat([_explain(unreadable, flags), _explain(failure.details(), failure.counts())])
    return accepted, rejected.sort(POSITION)


@cache
def _checked(source: Source) -> type[dy.Schema]:
    """The declared schema with the row's position and the rules that follow from the declaration."""
    members: dict[str, Any] = {POSITION: dy.Int64()}
    if isinstance(source, Events):
        lasts = pl.col(source.end_time) - pl.col(source.event_time)
        members["longest"] = dy.rule()(lambda _: lasts <= source.longest)
    checked = types.new_class(
        f"Checked{source.schema.__name__}", (source.schema,), exec_body=lambda ns: ns.update(members)
    )
    assert issubclass(checked, dy.Schema)
    return checked


def _columns_of(source: Source, *kinds: type[dy.Column]) -> list[str]:
    return [name for name, column in source.schema.columns().items() if isinstance(column, kinds)]


def _instants(source: Source) -> list[pl.Expr]:
    """The instants that the texts of each column of times say, beside the texts."""
    return [_instant(name, source).alias(f"{name}|instant") for name in _columns_of(source, dy.Datetime)]


def _instant(column: str, source: Source) -> pl.Expr:
    """The column's text as UTC microseconds by the first format that reads it; null where none does."""
    return pl.coalesce(_read_instant(column, time_format, source.time_zone) for time_format in source.time_formats)


def _in_range(source: Source) -> list[pl.Expr]:
    """The instants again, null outside the years 2 to 9998.

    Python, and so PostgreSQL's days in any time zone, end at the years 1 and 9999.
    """
    instants = [pl.col(f"{name}|instant") for name in _columns_of(source, dy.Datetime)]
    return [pl.when(instant.is_between(*_YEARS, closed="left")).then(instant) for instant in instants]


def _read_instant(column: str, time_format: str, time_zone: str) -> pl.Expr:
    text = pl.col(column).str
    if any(zone in time_format for zone in _ZONED):
        return text.to_datetime(time_format, time_unit="us", time_zone="UTC", strict=False)
    local = text.to_datetime(time_format, time_unit="us", strict=False)
    return local.dt.replace_time_zone(time_zone, ambiguous="earliest", non_existent="null").dt.convert_time_zone("UTC")


def _unreadable(source: Source) -> list[pl.Expr]:
    """Flags, named like rules, for what a cast cannot tell from an absent value or the database cannot hold."""
    times = [
        (pl.col(name).is_not_null() & pl.col(f"{name}|instant").is_null()).alias(f"{name}|time")
        for name in _columns_of(source, dy.Datetime)
    ]
    nuls = [
        pl.col(name).str.contains("\0", literal=True).fill_null(value=False).alias(f"{name}|nul")
        for name in _columns_of(source, dy.String)
    ]
    return times + nuls


def _explain(broken: pl.DataFrame, rules: Any) -> pl.DataFrame:
    """One row per rejected row: its position, the first rule that it breaks, and all of them in a sentence."""
    names = sorted(rules, key=lambda rule: ("|" not in rule, broken.columns.index(rule)))
    hits = [pl.when(_is_broken(broken, name)).then(pl.lit(name)) for name in names]
    sentences = [pl.when(_is_broken(broken, name)).then(pl.lit(_sentence(name))) for name in names]
    if not names:
        return pl.DataFrame(schema={POSITION: pl.Int64, "code": pl.String, "message": pl.String})
    return broken.select(
        pl.col(POSITION).cast(pl.Int64),
        code=pl.coalesce(hits).str.replace("|", ".", literal=True),
        message=pl.concat_str(sentences, separator="; ", ignore_nulls=True) + ".",
    )


def _is_broken(broken: pl.DataFrame, rule: str) -> pl.Expr:
    return pl.col(rule) if broken.schema[rule] == pl.Boolean else pl.col(rule) == "invalid"


_SENTENCES = {
    "nullability": "{} is missing",
    "dtype": "{} is not of the declared type",
    "time": "{} is not a time in a declared format, of the years 2 to 9998",
    "nul": "{} holds a NUL character",
    "min_length": "{} is too short",
    "max_length": "{} is too long",
    "regex": "{} does not have the declared form",
    "min": "{} is below its minimum",
    "max": "{} is above its maximum",
    "nan": "{} is not a number",
    "inf": "{} is not finite",
    "longest": "it lasts longer than the source allows",
}


def _sentence(rule: str) -> str:
    column, separator, kind = rule.rpartition("|")
    if not separator:
        return _SENTENCES.get(rule, f"it breaks the rule {rule.replace('_', ' ')!r}")
    return _SENTENCES.get(kind, "{} breaks the rule " + repr(kind)).format(column)
