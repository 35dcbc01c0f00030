"""The kinds of object store that tests of the warehouse use, and how long its loads wait for locks."""

import pytest

from dataflow_assets.postgres import locks
from dataflow_assets_tests.landing.stores import local_storage, s3_storage, s3_url, storage

__all__ = ["local_storage", "s3_storage", "s3_url", "storage"]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any wait for a lock fails soon, and not before it was seen who holds it."""
    monkeypatch.setattr(locks, "LOCK_TIMEOUT", "400ms")
    monkeypatch.setattr(locks, "LOCK_PAUSES", (0.01,))


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits for locks until the test lets them go."""
    monkeypatch.setattr(locks, "LOCK_TIMEOUT", "20s")
