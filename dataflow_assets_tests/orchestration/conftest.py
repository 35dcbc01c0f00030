"""What the tests of orchestration share: a platform in this process, on a database of the test's own."""

from collections.abc import Iterator

import pytest

from dataflow_assets.settings import Settings, load_settings
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
