"""What the tests of faults share: a platform whose pauses are short, and the real servers that things happen to."""

from collections.abc import Iterator

import dagster as dg
import pytest

from dataflow_assets.orchestration import passing
from dataflow_assets.settings import Settings
from dataflow_assets_tests.landing.stores import s3_storage, s3_url
from dataflow_assets_tests.orchestration import made

__all__ = ["s3_storage", "s3_url"]


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passing, "TRIES", dg.RetryPolicy(max_retries=passing.TRIES.max_retries, delay=0.1))


@pytest.fixture
def platform(settings: Settings) -> Iterator[made.Platform]:
    """A platform to which nothing happens before a test says so."""
    with made.platform(settings) as working:
        yield working
