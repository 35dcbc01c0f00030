"""Values as JSON can hold them, and as a sentence can.

Here: single values and short lists, whatever they come from. Not here: the columns of tables that hold JSON (see
`nested`).
"""

import re
from collections.abc import Iterable
from datetime import date, datetime, time
from decimal import Decimal
from math import isfinite
from typing import Any

_COLOURS = re.compile(r"\x1b\[\d*m")


def plain(value: Any) -> Any:  # noqa: PLR0911, one for each kind
    """The value as JSON can hold it: numbers as numbers, times in ISO 8601, what else there is as text."""
    match value:
        case None | bool() | int() | str():
            return value
        case Decimal() if value.is_finite():
            return int(value) if value == value.to_integral_value() else float(value)
        case float() if isfinite(value):
            return value
        case datetime() | date() | time():
            return value.isoformat()
        case list() | tuple():
            return [plain(item) for item in value]
        case dict():
            return {name: plain(item) for name, item in value.items()}
    return f"\\x{value.hex()}" if isinstance(value, bytes) else str(value)


def few(names: Iterable[str], most: int) -> str:
    """The first of some names, and how many more there are."""
    first, more = (found := list(names))[:most], len(found) - most
    return ", ".join(first) + (f" and {more:,} more" if more > 0 else "")


def one_line(value: Any, longest: int) -> str:
    """A value as a text of one line, cut where it is longer than so many characters; nothing where there is none."""
    text = " ".join(str(plain(value)).split()) if value is not None else ""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def without_colours(text: str) -> str:
    """A text without what colours it in a terminal, as some libraries do in their errors."""
    return _COLOURS.sub("", text)
