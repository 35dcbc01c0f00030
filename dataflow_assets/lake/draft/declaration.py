"""What a sample seems to be a file of: the kind of the source, its key and its times, and what of that is a guess.

Here: these decisions. Not here: the types of columns (see `columns`), and the text of a declaration (see
`declaration_text`).
"""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Literal

import polars as pl

from dataflow_assets.errors import FormatError
from dataflow_assets.lake.draft.base import Sample
from dataflow_assets.lake.draft.changes import Marks, find_key_of_changes, find_marks
from dataflow_assets.lake.draft.columns import Column, find_event_times, find_key, guess_columns
from dataflow_assets.lake.draft.declaration_text import Changed, Declared, Happened, singular_of, write_text
from dataflow_assets.sources.base import RESERVED
from dataflow_assets.sources.formats.json import OWN_COLUMNS

Kind = Literal["snapshot", "events", "changes"]
_KINDS = {
    "snapshot": "the kind, by the lack of times: each delivery is the whole data set",
    "events": "the kind, by the times: rows that happened once",
    "changes": "the kind, by what tells a delete: each delivery holds what changed",
}
_OF_FILES = {pl.Float32: "dy.Float64", pl.Categorical: "dy.String", pl.Binary: "dy.String"}
_UNSIGNED = (pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64)
_MANY, _SOME = 1_000, 50  # rows


@dataclasses.dataclass(frozen=True)
class Draft:
    """What is declared, and the sentences that say what was guessed."""

    text: str
    kind: Kind
    guesses: tuple[str, ...]


def write_declaration(sample: Sample, name: str, file_name: str, kind: Kind | None) -> Draft:
    """The declaration of a source of that name, drafted from a sample of a file.

    Raises:
        FormatError: it cannot be of that kind, or no column can be declared.
    """
    sample, aliases = _with_free_names(sample, singular_of(name))
    texts = sample.texts
    columns = [_as_the_file_says(column, sample) for column in guess_columns(texts)]
    start, end, longest = find_event_times(texts, columns)
    marks = find_marks(texts, columns)
    if kind == "events" and start is None:
        raise FormatError(f"{file_name} has no column of times that is never empty: it can hold no events.")
    guessed: Kind = "changes" if marks.deletes is not None else "events" if start is not None else "snapshot"
    chosen = kind or guessed
    found = _find_key(texts, columns, chosen, start, marks)
    key = found or tuple(column.name for column in columns if not column.nullable and "Float" not in column.declared)
    if not key:
        raise FormatError(f"{file_name} has no columns that could identify a row.")
    guesses = (*_guesses(sample, key, is_found=found is not None, kind=chosen), *_doubts(chosen, marks))
    more = _more_of(chosen, marks, Happened(start or "", end, longest))
    declared = Declared(name, file_name, columns, key, more, {} if sample.paths else aliases)
    return Draft(write_text(sample, declared, guesses), chosen, guesses)


def _with_free_names(sample: Sample, singular: str) -> tuple[Sample, dict[str, str]]:
    """The sample with other names for columns whose names the platform has itself, and their names in the file."""
    taken = {name.lower() for name in sample.texts.columns}
    reserved = RESERVED | OWN_COLUMNS if sample.paths else RESERVED
    renamed = {}
    for name in sample.texts.columns:
        if name.lower() in reserved:
            free = f"{singular}_{name.lower()}"
            renamed[name] = free if free not in taken | reserved else f"{free}_"
    notes = (
        f"{name} is declared as {free}: the platform has a column of that name itself" for name, free in renamed.items()
    )
    changed = dataclasses.replace(
        sample,
        texts=sample.texts.rename(renamed),
        paths={renamed.get(name, name): path for name, path in sample.paths.items()},
        types={renamed.get(name, name): dtype for name, dtype in sample.types.items()},
        kept_as_text=frozenset(renamed.get(name, name) for name in sample.kept_as_text),
        notes=(*notes, *sample.notes),
    )
    return changed, {free: name for name, free in renamed.items()}


def _find_key(
    texts: pl.DataFrame, columns: Sequence[Column], kind: Kind, start: str | None, marks: Marks
) -> tuple[str, ...] | None:
    if kind == "changes":
        return find_key_of_changes(texts, columns, marks)
    return find_key(texts, columns, (start,) if kind == "events" and start else ())


def _more_of(kind: Kind, marks: Marks, happened: Happened) -> Happened | Changed | None:
    if kind == "changes":
        return Changed(marks.deletes, marks.ordered_by)
    return happened if kind == "events" else None


def _guesses(sample: Sample, key: Sequence[str], *, is_found: bool, kind: Kind) -> Iterator[str]:
    rows = sample.texts.height
    if not is_found:
        yield "no key was found: no columns tell the rows apart"
    elif kind == "changes":
        yield f"the key ({', '.join(key)}), by its name: it may come several times, once for each change"
    else:
        yield f"the key ({', '.join(key)}), {_confidence(rows)}: it tells the {rows:,} rows of the file apart"
    for part in key:
        if empty := sample.texts[part].null_count():
            yield f"rows without {part} are rejected: {empty:,} of the {rows:,}"
    yield f"types and what may be empty, {_confidence(rows)}: they fit all {rows:,} rows"
    yield _KINDS[kind]
    yield from sample.notes


def _doubts(kind: Kind, marks: Marks) -> Iterator[str]:
    if kind == "changes" and marks.deletes is None:
        yield "no column tells a delete: say deletes=pl.col(...) == ... where one does"
    if kind == "changes" and marks.ordered_by is None:
        yield "no column tells the order of changes: they are in that of deliveries"


def _confidence(rows: int) -> str:
    return "nearly sure" if rows >= _MANY else "likely" if rows >= _SOME else "unsure"


def _as_the_file_says(column: Column, sample: Sample) -> Column:
    """A guessed column, with the type that the file itself tells of it."""
    if column.name in sample.kept_as_text:
        note = "numbers with a point, kept as text: the file has another decimal mark"
        return dataclasses.replace(column, declared="dy.String", time_format=None, note=note)
    dtype = sample.types.get(column.name)
    if dtype is None:
        return column
    if isinstance(dtype, pl.Datetime):
        return dataclasses.replace(column, declared="dy.Datetime", time_format=column.time_format or "%+")
    if isinstance(dtype, pl.Decimal):
        return dataclasses.replace(column, declared=f"dy.Decimal({dtype.precision}, {dtype.scale}", time_format=None)
    if isinstance(dtype, _UNSIGNED):
        return dataclasses.replace(column, declared="dy.Int64", time_format=None)
    named = _OF_FILES.get(type(dtype), "dy." + {"Boolean": "Bool"}.get(str(dtype), str(dtype)))
    return dataclasses.replace(column, declared=named, time_format=None)
