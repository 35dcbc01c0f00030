"""Where does a row come from? One query answers it, for every table that people query."""

import re
from datetime import date

import pytest

from dataflow_assets.landing.storage import open_storage
from dataflow_assets.settings import Settings
from dataflow_assets.sources import all_sources
from dataflow_assets.sources.base import Snapshot
from dataflow_assets_tests.conftest import REPOSITORY
from dataflow_assets_tests.landing.stores import land
from dataflow_assets_tests.loading import ask, take_and_load

FIRST, SECOND = date(2021, 12, 1), date(2021, 12, 2)
SESSION = "{},a@b,1,2021-12-01T10:00:00Z,2021-12-01T11:00:00Z\n"
HEADER = "movie_title,user_email,size_mb,start_at,end_at\n"
FILES = [
    ("streams", FIRST, "a.csv", HEADER + SESSION.format("Heat") + SESSION.format("Rust")),
    ("streams", FIRST, "a.csv", HEADER + SESSION.format("Heat") + SESSION.format("Unforgiven")),
    ("streams", SECOND, "b.csv", HEADER + SESSION.format("Unforgiven")),
    ("users", FIRST, "u.csv", "email,first_name,last_name\na@b,Ann,\nc@d,Bo,\n"),
    ("users", SECOND, "v.csv", "email,first_name,last_name\na@b,Anna,\nc@d,Bo,\n"),
]


@pytest.fixture
def loaded(settings: Settings) -> Settings:
    """Settings of a warehouse with some files: one came in a second version, rows of another superseded some of it."""
    for source, day, name, text in FILES:
        key = land(open_storage(settings), source, name, text, day).object
        take_and_load(lambda _: None, settings, source, key)
    return settings


def test_the_query_of_the_readme_names_the_file_of_a_row(loaded: Settings) -> None:
    section = (REPOSITORY / "docs/how-to/query.md").read_text().partition("## Where does a row come from?")[2]
    found = re.search(r"SELECT .*?;", section, re.DOTALL)
    assert found
    [row] = ask(loaded, found[0])
    assert (row[0], *row[3:]) == ("Unforgiven", SECOND, "landing/streams/2021-12-02/b.csv", 0)


def test_a_row_of_history_names_the_file_that_first_gave_its_values(loaded: Settings) -> None:
    join = "JOIN ledger.deliveries USING (delivery) WHERE state <> 'superseded'"
    columns = "SELECT first_name, substring(object from '.......$') FROM"
    users, history = (
        ask(loaded, f"{columns} warehouse.{table} {join} ORDER BY 1") for table in ("users", "users_history")
    )
    assert users == [("Anna", "2/v.csv"), ("Bo", "1/u.csv")]
    assert history == [("Ann", "1/u.csv"), *users]


def test_every_row_that_people_query_has_one_delivery(loaded: Settings) -> None:
    for source in all_sources():
        tables = [source.name, f"{source.name}_history"] if isinstance(source, Snapshot) else [source.name]
        for table in tables:
            lost = (
                "SELECT delivery FROM (SELECT delivery, object FROM ledger.deliveries WHERE state <> 'superseded') "
                f"AS told RIGHT JOIN warehouse.{table} USING (delivery) "
                "GROUP BY delivery, id HAVING count(object) <> 1"
            )
            assert ask(loaded, lost) == [], table
