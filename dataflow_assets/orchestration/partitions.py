"""The partitions of every asset: days, and months of days, in the business time zone.

Here: the two definitions, and keys to dates. Not here: which partitions to make (see `planning`), and how a run is told
its partitions (see `runtime.tags`).
"""

from collections.abc import Iterable, Iterator
from datetime import date
from itertools import groupby

import dagster as dg

from dataflow_assets.analytics import Answer
from dataflow_assets.core.iteration import batched
from dataflow_assets.runtime.tags import takes
from dataflow_assets.settings import Settings

_MOST_STRETCHES = 80  # of one run, whose tag says them all: an index of PostgreSQL takes no text of 2,700 bytes


def daily_partitions(settings: Settings) -> dg.DailyPartitionsDefinition:
    """Every day from DATAFLOW_FIRST_DAY to tomorrow."""
    return dg.DailyPartitionsDefinition(
        start_date=settings.first_day.isoformat(), timezone=settings.timezone, end_offset=2
    )


def monthly_partitions(settings: Settings) -> dg.MonthlyPartitionsDefinition:
    """Every month that has a daily partition, and the next."""
    first = settings.first_day.replace(day=1)
    return dg.MonthlyPartitionsDefinition(start_date=first.isoformat(), timezone=settings.timezone, end_offset=2)


def answer_partitions(settings: Settings, answer: Answer) -> dg.TimeWindowPartitionsDefinition:
    """The days or months of an answer."""
    return daily_partitions(settings) if answer.grain == "day" else monthly_partitions(settings)


def partition_days(keys: Iterable[str]) -> list[date]:
    """Partition keys as dates, in order; a month is its first day."""
    return sorted(date.fromisoformat(key) for key in keys)


def run_days(context: dg.AssetExecutionContext) -> list[date]:
    """The partitions that a run makes of the asset, each by its first day, in order."""
    return partition_days(takes(context.run.tags, context.partition_keys))


def batched_stretches(
    partitions: dg.PartitionsDefinition[str], days: Iterable[date]
) -> Iterator[list[tuple[str, str]]]:
    """The `stretches` of some days, as many together as one run takes."""
    return batched(stretches(partitions, days), _MOST_STRETCHES)


def stretches(partitions: dg.PartitionsDefinition[str], days: Iterable[date]) -> Iterator[tuple[str, str]]:
    """The first and the last key of each run of partitions without a gap; days without a partition are left out."""
    wanted = {day.isoformat() for day in days}
    for is_wanted, keys in groupby(partitions.get_partition_keys(), key=wanted.__contains__):
        if is_wanted:
            first, *others = keys
            yield first, others[-1] if others else first
