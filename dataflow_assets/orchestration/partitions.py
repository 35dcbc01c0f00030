"""The partitions of every asset: days, and months of days, in the business time zone.

Here: the two definitions, how they map onto each other, and keys to dates. Not here: which partitions to
run (see `requests`).
"""

from collections.abc import Iterable, Iterator
from datetime import date, timedelta

import dagster as dg

from dataflow_assets.settings import Settings

RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


def daily_partitions(settings: Settings) -> dg.DailyPartitionsDefinition:
    """Every day from DATAFLOW_FIRST_DAY to tomorrow."""
    return dg.DailyPartitionsDefinition(
        start_date=settings.first_day.isoformat(), timezone=settings.timezone, end_offset=2
    )


def monthly_partitions(settings: Settings) -> dg.MonthlyPartitionsDefinition:
    """Every month that has a daily partition, and the next."""
    first = settings.first_day.replace(day=1)
    return dg.MonthlyPartitionsDefinition(start_date=first.isoformat(), timezone=settings.timezone, end_offset=2)


def partition_days(keys: Iterable[str]) -> list[date]:
    """Partition keys as dates, in order; a month is its first day."""
    return sorted(date.fromisoformat(key) for key in keys)


def ranges(days: Iterable[date]) -> Iterator[tuple[date, date]]:
    """Days as runs of consecutive ones: the first and the last day of each."""
    first = last = None
    for day in sorted(set(days)):
        if first is None or last is None or day - last > timedelta(days=1):
            if first is not None and last is not None:
                yield first, last
            first = day
        last = day
    if first is not None and last is not None:
        yield first, last


def range_tags(first: date, last: date) -> dict[str, str]:
    """The tags by which one run takes all partitions from `first` to `last`."""
    return {RANGE_START: first.isoformat(), RANGE_END: last.isoformat()}
