"""What Dagster stores of a run, and by how many statements; and connections that the server ended meanwhile."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa
from dagster_postgres import PostgresEventLogStorage

from dataflow_assets.runtime.event_log import storing_together
from dataflow_assets.runtime.instance import open_instance, open_quick_instance
from dataflow_assets.runtime.tags import range_tags
from dataflow_assets.settings import Settings
from dataflow_assets_tests.orchestration.builders import postgres

DAYS = dg.DailyPartitionsDefinition("2021-12-01", end_date="2022-03-11")  # a hundred
PLANNED = dg.EventRecordsFilter(dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED)


@dg.asset(partitions_def=DAYS, backfill_policy=dg.BackfillPolicy.single_run())
def wide(context: dg.AssetExecutionContext) -> None:
    context.log.info("made")


@dg.asset(
    partitions_def=DAYS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    check_specs=[dg.AssetCheckSpec("is_odd", asset="judged")],
)
def judged(context: dg.AssetExecutionContext) -> Iterator[Any]:
    """Says twice of each partition that it is odd, first that it is not, and of another asset that it was made."""
    with storing_together(context.instance):
        for is_odd in (False, True):
            for day in context.partition_keys:
                context.log_event(dg.AssetCheckEvaluation(judged.key, "is_odd", passed=is_odd, partition=day))
        for day in context.partition_keys:
            context.log_event(dg.AssetMaterialization("other", partition=day))
    yield dg.MaterializeResult()
    yield dg.Output(None, "judged_is_odd")


def make(
    instance: dg.DagsterInstance, first: str, last: str, asset: dg.AssetsDefinition = wide
) -> dg.ExecuteInProcessResult:
    job = dg.Definitions(assets=[asset]).resolve_implicit_global_asset_job_def()
    return job.execute_in_process(instance=instance, tags=range_tags(first, last))


@contextmanager
def statements() -> Iterator[list[str]]:
    """What SQLAlchemy sends to any server while the block runs."""
    sent: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        sent.append(statement)

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)


def test_the_partitions_that_a_run_plans_are_stored_by_few_statements(settings: Settings) -> None:
    with open_instance(settings) as instance:
        make(instance, "2021-12-01", "2021-12-01")
        with statements() as of_one:
            make(instance, "2021-12-02", "2021-12-02")
        with statements() as of_many:
            result = make(instance, "2021-12-01", "2022-03-10")
        planned = [record for record in instance.get_event_records(PLANNED) if record.run_id == result.run_id]
        assert sorted(str(record.partition_key) for record in planned) == list(DAYS.get_partition_keys())
        (record,) = instance.get_asset_records([wide.key])
        assert record.asset_entry.last_run_id == result.run_id
    assert len(of_many) < len(of_one) + 10


def test_what_is_said_of_many_partitions_together_is_stored_by_few_statements_and_all_of_it(settings: Settings) -> None:
    with open_instance(settings) as instance:
        make(instance, "2021-12-01", "2021-12-01", judged)
        with statements() as of_one:
            make(instance, "2021-12-02", "2021-12-02", judged)
        with statements() as of_many:
            result = make(instance, "2021-12-01", "2022-03-10", judged)
        assert result.success
        made = instance.fetch_materializations(dg.AssetKey("other"), limit=1000).records
        of_run = [str(record.partition_key) for record in made if record.run_id == result.run_id]
        assert sorted(of_run) == list(DAYS.get_partition_keys())
        (record,) = instance.get_asset_records([dg.AssetKey("other")])
        assert record.asset_entry.last_run_id == result.run_id
    with postgres(settings) as cursor:
        cursor.execute(
            "SELECT execution_status, count(DISTINCT partition), count(*), count(DISTINCT evaluation_event_storage_id) "
            "FROM asset_check_executions WHERE run_id = %s AND partition IS NOT NULL GROUP BY 1",
            (result.run_id,),
        )
        assert cursor.fetchall() == [("SUCCEEDED", 100, 100, 100)]
        cursor.execute(
            "SELECT count(*) FROM event_logs WHERE run_id = %s AND dagster_event_type = 'ASSET_CHECK_EVALUATION'",
            (result.run_id,),
        )
        assert cursor.fetchall() == [(200,)]
    assert len(of_many) < len(of_one) + 20


def test_a_run_asks_for_no_table_that_an_earlier_one_found(settings: Settings) -> None:
    with open_instance(settings) as instance:
        make(instance, "2021-12-01", "2021-12-01")
    with open_instance(settings) as instance:
        with statements() as sent:
            result = make(instance, "2021-12-02", "2021-12-02")
        assert "made" in [entry.user_message for entry in instance.all_logs(result.run_id)]
    assert [statement for statement in sent if "pg_attribute" in statement or "secondary_indexes" in statement] == []


def test_runs_of_a_command_wait_for_the_disk_at_its_end_alone(settings: Settings) -> None:
    def durability(instance: dg.DagsterInstance) -> Any:
        with instance.event_log_storage._connect() as connection:  # type: ignore[attr-defined]
            return connection.execute(sa.text("SHOW synchronous_commit")).scalar()

    with open_quick_instance(settings) as instance:
        assert durability(instance) == "off"
        run_id = make(instance, "2021-12-01", "2021-12-01").run_id
    with open_instance(settings) as instance:
        assert durability(instance) == "on"
        assert instance.get_run_by_id(run_id)


def test_a_run_has_failed_before_that_is_an_event(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dagster's daemon, which looks at the event once, would not make it again otherwise."""
    found: list[dg.DagsterRunStatus | None] = []
    store = PostgresEventLogStorage.store_event

    def look_and_store(log: PostgresEventLogStorage, event: dg.EventLogEntry) -> None:
        run = instance.get_run_by_id(event.run_id)
        if event.dagster_event_type is dg.DagsterEventType.RUN_FAILURE:
            found.append(run.status if run else None)
        store(log, event)

    monkeypatch.setattr(PostgresEventLogStorage, "store_event", look_and_store)
    job = dg.Definitions(assets=[wide]).resolve_implicit_global_asset_job_def()
    with open_instance(settings) as instance:
        run = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
        instance.report_run_failed(run)
    assert found == [dg.DagsterRunStatus.FAILURE]


def test_connections_that_the_server_ended_are_replaced(settings: Settings) -> None:
    with open_instance(settings) as instance:
        assert make(instance, "2021-12-01", "2021-12-01").success
        with postgres(settings) as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid, timeout => 60000) FROM pg_stat_activity "
                "WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()"
            )
        assert make(instance, "2021-12-02", "2021-12-02").success
