"""What is known, and what rows name in vain, for any number of days at once."""

from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest

from dataflow_assets.postgres.connection import connect
from dataflow_assets.sources.base import Reference
from dataflow_assets.warehouse.events import load_day
from dataflow_assets.warehouse.references import UnknownNames, find_empty_references, find_unknown_names
from dataflow_assets.warehouse.snapshots import load_snapshot
from dataflow_assets_tests.warehouse.builders import AUTHORS, DAY, STREAMS, complete, dump, minutes, sessions

NEXT = DAY + timedelta(days=1)
# As if users had to be authors, of which there is a made-up table.
SOURCE = replace(STREAMS, references=(Reference("user_email", "authors", "name"),))
BOTH = replace(STREAMS, references=(*SOURCE.references, Reference("movie_title", "books", "title")))


@pytest.fixture
def url(database_url: str) -> str:
    """A database with two authors, one of whom is missing, and sessions on two days."""
    with connect(database_url) as connection:
        first = dump({"Élan@x": None, "gone@x": None})
        load_snapshot(connection, AUTHORS, first.lazy(), 1, complete(first))
        both = dump({"Élan@x": None, "gone@x": None}).vstack(dump({"Élan@x": None}, delivered=NEXT))
        load_snapshot(connection, AUTHORS, both.lazy(), 2, complete(both))
        for day, users in ((DAY, ["élan@X", "gone@x", "b@x", "B@x", "a@x"]), (NEXT, ["élan@x", "b@x"])):
            starts = minutes(day, len(users))
            rows = pl.concat(sessions([start], user=user) for start, user in zip(starts, users, strict=True))
            load_day(connection, STREAMS, rows.lazy(), 1, day, "UTC")
    return database_url


def test_names_are_known_in_any_case_and_while_missing(url: str) -> None:
    with connect(url) as connection:
        found = find_unknown_names(connection, SOURCE, SOURCE.references, DAY, NEXT)
    assert found == [
        UnknownNames("user_email", DAY, 3, 3, ("B@x", "a@x", "b@x")),
        UnknownNames("user_email", NEXT, 1, 1, ("b@x",)),
    ]


def test_only_the_wanted_days_are_looked_at(url: str) -> None:
    with connect(url) as connection:
        assert [one.day for one in find_unknown_names(connection, SOURCE, SOURCE.references, NEXT, NEXT)] == [NEXT]
        assert find_unknown_names(connection, SOURCE, (), DAY, NEXT) == []


def test_a_table_without_rows_is_told_apart(url: str) -> None:
    with connect(url) as connection:
        assert find_empty_references(connection, BOTH) == [BOTH.references[1]]
        assert find_empty_references(connection, SOURCE) == []
