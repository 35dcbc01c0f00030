"""What the tests of faults share: short pauses, an S3 server, and what a run says of its tries."""

import logging

import dagster as dg
import pytest

from dataflow_assets.orchestration import retries
from dataflow_assets_tests.landing.stores import s3_storage, s3_url
from dataflow_assets_tests.orchestration.builders import Platform

__all__ = ["s3_storage", "s3_url"]


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "RETRIES", dg.RetryPolicy(max_retries=retries.RETRIES.max_retries, delay=0.1))


def tries_again(result: dg.ExecuteInProcessResult) -> int:
    """How often a step of the run was tried again."""
    return sum(event.event_type is dg.DagsterEventType.STEP_UP_FOR_RETRY for event in result.all_events)


def logged(platform: Platform, result: dg.ExecuteInProcessResult, level: int = logging.ERROR) -> str:
    """What the run's log says at a level: of errors, unless another is named."""
    entries = platform.instance.all_logs(result.run_id)
    return "\n".join(entry.user_message for entry in entries if entry.level == level)


def warned(platform: Platform, result: dg.ExecuteInProcessResult) -> str:
    """What the run's log warns of."""
    return logged(platform, result, logging.WARNING)
