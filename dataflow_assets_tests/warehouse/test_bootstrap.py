"""The database that the settings name is opened only if it is fit for use."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dataflow_assets.errors import WarehouseMismatchError, WarehouseUnavailableError
from dataflow_assets.postgres import embedded
from dataflow_assets.postgres.connection import connect
from dataflow_assets.postgres.migrate import require_current
from dataflow_assets.postgres.sql import execute
from dataflow_assets.settings import Settings, load_settings
from dataflow_assets.warehouse.bootstrap import database_url as url_of
from dataflow_assets.warehouse.bootstrap import open_warehouse
from dataflow_assets_tests.processes import kill, processes_of, wait_until_gone
from dataflow_assets_tests.warehouse.builders import ask


@pytest.fixture
def home(clean_environment: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A home whose embedded server ends with the test."""
    yield tmp_path / "home"
    embedded.release(tmp_path / "home")


def test_a_database_of_ones_own_is_opened(settings: Settings, database_url: str) -> None:
    assert open_warehouse(settings) == database_url
    assert ask(database_url, "SELECT timezone FROM ledger.identity") == [("UTC",)]


def test_the_short_scheme_becomes_the_long_one(clean_environment: pytest.MonkeyPatch, database_url: str) -> None:
    clean_environment.setenv("DATABASE_URL", database_url.replace("postgresql://", "postgres://"))
    assert url_of(load_settings()) == database_url


def test_a_database_without_tables_is_left_as_it_is(
    clean_environment: pytest.MonkeyPatch, empty_database_url: str
) -> None:
    clean_environment.setenv("DATABASE_URL", empty_database_url)
    with pytest.raises(WarehouseMismatchError, match="dataflow init-db"):
        open_warehouse(load_settings())
    assert ask(empty_database_url, "SELECT to_regclass('ledger.identity')") == [(None,)]


def test_another_time_zone_is_refused(clean_environment: pytest.MonkeyPatch, database_url: str) -> None:
    clean_environment.setenv("DATABASE_URL", database_url)
    open_warehouse(load_settings())
    clean_environment.setenv("DATAFLOW_TIMEZONE", "Europe/Paris")
    with pytest.raises(WarehouseMismatchError, match="DATAFLOW_TIMEZONE=UTC, not Europe/Paris"):
        open_warehouse(load_settings())


def test_a_database_that_is_not_there_can_be_opened_later(
    clean_environment: pytest.MonkeyPatch, database_url: str
) -> None:
    name = database_url.rsplit("/", 1)[1]
    clean_environment.setenv("DATABASE_URL", f"{database_url}_later")
    with pytest.raises(WarehouseUnavailableError):
        open_warehouse(load_settings())
    ask(database_url.rsplit("/", 1)[0] + "/dataflow", f'ALTER DATABASE "{name}" RENAME TO "{name}_later"')
    assert open_warehouse(load_settings()) == f"{database_url}_later"


def test_the_embedded_server_gets_its_tables(home: Path) -> None:
    settings = load_settings()
    assert settings.home == home
    url = open_warehouse(settings)
    require_current(url)
    assert ask(url, "SELECT timezone FROM ledger.identity") == [("UTC",)]
    assert open_warehouse(settings) == url


def test_an_embedded_server_that_was_lost_is_started_again(home: Path) -> None:
    url = open_warehouse(load_settings())
    ask(url, "CREATE TABLE kept AS SELECT 1 AS n")
    for process, command in processes_of(home).items():
        if "/postgres -D" in command:
            kill(process)
    assert wait_until_gone(home) == {}
    with connect(open_warehouse(load_settings())) as connection:
        assert execute(connection, "SELECT n FROM public.kept") == [(1,)]
