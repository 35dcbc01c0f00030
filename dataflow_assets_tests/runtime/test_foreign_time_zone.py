"""A live daemon whose database is not in UTC takes no new run for an old one, and no old one for a new one."""

from pathlib import Path

import dagster as dg
import pytest

from dataflow_assets.runtime.instance import open_instance
from dataflow_assets.settings import load_settings
from dataflow_assets_tests.live_platform import smallest_up
from dataflow_assets_tests.runtime.tiny_definitions import defs
from dataflow_assets_tests.waiting import wait_until
from dataflow_assets_tests.warehouse.builders import ask

_MONITOR_SECONDS = 300.0  # it looks when it starts, and every 30 seconds


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kolkata"])
def test_the_monitor_ends_the_run_that_never_started_and_no_other(
    database_url: str, clean_environment: pytest.MonkeyPatch, tmp_path: Path, zone: str
) -> None:
    ask(database_url, f"ALTER DATABASE {database_url.rpartition('/')[2]} SET timezone = '{zone}'")
    clean_environment.setenv("DATABASE_URL", database_url)
    clean_environment.delenv("PGTZ", raising=False)
    with open_instance(load_settings()) as instance:
        old, new = (instance.create_run_for_job(defs.resolve_job_def("quick_job")).run_id for _ in range(2))
    clean_environment.delenv("PGTZ", raising=False)  # which the processes of the platform must set for themselves
    ask(
        database_url,
        "UPDATE runs SET create_timestamp = create_timestamp - interval '11 minutes' WHERE run_id = %s",
        old,
    )
    with smallest_up(tmp_path), open_instance(load_settings()) as instance:
        wait_until(lambda: _status(instance, old) == dg.DagsterRunStatus.FAILURE, _MONITOR_SECONDS)
        assert _status(instance, new) == dg.DagsterRunStatus.NOT_STARTED


def _status(instance: dg.DagsterInstance, run: str) -> dg.DagsterRunStatus:
    found = instance.get_run_by_id(run)
    assert found
    return found.status
