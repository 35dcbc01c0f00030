"""Values of SQLite as those of other types, exactly.

Here: one value, of which texts come as bytes. Not here: which type a column has (see `query.sqlite`).

Each function raises ValueError where the value is none of the type, or would have to be another to be one.
"""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

_OTHER_FORMS = re.compile(r"\d{4}-?W|(\d{4}-\d\d-\d\d|\d{8})[\d.,+-]", re.ASCII)  # weeks, numbers, and days with a zone
_FINER = re.compile(r"(?P<zone>[+-]\d\d:?\d\d:?\d\d)?[.,]\d{6}(?P<digits>\d+)", re.ASCII)
SHORTEST_FINER = len("20211231T100000.1234567")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NANOSECONDS = 2**63  # less are kept in 64 bits


def as_bytes(value: Any) -> bytes:
    """The bytes of a blob or a text, or of what `as_text` gives for a number."""
    return value if isinstance(value, bytes) else repr(value).encode()


def as_text(value: Any) -> str:
    """A text, or the shortest that says a number exactly."""
    return value.decode() if isinstance(value, bytes) else repr(value)


def as_float(value: Any) -> float:
    """A number that is a float, or a whole one that has an equal float."""
    if (found := float(value)) != value:
        raise ValueError
    return found


def as_bool(value: Any) -> bool:
    """What 0 and 1 stand for."""
    if value not in (0, 1):
        raise ValueError
    return bool(value)


def as_date(value: Any) -> date:
    """The date that a text such as `2021-12-31` or `20211231` says."""
    return date.fromisoformat(_iso(value))


def as_nanoseconds(value: Any) -> int:
    """The nanoseconds since 1970 that a text says, if they can be counted: those of the years 1678 to 2261 can."""
    text = _iso(value)
    finer = _finer(text)
    found = _microseconds(text) * 1000 + int(f"{finer[:3]:0<3}")
    if finer[3:] or abs(found) >= _NANOSECONDS:
        raise ValueError
    return found


def as_microseconds(value: Any) -> int:
    """The microseconds since 1970 that a text says."""
    text = _iso(value)
    if len(text) >= SHORTEST_FINER and _finer(text):
        raise ValueError
    return _microseconds(text)


def _iso(value: Any) -> str:
    """A text that says nothing else to Python than what it is."""
    if not isinstance(value, bytes) or _OTHER_FORMS.match(text := value.decode()):
        raise ValueError
    return text


def _microseconds(text: str) -> int:
    """Those of a text such as `2021-12-31 23:59:59.5+01:00`, cut; without a zone it is in UTC."""
    moment = datetime.fromisoformat(text)
    return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH) // _MICROSECOND


def _finer(text: str) -> str:
    """The digits after the microseconds, without zeros at the end; a zone has none."""
    found = {one["zone"]: one["digits"].rstrip("0") for one in _FINER.finditer(text)}
    if any(digits for zone, digits in found.items() if zone):
        raise ValueError
    return found.get(None, "")
