"""Days of 23 and of 25 hours, days that begin at one o'clock, and a day that never was, from landing to the answers."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from dataflow_assets.settings import Settings, load_settings
from dataflow_assets_tests.loading import uneven_days
from dataflow_assets_tests.orchestration import builders
from dataflow_assets_tests.orchestration.builders import Platform, session, streams_csv

# A zone, days around changes of its clocks, and how many hours each of the days that has not 24 of them lasts.
CHANGES = {
    "America/Havana": {date(2021, 3, 14): 23, date(2021, 11, 7): 25},  # at midnight, and from one o'clock to midnight
    "Asia/Beirut": {date(2021, 3, 28): 23, date(2021, 10, 30): 25},  # at midnight, and from midnight to 23 o'clock
    "Pacific/Apia": {date(2011, 12, 30): 0},
}


@pytest.fixture(params=CHANGES)
def zone(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def platform(zone: str, settings: Settings, clean_environment: pytest.MonkeyPatch) -> Iterator[Platform]:
    clean_environment.setenv("DATAFLOW_TIMEZONE", zone)
    clean_environment.setenv("DATAFLOW_FIRST_DAY", "2011-12-01")
    with builders.platform(load_settings()) as platform:
        yield platform


def test_each_hour_is_of_one_day_from_landing_to_the_answers(zone: str, platform: Platform) -> None:
    hours = [hour for day in CHANGES[zone] for hour in _hours_around(day)]
    sessions = [session(hour.isoformat(), hours=0.5, user=f"u{n}@x.example") for n, hour in enumerate(hours)]
    platform.materialize(platform.land("streams", "2021-12-01", streams_csv(*sessions)))
    days = Counter(hour.astimezone(ZoneInfo(zone)).date() for hour in hours)
    for day, length in CHANGES[zone].items():
        assert days[day] == length
    found = dict(platform.query("SELECT event_day, count(*) FROM warehouse.streams GROUP BY 1"))
    assert found == days
    assert uneven_days(platform.settings) == []
    assert sorted(found) == [date.fromisoformat(day) for day in platform.partitions("warehouse/streams")]
    assert dict(platform.query("SELECT day, sessions FROM analytics.average_session")) == found
    assert dict(platform.published("SELECT day, sessions FROM published.average_session")) == found
    in_progress = dict(platform.query("SELECT hour, sessions FROM analytics.sessions_in_progress WHERE sessions > 0"))
    assert in_progress == dict.fromkeys(hours, 1)


def _hours_around(day: date) -> list[datetime]:
    """The beginnings of the hours of five days, of which this is the middle one."""
    middle = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    return [middle + timedelta(hours=hours) for hours in range(-60, 60)]
