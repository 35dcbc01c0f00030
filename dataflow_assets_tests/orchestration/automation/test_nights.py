"""Each night of a year each job of the night runs once, whatever the clocks of the business zone do."""

from datetime import date, datetime, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from dagster._utils.schedules import schedule_execution_time_iterator

from dataflow_assets.definitions import build_definitions
from dataflow_assets.settings import load_settings

# Their clocks change at two o'clock, by half an hour, at midnight, or do not.
ZONES = ["America/New_York", "Australia/Lord_Howe", "America/Havana", "Asia/Beirut", "America/Santiago", "UTC"]
DAYS = [date(2021, 1, 1) + timedelta(days=number) for number in range(365)]


@pytest.mark.parametrize("zone", ZONES)
def test_each_night_each_job_runs_once(zone: str, clean_environment: pytest.MonkeyPatch) -> None:
    clean_environment.setenv("DATAFLOW_TIMEZONE", zone)
    begin, end = (datetime(year, 1, 1, tzinfo=ZoneInfo(zone)) for year in (2021, 2022))
    schedules = [one for one in build_definitions(load_settings()).schedules or () if one.name.endswith("ly")]
    assert len(schedules) >= 6
    for schedule in schedules:
        assert isinstance(schedule, dg.ScheduleDefinition)
        assert schedule.execution_timezone == zone
        ticks = schedule_execution_time_iterator(begin.timestamp(), schedule.cron_schedule, zone, ascending=True)
        nights = [tick.astimezone(ZoneInfo(zone)).date() for tick in takewhile(lambda tick: tick < end, ticks)]
        assert nights == DAYS, f"{schedule.name}: {sorted(set(nights) ^ set(DAYS))}"
