"""A check is one file: its package finds it, its assets have it, and their runs let it judge."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dataflow_assets.orchestration import checks
from dataflow_assets.orchestration.checks.base import Target
from dataflow_assets.settings import Settings
from dataflow_assets.sources import find_source
from dataflow_assets_tests.orchestration import builders
from dataflow_assets_tests.orchestration.builders import Platform, movies_csv, session, streams_csv
from dataflow_assets_tests.orchestration.checks.test_quarantine import evaluated

FILE = """
from dataflow_assets.orchestration.checks.base import Check, Outcome, Verdict


def _judge_run(outcome: Outcome) -> Verdict:
    counted = {day: counts["accepted"] for day, counts in outcome.counts.items()}
    return Verdict(counted, {day: f"{rows} rows" for day, rows in counted.items() if rows % 2})


CHECK = Check(
    name="even_number_of_rows",
    description="Each day has an even number of rows.",
    applies_to=lambda target: target.key.to_user_string() == "lake/movies",
    judge_run=_judge_run,
)
"""


@pytest.fixture
def with_own_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Iterator[Platform]:
    (tmp_path / "even_number_of_rows.py").write_text(FILE)
    monkeypatch.setattr(checks, "__path__", [*checks.__path__, str(tmp_path)])
    checks.all_checks.cache_clear()
    with builders.platform(settings) as platform:
        yield platform
    checks.all_checks.cache_clear()


def test_a_new_check_is_one_file(with_own_check: Platform) -> None:
    with_own_check.land("movies", "2021-12-01", movies_csv("Heat"))
    with_own_check.land("movies", "2021-12-02", movies_csv("Heat", "Rust"))
    with_own_check.land("streams", "2021-12-01", streams_csv(session("2021-12-01T10:00")))
    assert with_own_check.run("lake/movies", "2021-12-01", "2021-12-02").success
    assert with_own_check.run("lake/streams", "2021-12-01").success
    found = evaluated(with_own_check, "even_number_of_rows", "lake/movies")
    assert {day: one.description for day, one in found.items()} == {"2021-12-01": "1 rows", "2021-12-02": None}
    assert evaluated(with_own_check, "even_number_of_rows", "lake/streams") == {}


def test_the_checks_of_each_asset() -> None:
    names = {
        f"{layer}/{source}": [check.name for check in checks.checks_of(Target(layer, find_source(source)))]
        for layer in ("lake", "warehouse")
        for source in ("streams", "movies")
    }
    lake = ["rows_add_up", "columns_as_declared", "fresh_by_06", "nothing_quarantined", "volume_as_usual"]
    assert names == {
        "lake/streams": lake,
        "lake/movies": lake,
        "warehouse/streams": ["rows_add_up", "few_duplicates", "fresh_by_06", "references_known"],
        "warehouse/movies": ["few_duplicates", "fresh_by_06", "snapshots_complete"],
    }
