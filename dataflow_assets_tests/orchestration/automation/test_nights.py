"""Each night of a year each job of the night runs once, in order, whatever the clocks of the business zone do."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise, takewhile
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from dagster._utils.schedules import schedule_execution_time_iterator

from dataflow_assets.definitions import build_definitions
from dataflow_assets.settings import load_settings

# Their clocks change at two o'clock, at one, by half an hour, at midnight, or do not.
ZONES = [
    "America/New_York",
    "Europe/London",
    "Australia/Lord_Howe",
    "America/Havana",
    "Asia/Beirut",
    "America/Santiago",
    "UTC",
]
DAYS = [date(2021, 1, 1) + timedelta(days=number) for number in range(365)]


@pytest.mark.parametrize("zone", ZONES)
def test_each_night_each_job_runs_once_in_order(zone: str, clean_environment: pytest.MonkeyPatch) -> None:
    clean_environment.setenv("DATAFLOW_TIMEZONE", zone)
    schedules = [one for one in build_definitions(load_settings()).schedules or () if one.name.endswith("ly")]
    assert len(schedules) >= 6
    ticks = []
    for schedule in schedules:
        assert isinstance(schedule, dg.ScheduleDefinition)
        assert schedule.execution_timezone == zone
        ticks.append(_ticks_of_a_year(schedule.cron_schedule, zone))
        nights = [tick.astimezone(ZoneInfo(zone)).date() for tick in ticks[-1]]
        assert nights == DAYS, f"{schedule.name}: {sorted(set(nights) ^ set(DAYS))}"
    ticks.sort(key=lambda nights: nights[0])
    for earlier, later in pairwise(ticks):
        assert all(one <= other for one, other in zip(earlier, later, strict=True))


def _ticks_of_a_year(cron: str | Sequence[str], zone: str) -> list[datetime]:
    begin, end = (datetime(year, 1, 1, tzinfo=ZoneInfo(zone)) for year in (2021, 2022))
    # In UTC, as times of one zone are compared by what its clocks show.
    ticks = (tick.astimezone(UTC) for tick in schedule_execution_time_iterator(begin.timestamp(), cron, zone, True))
    return list(takewhile(lambda tick: tick < end, ticks))
