"""What the settings say is said once: two platforms in one process never meet, and anyone may swap a resource."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from pydantic import SecretStr

from dataflow_assets.definitions import build_definitions
from dataflow_assets.errors import SettingsError
from dataflow_assets.orchestration.resources import DatabaseResource
from dataflow_assets.postgres import embedded
from dataflow_assets.postgres.connection import connect
from dataflow_assets.postgres.migrate import upgrade
from dataflow_assets.postgres.sql import execute
from dataflow_assets.settings import Settings, load_settings
from dataflow_assets.warehouse.bootstrap import open_warehouse
from dataflow_assets_tests.orchestration import builders
from dataflow_assets_tests.orchestration.builders import Platform, movies_csv, reasons, session, streams_csv

DAY = "2021-12-31"
SESSIONS = "SELECT movie_title, event_day FROM warehouse.streams"


def ask(settings: Settings, statement: str) -> list[tuple[Any, ...]]:
    with connect(open_warehouse(settings)) as connection:
        return execute(connection, statement)


@pytest.fixture
def two(clean_environment: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[Platform]]:
    """A platform in UTC and one in Paris, each with a home and a server of its own; the environment names a third."""
    clean_environment.setenv("DATAFLOW_HOME", str(tmp_path / "third"))
    wanted = {"one": "UTC", "two": "Europe/Paris"}
    with ExitStack() as stack:
        platforms = []
        for name, timezone in wanted.items():
            home = tmp_path / name
            stack.enter_context(embedded.acquire(home, durable=False))
            stack.callback(embedded.release, home)
            settings = load_settings().model_copy(update={"home": home, "timezone": timezone})
            platforms.append(stack.enter_context(builders.platform(settings)))
        yield platforms


def test_two_platforms_with_two_homes_in_one_process_never_meet(two: list[Platform], tmp_path: Path) -> None:
    for platform, movie in zip(two, ("Heat", "Rust"), strict=True):
        platform.land("streams", DAY, streams_csv(session("2021-12-30T23:30", movie=movie)))
        [request] = platform.tick("landing_sensor").requests
        assert platform.run("lake/streams", DAY, config=request.run_config).success
    for platform in two:
        for request in platform.tick("warehouse_sensor").requests:
            assert platform.run(*builders.wanted(request)).success
        for request in platform.tick("answers_sensor").requests:
            result = platform.run(*builders.wanted(request))
            assert result.success, reasons(result)
    assert [ask(platform.settings, SESSIONS) for platform in two] == [
        [("Heat", date(2021, 12, 30))],
        [("Rust", date(2021, 12, 31))],  # half past midnight in Paris
    ]
    made = "SELECT day::text FROM published.average_session WHERE sessions > 0"
    assert [platform.published(made) for platform in two] == [[("2021-12-30",)], [("2021-12-31",)]]
    assert not (tmp_path / "third").exists()


def test_a_secret_that_the_environment_does_not_hold_is_refused(settings: Settings) -> None:
    other = settings.model_copy(update={"database_url": SecretStr("postgresql://u:open-sesame@h/d")})
    with pytest.raises(SettingsError, match="another DATABASE_URL than the environment") as refusal:
        build_definitions(other)
    assert "open-sesame" not in str(refusal.value)
    build_definitions(other, resources={"database": DatabaseResource(home=str(other.home), timezone="UTC")})


def test_a_secret_is_named_by_its_variable_and_not_kept(settings: Settings) -> None:
    database = (build_definitions(settings).resources or {})["database"]
    assert isinstance(database.url, dg.EnvVar)


def test_a_resource_may_be_swapped(settings: Settings, empty_database_url: str) -> None:
    upgrade(empty_database_url)
    other = DatabaseResource(home=str(settings.home), timezone="UTC", url=empty_database_url)
    with builders.platform(settings) as platform:
        own = Platform(settings, build_definitions(settings, resources={"database": other}), platform.instance)
        own.land("movies", DAY, movies_csv("Heat"))
        assert len(own.tick("landing_sensor").requests) == 1
        assert own.run("lake/movies warehouse/movies", DAY).success
        assert own.query("SELECT title FROM warehouse.movies") == []
    with connect(empty_database_url) as connection:
        assert execute(connection, "SELECT title FROM warehouse.movies") == [("Heat",)]


def test_the_tables_of_the_platform_take_no_frame_of_anyone(platform: Platform) -> None:
    @dg.asset(io_manager_key="warehouse_tables")
    def own() -> int:
        return 1

    merged = dg.Definitions.merge(platform.definitions, dg.Definitions([own]))
    job = merged.resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(instance=platform.instance, asset_selection=[own.key], raise_on_error=False)
    assert "give the asset an io_manager_key of its own" in reasons(result)
