"""Values of SQLite as those of other types, exactly.

Here: one value, of which texts come as bytes. Not here: which type a column has (see `query.sqlite`).

Each function raises ValueError where the value is none of the type, or would have to be another to be one.
"""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_INSTANT = re.compile(
    r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(?P<fraction>\.\d{1,9})?)?(Z|[+-]\d\d(:?\d\d)?)?)?",
    re.ASCII,
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
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
    """The date that a text such as `2021-12-31` says."""
    if not _DATE.fullmatch(as_text(value)):
        raise ValueError
    return date.fromisoformat(as_text(value))


def as_nanoseconds(value: Any) -> int:
    """The nanoseconds since 1970 that a text says, if they can be counted: those of the years 1678 to 2261 can."""
    found = _count(value)
    if abs(found) >= _NANOSECONDS:
        raise ValueError
    return found


def as_microseconds(value: Any) -> int:
    """The microseconds since 1970 that a text says."""
    found, finer = divmod(_count(value), 1000)
    if finer:
        raise ValueError
    return found


def _count(value: Any) -> int:
    """The same of any year, of a text such as `2021-12-31 23:59:59.5+01:00`; without a zone it is in UTC."""
    text = as_text(value)
    if not (found := _INSTANT.fullmatch(text)):
        raise ValueError
    fraction = found["fraction"] or "."
    moment = datetime.fromisoformat(text.replace(fraction, "", 1))
    since = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH
    return since // timedelta(seconds=1) * 10**9 + int(f"{fraction[1:]:0<9}")
