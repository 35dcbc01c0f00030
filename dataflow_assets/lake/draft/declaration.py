"""The text of a source's declaration, as a person would write it.

Here: Python text from what was found in a file. Not here: finding it (see `sample` and `columns`).
"""

import dataclasses
import json
import keyword
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

import dataframely as dy
import polars as pl

from dataflow_assets.errors import FormatError
from dataflow_assets.lake.draft.columns import Column, find_event_times, find_key, guess_columns
from dataflow_assets.lake.draft.sample import Sample
from dataflow_assets.sources.base import RESERVED

Kind = Literal["snapshot", "events"]
_OF_FILES = {pl.Float32: "dy.Float64", pl.Categorical: "dy.String", pl.Binary: "dy.String"}
_UNSIGNED = (pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64)
_MANY, _SOME = 1_000, 50  # rows
_ENDS_IN_IE = ("mov", "cook", "ser", "spec")  # not in y


@dataclass(frozen=True)
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
    kept = [column for column in sample.texts.columns if column.lower() not in RESERVED]
    texts = sample.texts.select(kept)
    columns = [_as_the_file_says(column, sample) for column in guess_columns(texts)]
    start, end, longest = find_event_times(texts, columns)
    if kind == "events" and start is None:
        raise FormatError(f"{file_name} has no column of times that is never empty: it can hold no events.")
    is_events = start is not None and kind != "snapshot"
    found = find_key(texts, columns, (start,) if is_events and start else ())
    key = found or tuple(column.name for column in columns if not column.nullable and "Float" not in column.declared)
    if not key:
        raise FormatError(f"{file_name} has no columns that could identify a row.")
    guesses = tuple(_guesses(sample, kept, key, is_unique=found is not None, is_events=is_events))
    writer = _Writer(sample, name, file_name, columns, key)
    times = (start or "", end, longest) if is_events else None
    return Draft(writer.write(times, guesses), "events" if is_events else "snapshot", guesses)


def _guesses(
    sample: Sample, kept: Sequence[str], key: Sequence[str], *, is_unique: bool, is_events: bool
) -> Iterator[str]:
    rows = sample.texts.height
    if is_unique:
        yield f"the key ({', '.join(key)}), {_confidence(rows)}: it tells the {rows:,} rows of the file apart"
    else:
        yield "no key was found: no columns tell the rows apart"
    for part in key:
        if empty := sample.texts[part].null_count():
            yield f"rows without {part} are rejected: {empty:,} of the {rows:,}"
    yield f"types and what may be empty, {_confidence(rows)}: they fit all {rows:,} rows"
    yield f"the kind, by the {'times' if is_events else 'lack of times'}: " + (
        "rows that happened once" if is_events else "each delivery is the whole data set"
    )
    for name in sample.texts.columns:
        if name not in kept:
            yield f"the column {name} is kept out: the platform has one of that name itself"
    yield from sample.notes


def _confidence(rows: int) -> str:
    return "nearly sure" if rows >= _MANY else "likely" if rows >= _SOME else "unsure"


def _as_the_file_says(column: Column, sample: Sample) -> Column:
    """A guessed column, with the type that the file itself tells of it."""
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


@dataclass(frozen=True)
class _Writer:
    sample: Sample
    name: str
    file_name: str
    columns: Sequence[Column]
    key: Sequence[str]

    def write(self, times: tuple[str, str | None, timedelta] | None, guesses: Sequence[str]) -> str:
        kind = "Events" if times else "Snapshot"
        formats = list(dict.fromkeys(one.time_format for one in self.columns if one.time_format))
        lines = [
            f'"""{_title(self.name)}, drafted from {_comment(self.file_name)}: look at what is guessed."""',
            "",
            *(["from datetime import timedelta", ""] if times and times[1] else []),
            "import dataframely as dy",
            "",
            f"from dataflow_assets.sources.base import {kind}",
            f"from dataflow_assets.sources.formats import {self.sample.format_name}",
            *("", ""),
            f"class {_class_name(self.name)}(dy.Schema):",
            f'    """One row of {self.name}."""',
            "",
            *(f"    {line}" for line in self._columns()),
            *("", ""),
            *(f"# Guessed: {_comment(guess)}." for guess in guesses),
            f"SOURCE = {kind}(",
            f'    name="{self.name}",',
            f'    singular="{singular_of(self.name)}",',
            f'    description="{_title(self.name)}.",',
            '    owner="team:data",',
            f"    schema={_class_name(self.name)},",
            *(f"    {line}" for line in self._reader()),
            f"    key=({', '.join(map(_quoted, self.key))},),",
            *(f"    {line}" for line in _times(times)),
            *([] if formats in ([], ["%+"]) else [f"    time_formats=({', '.join(map(_quoted, formats))},),"]),
            *(['    time_zone="UTC",  # guessed: the times say no zone'] if _is_zoneless(formats) else []),
            ")",
            "",
        ]
        return "\n".join(lines)

    def _columns(self) -> Iterator[str]:
        names = _attributes([*(column.name for column in self.columns), *self.sample.lists])
        for column in self.columns:
            options = ['time_zone="UTC"'] if column.declared == "dy.Datetime" else []
            if column.name in self.key and column.declared == "dy.String":
                options.append("min_length=1")
            if column.nullable and column.name not in self.key:
                options.append("nullable=True")
            yield _column(names[column.name], column.name, column.declared, options) + (
                f"  # {_comment(column.note)}" if column.note else ""
            )
        for name, inner in self.sample.lists.items():
            yield _column(names[name], name, "dy.List", [inner, "nullable=True"])

    def _reader(self) -> Iterator[str]:
        if not self.sample.paths:
            yield f"reader={self.sample.reader},"
            return
        yield "reader=Json("
        yield "    paths={"
        for name, path in self.sample.paths.items():
            if name.lower() not in RESERVED:
                yield f"        {_quoted(name)}: {_quoted(path)},"
        yield "    },"
        if self.sample.reader:
            yield f"    {self.sample.reader},"
        yield "),"


def _attributes(columns: Sequence[str]) -> dict[str, str]:
    """The attribute of the schema for each column: its name, where that can be one."""
    found: dict[str, str] = {}
    for name in columns:
        is_free = name.isidentifier() and not keyword.iskeyword(name) and not hasattr(dy.Schema, name)
        attribute = (
            name if is_free and name[0] != "_" else "column_" + re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_").lower()
        )
        while attribute in found.values():
            attribute += "_"
        found[name] = attribute
    return found


def _column(attribute: str, name: str, declared: str, options: Sequence[str]) -> str:
    given = ", ".join([*options, *([] if attribute == name else [f"alias={_quoted(name)}"])])
    call = f"{declared}, {given}" if "(" in declared and given else f"{declared}{'' if '(' in declared else '('}{given}"
    return f"{attribute} = {call})"


def _times(times: tuple[str, str | None, timedelta] | None) -> Iterator[str]:
    if times is None:
        return
    start, end, longest = times
    yield f"event_time={_quoted(start)},"
    if end:
        hours = max(24, 2 ** math.ceil(math.log2(max(longest / timedelta(hours=1), 1))))
        yield f"end_time={_quoted(end)},"
        yield f"longest=timedelta(hours={hours}),  # guessed: the longest of the file lasts {longest}"


def _is_zoneless(formats: Sequence[str]) -> bool:
    return any(one != "%+" and "z" not in one for one in formats)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)  # which Python reads as the same text


def _comment(text: str) -> str:
    """A text that ends neither a comment nor a docstring, whatever names of files and columns it holds."""
    return "".join(one if one.isprintable() else " " for one in text).replace('"', "'").replace("\\", "/")


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _class_name(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def singular_of(name: str) -> str:
    """What one row of a source of that name is called."""
    if name.endswith("ies") and not name.removesuffix("ies").endswith(_ENDS_IN_IE):
        return name[:-3] + "y"
    return name[:-1] if name.endswith("s") and not name.endswith("ss") else name
