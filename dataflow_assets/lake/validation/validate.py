"""Text to typed rows: which rows a source accepts, and why it rejects the others.

Here: pure functions over frames. Not here: how a text is read (see `casting`), reading files, and how rejects are
stored.
"""

import types
from collections import Counter
from collections.abc import Iterator
from copy import copy
from datetime import timedelta
from functools import lru_cache
from typing import Any, NamedTuple

import dataframely as dy
import polars as pl
import polars.selectors as cs

from dataflow_assets.core.time_windows import Window
from dataflow_assets.lake.validation.casting import read_texts, unreadable, values_for_texts
from dataflow_assets.lake.validation.repeated_hour import RepeatedHour
from dataflow_assets.lake.validation.timestamps import REPAIRED
from dataflow_assets.sources.base import Events, Source
from dataflow_assets.sources.changes import Changes

POSITION = "position"


class Validated(NamedTuple):
    """What became of some rows of text.

    `accepted` has the schema's columns, typed, and `position`, in the order given; `rejected` has `position` (Int64),
    `code` (String, stable: `column.rule` or the rule's name) and `message` (String). `repaired` is as in a batch, of
    the accepted rows alone.
    """

    accepted: pl.DataFrame
    rejected: pl.DataFrame
    repaired: dict[str, int]


def validate(
    text: pl.DataFrame, source: Source, bounds: Window | None, repeated: RepeatedHour | None = None
) -> Validated:
    """Split rows of text into the accepted and the rejected.

    Args:
        text: `position` (Int64), every column of the source's schema (String), and columns that count what was repaired
            (see `timestamps`).
        source: whose rules apply.
        bounds: when events may begin; None where they may at any time, and for a snapshot.
        repeated: what the same file gave of hours that clocks repeat; None where nothing came before these rows.
    """
    flagging = [*unreadable(source), *_nuls(source), *_names(text, source)]
    flags = [flag.meta.output_name() for flag in flagging]
    parsed = read_texts(text, source, repeated or RepeatedHour()).with_columns(flagging)
    flagged = parsed.clear()
    is_flagged = pl.any_horizontal(pl.lit(value=False), *flags)
    if parsed.select(is_flagged.any()).item():
        flagged = parsed.filter(is_flagged)
        parsed = parsed.filter(~is_flagged)
    values = parsed.with_columns(**values_for_texts(source))
    checked = _checked(source, bounds if bounds and not _is_inside(values, source, bounds) else None)
    accepted, failure = checked.filter(values, cast=True)
    rejected = pl.concat([_explain(flagged, flags), _explain(failure.details(), failure.counts())])
    columns = [*source.schema.column_names(), POSITION]
    return Validated(accepted.select(columns), rejected.sort(POSITION), _repaired(parsed, accepted))


def _is_inside(values: pl.DataFrame, source: Source, bounds: Window) -> bool:
    """Whether all events begin within the bounds, as most do: quicker than a rule for each row."""
    assert isinstance(source, Events)
    first, last = values.select(pl.min(source.event_time), last=pl.max(source.event_time)).row(0)
    return first is None or bool(bounds.start <= first and last < bounds.end)


@lru_cache(maxsize=100)
def _checked(source: Source, bounds: Window | None) -> type[dy.Schema]:
    """The declared schema with the row's position and the rules that follow from the declaration and the delivery."""
    members: dict[str, Any] = {POSITION: dy.Int64()}
    if isinstance(source, Events):
        start = pl.col(source.event_time)
        if source.end_time is not None:
            lasts = pl.col(source.end_time) - start
            members["ends_before_it_begins"] = dy.rule()(lambda _: lasts >= timedelta(0))
            if source.longest is not None:
                members["longest"] = dy.rule()(lambda _: lasts <= source.longest)
        if bounds:
            members[f"{source.event_time}|too_early"] = dy.rule()(lambda _: start >= bounds.start)
            members[f"{source.event_time}|too_late"] = dy.rule()(lambda _: start < bounds.end)
    if isinstance(source, Changes):
        members.update(_required_unless_deleted(source))
    checked = types.new_class(
        f"Checked{source.schema.__name__}", (source.schema,), exec_body=lambda ns: ns.update(members)
    )
    assert issubclass(checked, dy.Schema)
    return checked


def _required_unless_deleted(source: Changes) -> Iterator[tuple[str, Any]]:
    """The columns and rules of changes by which a delete needs no value that its row had, but those of its key."""
    if source.deletes is None:
        return
    is_delete = source.deletes.fill_null(value=False)
    for name in source.left_out_by_deletes:
        column = copy(source.schema.columns()[name])
        column.nullable = True
        yield name, column
        yield f"{name}|nullability", _rule(pl.col(name).is_not_null() | is_delete)


def _rule(holds: pl.Expr) -> Any:
    return dy.rule()(lambda _: holds)


def _repaired(parsed: pl.DataFrame, accepted: pl.DataFrame) -> dict[str, int]:
    """How often each kind of mending was done in rows that were accepted."""
    marks = parsed.select(cs.starts_with(REPAIRED).sum())
    if not marks.select(pl.any_horizontal(pl.lit(value=False), pl.all() > 0)).item():
        return {}
    counted: Counter[str] = Counter()
    of_accepted = parsed.join(accepted, on=POSITION, how="semi").select(pl.col(marks.columns).sum())
    for name, count in of_accepted.row(0, named=True).items():
        counted[name.split("|")[1]] += count
    return dict(+counted)


def _nuls(source: Source) -> list[pl.Expr]:
    """Flags, named like rules, of the texts that the database cannot hold."""
    return [
        pl.col(name).str.contains("\0", literal=True).fill_null(value=False).alias(f"{name}|nul")
        for name, column in source.schema.columns().items()
        if isinstance(column, dy.String | dy.Categorical)
    ]


def _names(text: pl.DataFrame, source: Source) -> list[pl.Expr]:
    """A flag, named like a rule, of the rows of names of columns: a header that no reader knew as one.

    Where not all columns are texts, such a row is no row of the source in any case.
    """
    columns = source.schema.columns()
    if len(columns) == 1 or not all(isinstance(column, dy.String | dy.Categorical) for column in columns.values()):
        return []
    folded = [name.lower() for name in columns]
    is_name = {name: pl.col(name).str.strip_chars().str.to_lowercase().is_in(folded) for name in columns}
    first, *_ = source.key
    if not text.select(is_name[first].any()).item():
        return []
    are_names = pl.all_horizontal(is_one.fill_null(value=True) for is_one in is_name.values())
    return [(are_names & (pl.sum_horizontal(is_name.values()) > 1)).alias("header")]


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


_INNER = "inner_"  # begins the rules of what is in a list or a struct
_SENTENCES = {
    "nullability": "{} is missing",
    "dtype": "{} is not of the declared type",
    "time": "{} is not a time in a declared format, of the years 1 to 9999 (of an event, 2 to 9998)",
    "skipped_time": "{} is a local time that there was not: the clocks of the declared time zone skipped it",
    "date": "{} is not a date in a declared format (2021-12-31 where none is), of the years 1 to 9999",
    "bool": "{} is neither true nor false (nor t, yes, y, 1, f, no, n or 0)",
    "decimal": "{} is not a number of no more digits than are declared",
    "json": "{} is not JSON of the declared type (its shape, its keys, a number out of range, a NUL character)",
    "nul": "{} holds a NUL character",
    "min_length": "{} is too short",
    "max_length": "{} is too long",
    "regex": "{} does not have the declared form",
    "min": "{} is below its minimum",
    "max": "{} is above its maximum",
    "nan": "{} is not a number",
    "inf": "{} is not finite",
    "header": "it holds the names of columns, as a header does",
    "too_early": "{} is before the first day that the platform keeps (DATAFLOW_FIRST_DAY)",
    "too_late": "{} is later than the day after its delivery",
    "ends_before_it_begins": "it ends before it begins",
    "longest": "it lasts longer than the source allows",
}


def _sentence(rule: str) -> str:
    column, separator, kind = rule.rpartition("|")
    if not separator:
        return _SENTENCES.get(rule, f"it breaks the rule {rule.replace('_', ' ')!r}")
    if kind.startswith(_INNER) and (rules := [known for known in _SENTENCES if kind.endswith(f"_{known}")]):
        return _SENTENCES[max(rules, key=len)].format(f"a part of {column}")
    return _SENTENCES.get(kind, "{} breaks the rule " + repr(kind)).format(column)
