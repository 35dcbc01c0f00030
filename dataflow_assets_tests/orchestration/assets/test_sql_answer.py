"""An answer that is one file of SQL: found, materialized by range, kept from writing, and told when it is wrong."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa

from dataflow_assets.analytics import find_answer
from dataflow_assets.errors import QueryError
from dataflow_assets.orchestration.assets import answer_run
from dataflow_assets.postgres.connection import AdbcError, Connections
from dataflow_assets.postgres.schema import build_metadata
from dataflow_assets.settings import Settings
from dataflow_assets.warehouse.compute_answer import compute_answer
from dataflow_assets_tests.analytics.added_files import added_answer
from dataflow_assets_tests.orchestration import builders
from dataflow_assets_tests.orchestration.builders import Platform, reasons, session, streams_csv

NAME = "sessions_by_movie"
DAYS = [f"2021-12-0{day}" for day in range(1, 5)]


@pytest.fixture
def platform(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform with the answer's table, and a warehouse with sessions on three of four days."""
    with added_answer(f"{NAME}.sql", tmp_path_factory.mktemp("added")), builders.platform(settings) as platform:
        metadata = build_metadata([], {NAME: find_answer(NAME).schema})
        engine = sa.create_engine(_url(settings))
        metadata.tables[f"analytics.{NAME}"].create(engine)
        engine.dispose()
        sessions = [session(f"{day}T1{hour}:00", hours=1 + hour) for day in DAYS[:3] for hour in range(2)]
        platform.land(
            "streams", "2021-12-31", streams_csv(*sessions, session("2021-12-02T23:59:59.999999", movie="Heat"))
        )
        assert platform.run("lake/streams", "2021-12-31").success
        loaded = platform.run("warehouse/streams", DAYS[0], DAYS[-1])
        assert loaded.success, reasons(loaded)
        yield platform


def _url(settings: Settings) -> str:
    assert settings.database_url
    return settings.database_url.get_secret_value()


def _compute(settings: Settings, statement: str) -> pl.DataFrame:
    """The first day by a statement, which does not wait for long."""
    url = f"{_url(settings)}?options=-c%20lock_timeout%3D1000"
    answer, day = replace(find_answer(NAME), statement=statement), date(2021, 12, 1)
    return compute_answer(Connections(url), answer, {}, day, [day], "UTC")


def test_a_range_of_its_days_is_made_and_published(platform: Platform) -> None:
    result = platform.run(f"analytics/{NAME} published/{NAME}", DAYS[0], DAYS[-1])
    assert result.success, reasons(result)
    rows = platform.query(
        f"SELECT day::text, movie_title, sessions, average_session_seconds FROM analytics.{NAME} ORDER BY 1, 2"
    )
    assert rows == [
        ("2021-12-01", "Rust", 2, 5400.0),
        ("2021-12-02", "Heat", 1, 3600.0),
        ("2021-12-02", "Rust", 2, 5400.0),
        ("2021-12-03", "Rust", 2, 5400.0),
    ]
    assert platform.published(f"SELECT count(*) FROM published.{NAME}") == [(4,)]
    assert platform.partitions(f"analytics/{NAME}") == DAYS
    assert platform.metadata(f"analytics/{NAME}", DAYS[1])["rows"] == 2


def test_it_says_what_an_answer_in_python_says(platform: Platform) -> None:
    assert platform.run(f"analytics/{NAME} analytics/average_session", DAYS[0], DAYS[-1]).success
    seconds = "sum(sessions * average_session_seconds) / sum(sessions)"
    of_all = f"SELECT day, sum(sessions)::bigint, {seconds} FROM analytics.{NAME}"
    in_python = platform.query("SELECT * FROM analytics.average_session ORDER BY day")
    assert platform.query(f"{of_all} GROUP BY day ORDER BY day") == in_python
    assert len(in_python) == 3


def test_its_days_keep_it_from_the_tables_of_others(platform: Platform) -> None:
    """Those of the other days are locked, as while they are swapped: without its days the statement would wait."""
    others = "SELECT DISTINCT tableoid::regclass::text FROM warehouse.streams WHERE event_day <> '2021-12-01'"
    tables = [table for (table,) in platform.query(others)]
    statement = find_answer(NAME).statement or ""
    with builders.postgres(platform.settings) as cursor:
        cursor.execute(f"LOCK TABLE {', '.join(tables)} IN ACCESS EXCLUSIVE MODE")
        found = _compute(platform.settings, statement)
        with pytest.raises(AdbcError, match="lock timeout"):
            _compute(platform.settings, statement.replace("event_day BETWEEN :first_day AND :last_day AND", ""))
    assert found.select("movie_title", "sessions").rows() == [("Rust", 2)]
    assert len(tables) == 2


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("WITH gone AS (DELETE FROM warehouse.streams RETURNING *) SELECT * FROM gone", "read-only transaction"),
        ("SELECT nothing FROM warehouse.streams", 'column "nothing" does not exist'),
        ("SELECT 1; SELECT 2", "cannot insert multiple commands"),
        (
            "SELECT 'Rust' AS movie_title",
            "declares the columns movie_title, sessions, .* its statement gives movie_title",
        ),
    ],
)
def test_a_statement_that_is_wrong_is_refused_and_changes_nothing(
    platform: Platform, statement: str, problem: str
) -> None:
    with pytest.raises(QueryError, match=rf"answer {NAME}.*{problem}"):
        _compute(platform.settings, statement)
    assert platform.query("SELECT count(*) FROM warehouse.streams") == [(7,)]


def test_rows_that_break_what_the_answer_declares_are_not_stored(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On two of the days a key that stands twice, and a number below its minimum."""
    added = "UNION ALL SELECT 'Rust', 0, 1.0, :start WHERE :day <= '2021-12-02'"

    def compute(connections: Any, answer: Any, *rest: Any) -> pl.DataFrame:
        return compute_answer(connections, replace(answer, statement=f"{answer.statement} {added}"), *rest)

    monkeypatch.setattr(answer_run, "compute_answer", compute)
    reason = reasons(platform.run(f"analytics/{NAME}", DAYS[0], DAYS[-1]))
    assert "2 of 4 partitions failed, the others are written. 2021-12-01: " in reason
    assert f"Rows of the answer {NAME} break what it declares: " in reason
    assert "primary_key (2 rows)" in reason
    assert "sessions.min (1 row)" in reason
    assert platform.query(f"SELECT DISTINCT day::text FROM analytics.{NAME}") == [("2021-12-03",)]
