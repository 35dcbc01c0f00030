"""Half-open windows of time, and how days and months are cut in a time zone.

Here: dates, and texts that people write, to instants. Not here: which zone is in force (see `settings`).
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import ClassVar, Self
from zoneinfo import ZoneInfo

from dataflow_assets.errors import DataFlowError


class WindowError(DataFlowError):
    """A time or a window that was asked for does not exist."""

    code: ClassVar[str] = "window"


@dataclass(frozen=True)
class Window:
    """The instants from `start` up to but without `end`, both in UTC.

    It may be empty: a time zone that crossed the date line skipped a day.

    Raises:
        WindowError: it ends before it starts.
    """

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.utcoffset() != timedelta(0) or self.end.utcoffset() != timedelta(0):
            raise ValueError(f"a window needs instants in UTC, not {self.start} and {self.end}")
        if self.end < self.start:
            raise WindowError(f"The window ends ({self.end.isoformat()}) before it starts ({self.start.isoformat()}).")

    @property
    def dates(self) -> tuple[date, date]:
        """The UTC dates of its first and its last instant."""
        return self.start.date(), (self.end - timedelta(microseconds=1)).date()

    @classmethod
    def of_day(cls, day: date, timezone: str) -> Self:
        """One local day: 24 hours, or 23 or 25 where clocks change."""
        return cls.of_days(day, day, timezone)

    @classmethod
    def of_days(cls, first: date, last: date, timezone: str) -> Self:
        """The local days from `first` to `last`, both included."""
        return cls(_day_start(first, timezone), _day_start(last + timedelta(days=1), timezone))

    @classmethod
    def of_month(cls, first: date, timezone: str) -> Self:
        """The local month that begins on `first`."""
        if first.day != 1:
            raise ValueError(f"a month begins on its first day, not on {first}")
        next_month = (first + timedelta(days=31)).replace(day=1)
        return cls.of_days(first, next_month - timedelta(days=1), timezone)


def _day_start(day: date, timezone: str) -> datetime:
    """The instant of the local midnight: the first of two, or the moment that skipped it."""
    return datetime.combine(day, time(), ZoneInfo(timezone)).astimezone(UTC)


def parse_instant(text: str, timezone: str) -> datetime:
    """An ISO 8601 date or time as an instant in UTC.

    A text without an offset is read in `timezone`; a date is the start of its day, and of two equal local
    times the first is meant.

    Raises:
        WindowError: the text is not a time, or one that clocks skipped.
    """
    with suppress(ValueError, OverflowError):
        return Window.of_day(date.fromisoformat(text), timezone).start
    try:
        given = datetime.fromisoformat(text)
        local = given if given.tzinfo else given.replace(tzinfo=ZoneInfo(timezone))
        instant = local.astimezone(UTC)
        exists = instant.astimezone(local.tzinfo).replace(tzinfo=None) == local.replace(tzinfo=None)
    except (ValueError, OverflowError):
        raise WindowError(f"{text!r} is not a time; write it like 2021-12-25T07:00 or 2021-12-25.") from None
    if not exists:
        raise WindowError(f"{text!r} does not exist in {timezone}: clocks were put forward over it.")
    return instant


def day_of(instant: datetime, timezone: str) -> date:
    """The local day whose window holds the instant.

    It is its local date, but where clocks are set around midnight: there it may be the day before or after.
    """
    local = instant.astimezone(ZoneInfo(timezone)).date()
    near = (local + timedelta(days=number) for number in (0, 1, -1))
    windows = ((day, Window.of_day(day, timezone)) for day in near)
    return next(day for day, window in windows if window.start <= instant < window.end)
