"""What an answer's declaration may say, and the windows of time that answers speak of.

Here: the value objects that a file in this package fills in, and the making of one partition. Not here:
any answer, and anything that reads a database or knows an orchestrator.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import ClassVar, Literal, Self
from zoneinfo import ZoneInfo

import dataframely as dy
import polars as pl

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


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A question that is answered again for each day or month.

    `schema` holds the columns of the answer's table, the first of which is a Date named like `grain` (of a
    month: its first day); its primary key says which columns identify a row. `reads` names the sources whose
    warehouse tables `compute` needs. It is called as `compute(**{source: LazyFrame}, window=Window)`, may be
    given more rows than its window needs, and returns the columns of `schema` without the first.

    The window begins `trailing_days` before the answer's own day. `reads_overlapping` says that sessions
    count that only overlap the window, so those that started up to the longest duration before it too.
    """

    name: str
    description: str
    owner: str
    grain: Literal["day", "month"]
    schema: type[dy.Schema]
    reads: tuple[str, ...]
    compute: Callable[..., pl.LazyFrame]
    trailing_days: int = 0
    reads_overlapping: bool = False

    def __post_init__(self) -> None:
        name, column = next(iter(self.schema.columns().items()))
        if name != self.grain or not isinstance(column, dy.Date):
            raise ValueError(f"answer {self.name}: the first column must be a Date named {self.grain!r}")
        if self.trailing_days < 0 or (self.grain == "month" and self.trailing_days):
            raise ValueError(f"answer {self.name}: only days have trailing days, and not less than none")

    def window(self, partition_day: date, timezone: str) -> Window:
        """The window that the partition of this day (of a month: its first day) speaks of."""
        if self.grain == "month":
            return Window.of_month(partition_day, timezone)
        return Window.of_days(partition_day - timedelta(days=self.trailing_days), partition_day, timezone)


def compute_partition(
    answer: Answer, frames: Mapping[str, pl.LazyFrame], partition_day: date, timezone: str
) -> pl.LazyFrame:
    """One partition of an answer's table: the columns of `answer.schema`, in its types.

    Args:
        answer: what is asked.
        frames: at least the sources that it reads, with the columns of their schemas.
        partition_day: the day, or the first day of the month.
        timezone: the business time zone.
    """
    read = {source: frames[source] for source in answer.reads}
    found = answer.compute(**read, window=answer.window(partition_day, timezone))
    return answer.schema.cast(found.with_columns(pl.lit(partition_day, pl.Date).alias(answer.grain)))
