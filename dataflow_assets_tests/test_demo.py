"""Where the partitions of a demo's home begin, and what becomes of that when files of one's own come."""

from datetime import date, timedelta
from pathlib import Path

import pytest

from dataflow_assets.cli import demo
from dataflow_assets.settings import Settings, load_settings
from dataflow_assets_tests.waiting import wait_past_midnight


def test_a_new_home_begins_where_its_sample_does_and_keeps_it(clean_environment: pytest.MonkeyPatch) -> None:
    wait_past_midnight()
    before = load_settings()
    settings, folder, day = demo._sample(before, None)
    assert day == before.today
    assert settings.first_day == day - timedelta(days=32)
    assert load_settings().first_day == settings.first_day, "every other command finds the same"
    assert folder == settings.home / "sample" / day.isoformat()
    lines = (folder / "internal/streams.csv").read_text().splitlines()[1:]
    starts = {line.split(",")[-2][:10] for line in lines if line.split(",")[-2][:2] == "20"}
    assert max(start for start in starts if start < "9") <= (day + timedelta(days=1)).isoformat()
    assert (day - timedelta(days=1)).isoformat() in starts


def test_a_demo_on_a_later_day_repeats_the_first_one(clean_environment: pytest.MonkeyPatch) -> None:
    written = load_settings().home / "sample" / "2026-01-31"
    written.mkdir(parents=True)
    _, folder, day = demo._sample(load_settings(), None)
    assert (folder, day) == (written, date(2026, 1, 31))


def test_files_of_ones_own_may_be_older(clean_environment: pytest.MonkeyPatch) -> None:
    demo._sample(load_settings(), None)
    assert demo._with_every_day(load_settings()).first_day == Settings.model_fields["first_day"].default


@pytest.mark.parametrize("name", ["postgres", "lake"])
def test_a_home_that_holds_something_begins_where_it_did(clean_environment: pytest.MonkeyPatch, name: str) -> None:
    before = load_settings()
    (before.home / name).mkdir(parents=True)
    assert demo._sample(before, None)[0].first_day == before.first_day
    assert not (before.home / "settings.env").exists()


def test_the_environment_comes_first(clean_environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    home = load_settings().home
    home.mkdir()
    (home / "settings.env").write_text("DATAFLOW_FIRST_DAY=2026-01-01\nLOG_LEVEL=ERROR\n")
    clean_environment.setenv("DATAFLOW_FIRST_DAY", "2025-01-01")
    settings = load_settings()
    assert (settings.first_day, settings.log_level) == (date(2025, 1, 1), "ERROR")
    assert load_settings(tmp_path).first_day == date(2025, 1, 1)
