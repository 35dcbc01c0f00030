"""What the role that only reads may do, and what every table says of itself."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

from dataflow_assets.postgres import embedded
from dataflow_assets.postgres.migrate import upgrade
from dataflow_assets_tests.warehouse.builders import ask

WITHOUT_COMMENT = """
    SELECT relname, attname FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0
    WHERE relnamespace::regnamespace::text IN ('warehouse', 'analytics', 'ledger') AND relkind IN ('r', 'v', 'p')
        AND relname <> 'migrations' AND NOT attisdropped
        AND (obj_description(pg_class.oid, 'pg_class') IS NULL OR col_description(attrelid, attnum) IS NULL)"""
DESCRIBED = "SELECT obj_description('warehouse.users'::regclass), col_description('warehouse.users'::regclass, 2)"


def test_every_table_view_and_column_has_a_comment(database_url: str) -> None:
    assert ask(database_url, WITHOUT_COMMENT) == []
    assert ask(database_url, DESCRIBED) == [
        ("The people who can stream movies. One row for each key, with its latest values.", "identifies the user")
    ]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The home of an embedded server with the present tables."""
    home = tmp_path_factory.mktemp("reader") / "home"
    upgrade(embedded.url(home))
    yield home
    embedded.release(home)


def ask_as_reader(home: Path, statement: str) -> list[tuple[object, ...]]:
    with closing(psycopg2.connect(embedded.reader_url(home))) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


def test_a_reader_reads_what_there_is_and_what_is_made_later(home: Path) -> None:
    for table in ("warehouse.streams", "warehouse.users", "analytics.average_session", "ledger.deliveries"):
        assert ask_as_reader(home, f"SELECT count(*) FROM {table}") == [(0,)]
    ask(embedded.url(home), "CREATE TABLE warehouse_days.later (a int); SELECT 1")
    assert ask_as_reader(home, "SELECT count(*) FROM warehouse_days.later") == [(0,)]


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM warehouse.streams",
        "CREATE TABLE warehouse.own ()",
        "CREATE TABLE public.own ()",
        "SELECT * FROM serving.users",
        "SET ROLE dataflow",
    ],
)
def test_a_reader_changes_nothing_and_sees_no_logins(home: Path, statement: str) -> None:
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        ask_as_reader(home, statement)


def test_a_second_upgrade_grants_what_a_restored_database_lacks(home: Path) -> None:
    ask(embedded.url(home), "REVOKE ALL ON SCHEMA warehouse FROM dataflow_reader; SELECT 1")
    assert not upgrade(embedded.url(home))
    assert ask_as_reader(home, "SELECT count(*) FROM warehouse.streams") == [(0,)]
