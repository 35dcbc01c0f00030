"""What is drawn of the answers: the partitions of the days that are asked for, over one connection."""

from datetime import date

import pytest

from dataflow_assets.analytics import find_answer
from dataflow_assets.postgres import connection
from dataflow_assets.warehouse.charts import read_charts
from dataflow_assets_tests.warehouse.builders import ask

ANSWERS = [find_answer(name) for name in ("average_session", "engaged_users", "median_session_size")]


@pytest.fixture
def url(database_url: str) -> str:
    """Three days of two answers; the third answer is empty."""
    for day in ("2021-12-01", "2021-12-02", "2021-12-03"):
        ask(database_url, "INSERT INTO analytics.average_session VALUES (%s, 10, 60.5)", day)
        ask(database_url, "INSERT INTO analytics.engaged_users VALUES (%s, 7)", day)
    return database_url


def test_the_newest_days_are_drawn_or_those_before_a_day(url: str) -> None:
    assert [chart.labels for chart in read_charts(url, ANSWERS, days=2)] == [("2021-12-02", "2021-12-03")] * 3
    charts = read_charts(url, ANSWERS, days=1, end=date(2021, 12, 2))
    assert [(chart.labels, chart.values) for chart in charts][-1] == (("2021-12-01",), (7.0,))


def test_one_connection_is_used(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    opened, really_open = [], connection._open

    def open_one(url: str) -> connection.Connection:
        opened.append(url)
        return really_open(url)

    monkeypatch.setattr(connection, "_open", open_one)
    assert len(list(read_charts(url, ANSWERS))) == 3
    assert opened == [url]
