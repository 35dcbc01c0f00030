"""Dagster's event log is stored by few statements, and as Dagster's own stores it."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa

from dataflow_assets.runtime import storage
from dataflow_assets.runtime.instance import open_instance, open_quick_instance
from dataflow_assets.runtime.tags import range_tags
from dataflow_assets.settings import Settings

DAYS = dg.DailyPartitionsDefinition("2026-01-01", end_date="2026-02-10")
_OTHERS = (
    "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND usename = current_user"
)
FIRST, LAST = "2026-01-01", "2026-02-09"


@dg.asset(partitions_def=DAYS, backfill_policy=dg.BackfillPolicy.single_run())
def daily() -> None:
    """An asset of forty days."""


def materialize(instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    job = dg.Definitions(assets=[daily]).resolve_implicit_global_asset_job_def()
    return job.execute_in_process(instance=instance, tags=range_tags(FIRST, LAST))


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What is sent to databases meanwhile."""
    sent: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        sent.append(statement)

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    yield sent
    sa.event.remove(sa.Engine, "before_cursor_execute", note)


def test_what_a_run_is_about_to_make_is_stored_together(settings: Settings, statements: list[str]) -> None:
    with open_instance(settings) as instance:
        result = materialize(instance)
        planned = instance.all_logs(result.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED)
        made = instance.all_logs(result.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
        [record] = instance.get_asset_records([daily.key])
    days = DAYS.get_partition_keys()
    assert sorted(entry.get_dagster_event().partition or "" for entry in planned) == days
    assert sorted(entry.get_dagster_event().partition or "" for entry in made) == days
    assert record.asset_entry.last_run_id == result.run_id
    stored = [statement for statement in statements if statement.startswith("INSERT INTO event_logs")]
    assert len(stored) < len(days)


def test_runs_of_a_command_wait_for_the_disk_at_its_end_alone(settings: Settings) -> None:
    def durability(instance: dg.DagsterInstance) -> Any:
        with instance.event_log_storage._connect() as connection:  # type: ignore[attr-defined]
            return connection.execute(sa.text("SHOW synchronous_commit")).scalar()

    with open_quick_instance(settings) as instance:
        assert durability(instance) == "off"
        run_id = materialize(instance).run_id
    with open_instance(settings) as instance:
        assert durability(instance) == "on"
        assert instance.get_run_by_id(run_id)


def test_a_connection_that_the_server_ended_is_replaced(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "_MOMENT", 0.0)
    with open_instance(settings) as instance:
        assert instance.event_log_storage.get_pool_limits() == []
        with sa.create_engine(settings.database_url.get_secret_value()).connect() as other:  # type: ignore[union-attr]
            other.execute(sa.text(f"SELECT pg_terminate_backend(pid) {_OTHERS}"))
        assert instance.event_log_storage.get_pool_limits() == []
