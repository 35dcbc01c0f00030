"""Small partitions of an answer are made together, and are what each made by itself would be."""

from datetime import date
from typing import Any

import polars as pl
import pytest

from dataflow_assets.analytics import all_answers
from dataflow_assets.orchestration.assets import answer_run
from dataflow_assets.warehouse import held_rows
from dataflow_assets.warehouse.compute_answer import compute_answer
from dataflow_assets_tests.orchestration.builders import Platform, movies_csv, postgres, reasons, session, streams_csv

DAYS = [f"2021-12-0{day}" for day in range(1, 7)]
DAILY = [f"analytics.{answer.name}" for answer in all_answers() if answer.grain == "day"]


@pytest.fixture
def loaded(platform: Platform) -> Platform:
    """A platform whose warehouse holds days of different sessions, one day without, and the movies of some."""
    sessions = [
        session(f"{day}T{hour}:30", hours=hour / 2, movie=movie, user=f"{hour}@b.example")
        for number, day in enumerate(DAYS)
        if day != "2021-12-04"
        for hour in range(20 - number, 24)
        for movie in ("Rust", "Heat")
    ]
    platform.land("streams", "2021-12-31", streams_csv(*sessions))
    platform.land("movies", "2021-12-31", movies_csv("rust"))
    assert platform.run("lake/streams lake/movies warehouse/movies", "2021-12-31").success
    assert platform.run("warehouse/streams", DAYS[0], DAYS[-1]).success
    return platform


def make(platform: Platform) -> tuple[dict[str, list[tuple[object, ...]]], set[int]]:
    """The rows of the daily answers, made by one run, and how many transactions made those of each."""
    with postgres(platform.settings) as cursor:
        cursor.execute(f"TRUNCATE ledger.answers, {', '.join(DAILY)}")
    result = platform.run(" ".join(name.replace(".", "/") for name in DAILY), DAYS[0], DAYS[-1])
    assert result.success, reasons(result)
    made_by = {platform.query(f"SELECT count(DISTINCT xmin::text) FROM {name}")[0][0] for name in DAILY}
    tables = {name: platform.query(f"SELECT * FROM {name} AS t ORDER BY t::text") for name in DAILY}
    versions = platform.query("SELECT answer, partition, made_from::text FROM ledger.answers ORDER BY 1, 2")
    return tables | {"versions": versions}, made_by


def test_small_partitions_made_together_are_those_made_one_by_one(
    loaded: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    together, made_by = make(loaded)
    assert made_by == {1}
    assert all(together.values())
    assert len(together["versions"]) == len(DAILY) * len(DAYS)
    monkeypatch.setattr(held_rows, "_MOST_ROWS", 0)
    one_by_one, made_by = make(loaded)
    assert min(made_by) > 3
    assert one_by_one == together


def test_a_partition_that_cannot_be_computed_fails_alone_and_the_others_are_made_together(
    loaded: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail_on_one(connections: Any, answer: Any, tables: Any, day: date, *rest: Any) -> pl.DataFrame:
        if day.isoformat() == DAYS[1]:
            raise ValueError("not this one")
        return compute_answer(connections, answer, tables, day, *rest)

    monkeypatch.setattr(answer_run, "compute_answer", fail_on_one)
    result = loaded.run("analytics/average_session", DAYS[0], DAYS[-1])
    assert "1 of 6 partitions failed, the others are written. 2021-12-02: not this one" in reasons(result)
    assert loaded.partitions("analytics/average_session") == [DAYS[0], *DAYS[2:]]
    found = loaded.query("SELECT count(*), count(DISTINCT xmin::text) FROM analytics.average_session")
    assert found == [(4, 1)]


def test_a_partition_that_breaks_what_the_answer_declares_fails_alone(
    loaded: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compute_twice(connections: Any, answer: Any, tables: Any, day: date, *rest: Any) -> pl.DataFrame:
        found = compute_answer(connections, answer, tables, day, *rest)
        return pl.concat([found, found]) if day.isoformat() == DAYS[1] else found

    monkeypatch.setattr(answer_run, "compute_answer", compute_twice)
    result = loaded.run("analytics/average_session", DAYS[0], DAYS[-1])
    said = "2021-12-02: Rows of the answer average_session break what it declares: primary_key (2 rows)."
    assert f"1 of 6 partitions failed, the others are written. {said}" in reasons(result)
    assert loaded.partitions("analytics/average_session") == [DAYS[0], *DAYS[2:]]
