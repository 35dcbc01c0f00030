"""The partitions of every asset: days, and months of days, in the business time zone.

Here: the two definitions, keys to dates, and how a run is told its partitions. Not here: which partitions to
run (see `runs` and `sensors`).
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from itertools import groupby

import dagster as dg

from dataflow_assets.settings import Settings

MOST_DAYS, MOST_BYTES = 31, 8 << 30  # of one run of a backfill: what is lost where it is stopped
RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
MAX_RUNTIME = "dagster/max_runtime"  # seconds after which the daemon ends a run; dagster.yaml says it of the others
_RANGE_SECONDS = 6 * 3600


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


def stretches(partitions: dg.PartitionsDefinition[str], days: Iterable[date]) -> Iterator[tuple[str, str]]:
    """The first and the last key of each run of partitions without a gap; days without a partition are left out."""
    wanted = {day.isoformat() for day in days}
    for is_wanted, keys in groupby(partitions.get_partition_keys(), key=wanted.__contains__):
        if is_wanted:
            first, *others = keys
            yield first, others[-1] if others else first


def ranges(
    partitions: dg.PartitionsDefinition[str], days: Iterable[date], sizes: Mapping[date, int]
) -> list[tuple[str, str]]:
    """The stretches, cut so that none has more than MOST_DAYS partitions, nor more bytes than MOST_BYTES if it can.

    Args:
        partitions: among which the days are.
        days: the partitions, each by its first day.
        sizes: how many bytes some days have.
    """
    found: list[tuple[str, str]] = []
    wanted = set(days)
    for first, last in stretches(partitions, wanted):
        keys = [key for key in partitions.get_partition_keys() if first <= key <= last]
        start, held, total = keys[0], 0, 0
        for before, key in zip([keys[0], *keys], keys, strict=False):
            size = sizes.get(date.fromisoformat(key), 0)
            if held and (held == MOST_DAYS or total + size > MOST_BYTES):
                found.append((start, before))
                start, held, total = key, 0, 0
            held, total = held + 1, total + size
        found.append((start, keys[-1]))
    return found


def range_tags(first: str, last: str) -> dict[str, str]:
    """The tags by which one run takes all partitions from `first` to `last`, and has the time for it."""
    longer = {MAX_RUNTIME: str(_RANGE_SECONDS)} if first != last else {}
    return {RANGE_START: first, RANGE_END: last, **longer}


def partitions_of(tags: Mapping[str, str]) -> str:
    """The partitions of a run, by its tags, as they are shown; nothing where it has none."""
    first, last = tags.get(RANGE_START), tags.get(RANGE_END)
    if first is None or last is None:
        return tags.get("dagster/partition", "")
    return first if first == last else f"{first} to {last}"
