"""Text to typed rows: which rows a source accepts, and why it rejects the others.

Here: pure functions over frames. Not here: reading files, and how rejects are stored.
"""

import types
from functools import cache
from typing import Any

import dataframely as dy
import polars as pl

from dataflow_assets.lake.instants import with_instants
from dataflow_assets.sources.declaration import Events, Source

POSITION = "position"


def validate(text: pl.DataFrame, source: Source) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split rows of text into the accepted and the rejected.

    Args:
        text: `position` (Int64) and every column of the source's schema (String).
        source: whose rules apply.

    Returns:
        The accepted rows: the schema's columns, typed, and `position`, in the order given. The rejected:
        `position` (Int64), `code` (String, stable: `column.rule` or the rule's name) and `message` (String).
    """
    times = _columns_of(source, dy.Datetime)
    parsed = with_instants(text, source, times).with_columns(_unreadable(source))
    flags = [name for name in parsed.columns if name.endswith(("|time", "|nul"))]
    unreadable = parsed.clear()
    is_unreadable = pl.any_horizontal(pl.lit(value=False), *flags)
    if parsed.select(is_unreadable.any()).item():
        unreadable = parsed.filter(is_unreadable)
        parsed = parsed.filter(~is_unreadable)
    instants = {name: pl.col(f"{name}|instant") for name in times}
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
