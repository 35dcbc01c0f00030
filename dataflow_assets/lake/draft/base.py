"""What a sample of a file is.

Here: the value that every way of looking into a file gives, how a declaration writes the values of options, and the
encoding of text of which a character has one byte or is UTF-8. Not here: looking into files (see `sample` and the
modules of single formats).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

MOST_ROWS = 200_000


@dataclass(frozen=True)
class Sample:
    """The first rows of a file.

    `texts` has a String column for each column, null where it is empty, with numbers and dates as they are written by
    default; `reader` says in Python how the file is declared; `paths` are the JSON paths of the columns; `types` the
    declared types that the file itself tells, `lists` those of columns that hold lists; `kept_as_text` are columns
    whose values the declared options cannot read as anything else; `notes` what was guessed or left out.
    """

    texts: pl.DataFrame
    reader: str
    format_name: str
    paths: Mapping[str, str] = field(default_factory=dict)
    lists: Mapping[str, str] = field(default_factory=dict)
    types: Mapping[str, pl.DataType] = field(default_factory=dict)
    kept_as_text: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()


def write_options(options: Mapping[str, object]) -> str:
    """Options in Python, those that are empty aside.

    >>> from dataflow_assets.lake.draft.base import write_options
    >>> write_options({"delimiter": ";", "decimal": "", "nulls": ("NULL",), "skip_lines": 2})
    'delimiter=";", nulls=("NULL",), skip_lines=2'
    """
    return ", ".join(f"{name}={_write(value)}" for name, value in options.items() if value not in (None, "", (), 0))


def guess_encoding(content: bytes) -> str:
    """The encoding of what a file begins with: UTF-8 where its whole lines are, or that of Windows."""
    try:
        content[: max(content.rfind(b"\n"), content.rfind(b"\r")) + 1].decode("utf-8")
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def _write(value: object) -> str:
    if isinstance(value, tuple):
        return f"({', '.join(map(_write, value))},)"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_write(name)}: {_write(inner)}" for name, inner in value.items()) + "}"
    return json.dumps(value) if isinstance(value, str) else repr(value)
