"""Answers whose events come from the lake are those of the warehouse's tables, which then need no rows."""

import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from dataflow_assets.analytics import all_answers
from dataflow_assets.landing.deliveries import Landing
from dataflow_assets.landing.storage import open_storage
from dataflow_assets.sample_data import write_sample
from dataflow_assets.settings import load_settings
from dataflow_assets_tests.orchestration import builders
from dataflow_assets_tests.orchestration.builders import Platform, postgres, reasons

DELIVERED, FIRST = date(2021, 12, 31), "2021-12-22"
TABLES = [f"analytics.{answer.name}" for answer in all_answers()]


def test_all_answers_are_equal_though_the_warehouse_has_no_event(
    paris: Platform, clean_environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _deliver_twice(paris, tmp_path)
    expected = _answers(paris)
    assert len(expected) == 6
    assert all(expected.values())
    assert paris.query("SELECT sum(superseded) > 100 FROM ledger.event_days") == [(True,)]
    _empty(paris)
    clean_environment.setenv("DATAFLOW_EVENTS_FROM", "lake")
    with builders.platform(load_settings()) as platform:
        for table, rows in expected.items():
            days = sorted(day for day, *_ in rows)
            result = platform.run(table.replace(".", "/"), str(days[0]), str(days[-1]))
            assert result.success, reasons(result)
        assert _answers(platform) == expected


def _deliver_twice(platform: Platform, folder: Path) -> None:
    """Bring ten days of the sample to their answers, and then a quarter of these sessions in another size."""
    landing = Landing(open_storage(platform.settings))
    sample = write_sample(folder / "sample", streams=2_000).files
    header, lines = _last_days(sample["streams"])
    sample["streams"].write_text("\n".join([header, *lines]) + "\n")
    landed = [landing.put(name, DELIVERED, path) for name, path in sample.items()]
    later = write_sample(folder / "later", streams=500).files["streams"]
    fields = [line.split(",") for line in _last_days(later)[1]]
    resized = [",".join([*of_line[:2], "7.5", *of_line[3:]]) for of_line in fields if len(of_line) == 5]
    later.write_text("\n".join([header, *resized]) + "\n")
    platform.materialize(*landed, landing.put("streams", DELIVERED, later, "zz.csv"))


def _last_days(file: Path) -> tuple[str, list[str]]:
    """The header of a file of sessions, and its lines from some day on."""
    header, *lines = file.read_text().splitlines()
    return header, [line for line in lines if max(re.findall(r"2021-\d\d-\d\d", line), default="") >= FIRST]


def _empty(platform: Platform) -> None:
    """Take the answers and every day of the event tables from the database."""
    days = platform.query(
        "SELECT relname FROM pg_class WHERE relkind = 'p' AND relnamespace = 'warehouse_days'::regnamespace"
    )
    with postgres(platform.settings) as cursor:
        for (name,) in days:
            cursor.execute(f"DROP TABLE warehouse_days.{name} CASCADE")
        cursor.execute(f"TRUNCATE ledger.answers, {', '.join(TABLES)}")
    assert platform.query("SELECT count(*) FROM warehouse.streams") == [(0,)]


def _answers(platform: Platform) -> dict[str, list[tuple[Any, ...]]]:
    tables = platform.tables()
    return {name: tables[name] for name in TABLES}
