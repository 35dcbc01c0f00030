"""Projects over each IO manager, on real servers."""

from collections.abc import Iterator

import dagster as dg
import pytest

from dataflow_assets.io_managers import PostgresIOManager
from dataflow_assets_tests.instances import empty_instance
from dataflow_assets_tests.io_managers.builders import Project


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """A Dagster instance of this test's own."""
    with empty_instance() as instance:
        yield instance


@pytest.fixture
def postgres(empty_database_url: str, instance: dg.DagsterInstance) -> Project:
    """A project over an empty database."""
    return Project(PostgresIOManager(url=empty_database_url), instance)
