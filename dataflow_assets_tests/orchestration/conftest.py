"""What the tests of orchestration share: a platform in this process, on a database of the test's own."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from dataflow_assets.settings import Settings, load_settings
from dataflow_assets_tests.conftest import clean
from dataflow_assets_tests.orchestration import builders


@pytest.fixture
def platform(settings: Settings) -> Iterator[builders.Platform]:
    """A platform whose days are those of UTC."""
    with builders.platform(settings) as working:
        yield working


@pytest.fixture
def paris(settings: Settings, clean_environment: pytest.MonkeyPatch) -> Iterator[builders.Platform]:
    """A platform whose days are those of Paris."""
    clean_environment.setenv("DATAFLOW_TIMEZONE", "Europe/Paris")
    with builders.platform(load_settings()) as working:
        yield working


@pytest.fixture(scope="module")
def prepared(
    request: pytest.FixtureRequest, module_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[builders.Platform]:
    """The platform that `prepare` of a module made ready for all its tests, which use copies of it."""
    with ExitStack() as open_until_the_end:
        with pytest.MonkeyPatch.context() as environment:
            clean(environment, tmp_path_factory.mktemp("prepared") / "home")
            environment.setenv("DATABASE_URL", module_database_url)
            platform = open_until_the_end.enter_context(builders.platform(load_settings()))
            request.module.prepare(platform)
        yield platform


@pytest.fixture
def copied(
    prepared: builders.Platform, copied_database_url: str, clean_environment: pytest.MonkeyPatch
) -> Iterator[builders.Platform]:
    """A copy of what the module prepared, but for what landed (see `copy_platform`)."""
    clean_environment.setenv("DATABASE_URL", copied_database_url)
    with builders.copy_platform(prepared, load_settings()) as working:
        yield working
