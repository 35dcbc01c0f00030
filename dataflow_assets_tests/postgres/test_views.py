"""The functions by which event tables are asked for a window of time."""

from datetime import date, timedelta

import polars as pl

from dataflow_assets.postgres.connection import connect
from dataflow_assets.postgres.migrate import upgrade
from dataflow_assets.warehouse.events import load_day
from dataflow_assets_tests.warehouse.builders import STREAMS, ask, minutes, sessions

DAYS = [date(2024, 1, 1) + timedelta(days=number) for number in range(10)]
WINDOW = "'2024-01-05 22:00+00', '2024-01-06 02:00+00'"
BETWEEN = f"warehouse.streams_between({WINDOW})"


def load(url: str, zone: str) -> None:
    """A row for each minute of ten days."""
    upgrade(url)
    rows = pl.concat([sessions(minutes(day, 1440)) for day in DAYS]).lazy()
    with connect(url) as connection:
        for day in DAYS:
            load_day(connection, STREAMS, rows, 1, day, zone)


def test_a_window_has_the_rows_that_begin_in_it(database_url: str) -> None:
    load(database_url, "Pacific/Kiritimati")  # fourteen hours ahead of UTC
    found = ask(database_url, f"SELECT count(*), min(start_at), max(start_at) FROM {BETWEEN}")
    where = "start_at >= '2024-01-05 22:00+00' AND start_at < '2024-01-06 02:00+00'"
    assert found == ask(
        database_url, f"SELECT count(*), min(start_at), max(start_at) FROM warehouse.streams WHERE {where}"
    )
    assert found[0][0] == 240


def test_a_window_is_looked_for_on_its_days_alone(database_url: str) -> None:
    load(database_url, "UTC")
    plan = "\n".join(
        line for (line,) in ask(database_url, f"EXPLAIN SELECT * FROM {BETWEEN} WHERE movie_title = 'Rust'")
    )
    assert [day for day in DAYS if f"streams_{day:%Y%m%d}" in plan] == DAYS[4:6], plan
    assert "Function Scan" not in plan


def test_a_database_whose_tables_change_has_its_functions_again(database_url: str) -> None:
    upgrade(database_url)
    assert ask(database_url, f"SELECT count(*) FROM {BETWEEN}") == [(0,)]
