"""Late, doubled, changed, broken and missing files: what the sensors make of them, and that their order is forgotten.

Here: the sensors together, on a real lake and warehouse. Not here: each of them (see their own tests), and the whole
month against a live daemon (see `benchmarks.month`).
"""

from datetime import date
from pathlib import Path

import pytest

from dataflow_assets.landing.deliveries import Delivery
from dataflow_assets.orchestration.planning.staleness import stale_partitions
from dataflow_assets.orchestration.resources import open_stores
from dataflow_assets.postgres.migrate import upgrade
from dataflow_assets.settings import load_settings
from dataflow_assets_tests.loading import Landed
from dataflow_assets_tests.orchestration import builders
from dataflow_assets_tests.orchestration.builders import Daemon, Platform, key, movies_csv, session, streams_csv
from dataflow_assets_tests.simulated_month import in_order, month, outcome, shuffled

Runs = dict[str, list[tuple[str, str]]]


def days(*numbers: int) -> list[str]:
    return [f"2021-12-{number:02}" for number in numbers]


def a_session_on(*numbers: int) -> str:
    return streams_csv(*(session(f"{day}T10:00") for day in days(*numbers)))


@pytest.fixture
def daemon(platform: Platform) -> Daemon:
    """A platform with a movie and a session on each of the days 2, 3 and 20 December, all answered."""
    platform.land("movies", "2021-12-20", movies_csv("Heat"))
    platform.land("streams", "2021-12-20", a_session_on(2, 3, 20))
    daemon = Daemon(platform)
    daemon.settle()
    return daemon


def settle(daemon: Daemon) -> Runs:
    """What the sensors have run until all is quiet: the first and the last partition of each run, by asset."""
    found: Runs = {}
    for assets, first, last in daemon.settle():
        for asset in assets.split():
            found.setdefault(asset, []).append((first, last))
    return {asset: sorted(ran) for asset, ran in found.items()}


def answers(**days: list[tuple[str, str]]) -> Runs:
    """Runs of answers, each of which is published too."""
    return {f"{layer}/{name}": ran for layer in ("analytics", "published") for name, ran in days.items()}


def following(*stretches: tuple[int, int]) -> Runs:
    """All that follows from streams of some days of one month."""

    def reaching(after: int) -> list[tuple[str, str]]:
        return [(f"2021-12-{first:02}", f"2021-12-{last + after:02}") for first, last in stretches]

    return {
        "warehouse/streams": reaching(0),
        **answers(
            average_session=reaching(0),
            median_session_size=reaching(0),
            book_based_share=reaching(0),
            sessions_in_progress=reaching(2),
            engaged_users=reaching(8),
            movies_by_author_nationality=[("2021-12-01", "2021-12-01")],
        ),
    }


def test_a_late_or_changed_file_makes_the_days_again_that_it_touches_or_touched_and_nothing_else(
    daemon: Daemon,
) -> None:
    daemon.platform.land("streams", "2021-12-03", a_session_on(3), "late.csv")
    assert settle(daemon) == {"lake/streams": [("2021-12-03", "2021-12-03")], **following((3, 3))}
    daemon.platform.land("streams", "2021-12-03", a_session_on(3), "late.csv")
    assert settle(daemon) == {"lake/streams": [("2021-12-03", "2021-12-03")]}, "the same bytes again"
    daemon.platform.land("streams", "2021-12-20", a_session_on(2, 15))
    assert settle(daemon) == {
        "lake/streams": [("2021-12-20", "2021-12-20")],
        **following((2, 3), (15, 15), (20, 20)),
        "warehouse/streams": [("2021-12-02", "2021-12-20")],
    } | answers(engaged_users=[("2021-12-02", "2021-12-11"), ("2021-12-15", "2021-12-28")])
    held = "SELECT event_day::text FROM warehouse.streams ORDER BY 1"
    assert [day for (day,) in daemon.platform.query(held)] == days(2, 3, 15)


def test_withdrawn_days_have_no_answers_and_nothing_is_left_to_do_for_them(daemon: Daemon) -> None:
    before = outcome(daemon.platform)
    daemon.platform.land("streams", "2021-12-20", streams_csv(session("2021-11-05T10:00")), "wrong.csv")
    daemon.settle()
    of_november = "SELECT count(*) FROM analytics.engaged_users WHERE day < '2021-12-01'"
    assert daemon.platform.query(of_november) == [(9,)]
    daemon.platform.land("streams", "2021-12-20", streams_csv(), "wrong.csv")
    daemon.settle()
    after = outcome(daemon.platform)
    assert {name for name in after if after[name] != before[name]} == {"ledger.deliveries"}, "wrong.csv is known"
    daemon.platform.land("movies", "2021-12-20", movies_csv("Rust"))
    assert "analytics/engaged_users" in settle(daemon)
    november = [date(2021, 11, day) for day in range(1, 31)]
    assert stale_partitions(open_stores(daemon.platform.settings), key("analytics/engaged_users"), november) == []


def test_a_shuffled_month_ends_as_the_same_files_in_order(
    platform: Platform, clean_environment: pytest.MonkeyPatch, empty_database_url: str, tmp_path: Path
) -> None:
    objects, daemon = month(days=2), Daemon(platform)
    for wave in shuffled(objects, 3):
        for file in wave:
            land(platform, file)
        daemon.settle()
    found = outcome(platform)
    upgrade(empty_database_url)
    clean_environment.setenv("DATABASE_URL", empty_database_url)
    clean_environment.setenv("DATAFLOW_HOME", str(tmp_path / "in order"))
    with builders.platform(load_settings()) as other:
        other.materialize(*(land(other, file) for files in in_order(objects) for file in files))
        expected = outcome(other)
    assert found.keys() == expected.keys()
    assert {name: rows for name, rows in found.items() if rows != expected[name]} == {}


def land(platform: Platform, file: Landed) -> Delivery:
    return platform.land(file.source, file.day.isoformat(), file.text, file.name)
