"""The text of a source's declaration, as a person would write it.

Here: Python text from what was decided. Not here: deciding it (see `declaration`).
"""

import json
import keyword
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import dataframely as dy

from dataflow_assets.lake.draft.base import Sample
from dataflow_assets.lake.draft.columns import Column
from dataflow_assets.sources.time_formats import has_zone

_ENDS_IN_IE = ("mov", "cook", "ser", "spec")  # not in y


@dataclass(frozen=True)
class Happened:
    """When rows that happened did so, and how long the longest lasts."""

    start: str
    end: str | None
    longest: timedelta


@dataclass(frozen=True)
class Changed:
    """What is true of a delete, in Python, and the column by which changes are in order."""

    deletes: str | None
    ordered_by: str | None


@dataclass(frozen=True)
class Declared:
    """What a declaration says; of a snapshot there is no more. `aliases` are names in the file, by column."""

    name: str
    file_name: str
    columns: Sequence[Column]
    key: Sequence[str]
    more: Happened | Changed | None
    aliases: Mapping[str, str]

    @property
    def kind(self) -> str:
        """The class of the source."""
        return "Events" if isinstance(self.more, Happened) else "Changes" if self.more else "Snapshot"


def write_text(sample: Sample, declared: Declared, guesses: Sequence[str]) -> str:
    """The declaration, with what was guessed as comments."""
    name, kind = declared.name, declared.kind
    formats = list(dict.fromkeys(one.time_format for one in declared.columns if one.time_format))
    lines = [
        f'"""{_title(name)}, drafted from {_comment(declared.file_name)}: look at what is guessed."""',
        "",
        *_imports(sample, declared),
        *("", ""),
        f"class {_class_name(name)}(dy.Schema):",
        f'    """One row of {name}."""',
        "",
        *(f"    {line}" for line in _columns(sample, declared)),
        *("", ""),
        *(f"# Guessed: {_comment(guess)}." for guess in guesses),
        f"SOURCE = {kind}(",
        f'    name="{name}",',
        f'    singular="{singular_of(name)}",',
        f'    description="{_title(name)}.",',
        '    owner="team:data",',
        f"    schema={_class_name(name)},",
        *(f"    {line}" for line in _reader(sample)),
        f"    key=({', '.join(map(_quoted, declared.key))}{',' if len(declared.key) == 1 else ''}),",
        *(f"    {line}" for line in _more(declared.more)),
        *(f"    {line}" for line in _aliases(declared.aliases)),
        *([] if formats in ([], ["%+"]) else [f"    time_formats=({', '.join(map(_quoted, formats))},),"]),
        *([] if all(map(has_zone, formats)) else ['    time_zone="UTC",  # guessed: the times say no zone']),
        ")",
        "",
    ]
    return "\n".join(lines)


def _imports(sample: Sample, declared: Declared) -> Iterator[str]:
    more = declared.more
    if isinstance(more, Happened) and more.end:
        yield from ("from datetime import timedelta", "")
    yield "import dataframely as dy"
    if isinstance(more, Changed) and more.deletes:
        yield "import polars as pl"
    yield ""
    yield f"from dataflow_assets.sources.{'changes' if declared.kind == 'Changes' else 'base'} import {declared.kind}"
    yield f"from dataflow_assets.sources.formats import {sample.format_name}"


def _columns(sample: Sample, declared: Declared) -> Iterator[str]:
    names = _attributes([*(column.name for column in declared.columns), *sample.lists])
    for column in declared.columns:
        options = ['time_zone="UTC"'] if column.declared == "dy.Datetime" else []
        if column.name in declared.key and column.declared == "dy.String":
            options.append("min_length=1")
        if column.nullable and column.name not in declared.key:
            options.append("nullable=True")
        yield _column(names[column.name], column.name, column.declared, options) + (
            f"  # {_comment(column.note)}" if column.note else ""
        )
    for name, inner in sample.lists.items():
        yield _column(names[name], name, "dy.List", [inner, "nullable=True"])


def _reader(sample: Sample) -> Iterator[str]:
    if not sample.paths:
        yield f"reader={sample.reader},"
        return
    yield "reader=Json("
    yield "    paths={"
    for name, path in sample.paths.items():
        yield f"        {_quoted(name)}: {_quoted(path)},"
    yield "    },"
    if sample.reader:
        yield f"    {sample.reader},"
    yield "),"


def _aliases(aliases: Mapping[str, str]) -> Iterator[str]:
    if aliases:
        said = ", ".join(f"{_quoted(name)}: ({_quoted(other)},)" for name, other in aliases.items())
        yield f"aliases={{{said}}},"


def _more(more: Happened | Changed | None) -> Iterator[str]:
    if isinstance(more, Happened):
        yield f"event_time={_quoted(more.start)},"
        if more.end:
            hours = max(24, 2 ** math.ceil(math.log2(max(more.longest / timedelta(hours=1), 1))))
            yield f"end_time={_quoted(more.end)},"
            yield f"longest=timedelta(hours={hours}),  # guessed: the longest of the file lasts {more.longest}"
    elif more:
        if more.deletes:
            yield f"deletes={more.deletes},"
        if more.ordered_by:
            yield f"ordered_by={_quoted(more.ordered_by)},"


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
