"""Values as JSON can hold them, as a sentence can, and as a terminal or a page may show them.

Names and values of files may hold anything. What shows them passes them through `visible` (a terminal), `to_json`, or
`escape_markdown` and `code_span` (a page).

Here: single values and short lists, whatever they come from. Not here: the columns of tables that hold JSON (see
`json_columns`).
"""

import json
import re
import textwrap
import uuid
from collections.abc import Iterable
from datetime import date, datetime, time
from decimal import Decimal
from math import isfinite
from typing import Any

_COMMAND = re.compile(r"`[^`\n]*`")
_BLANK = "\0"  # which no visible text holds
_COLOURS = re.compile(r"\x1b\[\d*m")


def plain(value: Any) -> Any:  # noqa: PLR0911, one for each kind
    """The value as `to_json` takes it: numbers as numbers, times in ISO 8601, what else there is as text."""
    match value:
        case None | bool() | int() | str():
            return value
        case Decimal() if value.is_finite():
            return value
        case float() if isfinite(value):
            return value
        case datetime() | date() | time():
            return value.isoformat()
        case list() | tuple():
            return [plain(item) for item in value]
        case dict():
            return {name: plain(item) for name, item in value.items()}
    return digits(value)


def digits(value: Any) -> str:
    """A value as text, a Decimal without an exponent, bytes as the server writes them, what holds others as JSON."""
    if isinstance(value, bytes):
        return f"\\x{value.hex()}"
    if isinstance(value, list | tuple | dict):
        return to_json(plain(value))
    return f"{value:f}" if isinstance(value, Decimal) and value.is_finite() else str(value)


def few(names: Iterable[str], most: int) -> str:
    """The first of some names, and how many more there are."""
    first, more = (found := list(names))[:most], len(found) - most
    return ", ".join(first) + (f" and {more:,} more" if more > 0 else "")


def counted(count: int, one: str) -> str:
    """A count, and of what, by a word whose plural ends in s.

    >>> from dataflow_assets.core.formatting import counted
    >>> counted(1, "row"), counted(2500, "row")
    ('1 row', '2,500 rows')
    """
    return f"{count:,} {one}{'' if count == 1 else 's'}"


def one_line(value: Any, longest: int) -> str:
    """A value as a text of one line, cut where it is longer than so many characters; nothing where there is none."""
    text = " ".join(digits(plain(value)).split()) if value is not None else ""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def without_colours(text: str) -> str:
    """A text without what colours it in a terminal, as some libraries do in their errors."""
    return _COLOURS.sub("", text)


def visible(text: str) -> str:
    """A text without what would steer a terminal, which is written as Python writes it; line ends stay."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char == "\n" else repr(char)[1:-1] for char in text)


def fold(text: str, width: int, indent: int = 0) -> str:
    """A text whose lines are folded between words, and never within a command in backticks.

    Args:
        text: as `visible` gives it.
        width: characters that a line may have, if no word is longer.
        indent: blanks before the second line of what was one.
    """
    kept = _COMMAND.sub(lambda command: command[0].replace(" ", _BLANK), text)
    wrapper = textwrap.TextWrapper(
        width, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False
    )
    return "\n".join("\n".join(wrapper.wrap(line)) for line in kept.split("\n")).replace(_BLANK, " ")


def to_json(value: Any, indent: int | None = None) -> str:
    """JSON that a person can read in a terminal: what would steer it is escaped, other letters are not.

    A Decimal is a number of the digits that it has.
    """
    mark = uuid.uuid4().hex  # which no text holds

    def marked(number: object) -> str:
        if not isinstance(number, Decimal) or not number.is_finite():
            raise TypeError(f"JSON cannot hold {number!r}")
        return f"{mark}{number:f}{mark}"

    text = json.dumps(value, indent=indent, ensure_ascii=False, default=marked)
    text = text.replace(f'"{mark}', "").replace(f'{mark}"', "")
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char == "\n" else json.dumps(char)[1:-1] for char in text)


def escape_markdown(text: str) -> str:
    """A text as a page of Markdown shows it: no link, no image, no tag, no emphasis, on one line."""
    return "".join(f"\\{char}" if char in "\\`*_[]<>|" else char for char in visible(" ".join(text.splitlines())))


def code_span(text: str) -> str:
    """A text as code within Markdown, whatever it holds: the fence is longer than each row of backticks in it."""
    line = visible(" ".join(text.splitlines()))
    fence = "`" * (max(map(len, re.findall("`+", line)), default=0) + 1)
    pad = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{pad}{line}{pad}{fence}"


def guard_formula(text: str) -> str:
    """A text that a spreadsheet takes for text: a quote goes before what it would take for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    return bool(re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", text))
