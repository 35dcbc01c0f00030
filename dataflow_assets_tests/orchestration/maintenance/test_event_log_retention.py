"""Runs that are long over are forgotten; what they said last of each partition is not, nor what is under way."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from dataflow_assets.core.cleanup import Freed
from dataflow_assets.orchestration.automation.materialization_feed import MaterializationFeed
from dataflow_assets.orchestration.maintenance import event_log_retention
from dataflow_assets.orchestration.maintenance.event_log_retention import forget
from dataflow_assets.orchestration.maintenance.housekeeping import tidy_event_log
from dataflow_assets.postgres.connection import connect
from dataflow_assets.runtime.instance import open_instance
from dataflow_assets.settings import Settings
from dataflow_assets.warehouse.bootstrap import open_warehouse
from dataflow_assets_tests.orchestration.builders import postgres

DAYS = dg.StaticPartitionsDefinition(["2021-12-01", "2021-12-02"])
KEY = dg.AssetKey("daily")


class Flaky(dg.Config):
    fails: bool = False


@dg.asset(
    partitions_def=DAYS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    check_specs=[dg.AssetCheckSpec(name, asset="daily") for name in ("one", "two")],
)
def daily(context: dg.AssetExecutionContext, config: Flaky) -> Iterator[Any]:
    print("a line that a run prints")  # noqa: T201
    if config.fails:
        raise dg.Failure("as asked for", allow_retries=False)
    yield dg.MaterializeResult(metadata={"run": context.run_id})
    for name in ("one", "two"):
        yield dg.AssetCheckResult(check_name=name, passed=True)


@dg.asset
def whole() -> None:
    """Has no partitions."""


JOB = dg.Definitions([daily, whole], executor=dg.in_process_executor).resolve_implicit_global_asset_job_def()


@dataclass(frozen=True)
class Memory:
    """An instance, and what the database holds of it."""

    settings: Settings
    instance: dg.DagsterInstance

    def run(self, asset: str = "daily", day: str | None = "2021-12-01", *, fails: bool = False) -> str:
        config = {"ops": {"daily": {"config": {"fails": fails}}}} if fails else {}
        tags = {"dagster/partition": day} if day and asset == "daily" else {}
        return JOB.execute_in_process(
            instance=self.instance,
            asset_selection=[dg.AssetKey(asset)],
            run_config=config,
            tags=tags,
            raise_on_error=False,
        ).run_id

    def forget(self, before: datetime | None = None, *, dry_run: bool = False) -> dict[str, int]:
        """What is forgotten of the time before an instant, now if there is none; how many of each."""
        assert self.settings.database_url
        with connect(self.settings.database_url.get_secret_value()) as connection:
            instant = before or datetime.now(UTC)
            found = forget(connection, instant, lambda _: 0, dry_run=dry_run)
            return {freed.what: freed.count for freed in found}

    def status(self) -> tuple[Any, ...]:
        """What Dagster says of the partitions of an asset."""
        value = self.instance.get_status_by_partition(KEY, DAYS.get_partition_keys(), DAYS)
        newest = self.instance.get_latest_materialization_event(KEY)
        records = self.instance.fetch_materializations(KEY, limit=100).records
        by_day = {record.partition_key: record for record in reversed(records)}
        return (value, newest, [by_day[day].storage_id for day in sorted(map(str, by_day))])

    def ask(self, statement: str) -> Any:
        with postgres(self.settings) as cursor:
            cursor.execute(statement)
            return cursor.fetchall()

    def logged(self, run: str) -> int:
        return len(self.instance.all_logs(run))


@pytest.fixture
def memory(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Memory]:
    monkeypatch.setattr(event_log_retention, "_BATCH", 7)  # many batches
    with open_instance(settings) as instance:
        yield Memory(settings, instance)


def test_what_a_run_said_last_of_a_partition_stays(memory: Memory) -> None:
    runs = [memory.run(day=day) for day in ("2021-12-01", "2021-12-01", "2021-12-02")]
    runs += [memory.run("whole"), memory.run("whole"), memory.run(day="2021-12-02", fails=True)]
    before = memory.status()
    evaluations = memory.ask("SELECT max(id) FROM asset_check_executions GROUP BY asset_key, check_name, partition")
    found = memory.forget(dry_run=True)
    assert memory.forget() == found
    assert found["runs"] == 2
    assert {run.run_id for run in memory.instance.get_runs()} == {*runs[1:3], *runs[4:]}
    assert memory.status() == before
    assert before[0]["2021-12-01"] != before[0]["2021-12-02"]
    types = dict(memory.ask("SELECT dagster_event_type, count(*) FROM event_logs GROUP BY 1"))
    assert types == {"ASSET_MATERIALIZATION": 3, "ASSET_MATERIALIZATION_PLANNED": 3}
    kept = memory.ask("SELECT id FROM asset_check_executions ORDER BY 1")
    assert set(evaluations) == set(kept)
    assert memory.ask("SELECT count(*) FROM asset_event_tags WHERE event_id NOT IN (SELECT id FROM event_logs)") == [
        (0,)
    ]
    assert set(memory.forget().values()) == {0}


def test_a_run_under_way_keeps_its_log(memory: Memory) -> None:
    run = memory.run()
    memory.run()
    with postgres(memory.settings) as cursor:
        cursor.execute("UPDATE runs SET status = 'STARTED' WHERE run_id = %s", (run,))
    logged = memory.logged(run)
    memory.forget()
    assert memory.logged(run) == logged
    assert memory.instance.get_run_by_id(run)
    assert len(memory.ask(f"SELECT FROM asset_check_executions WHERE run_id = '{run}'")) == 2


def test_what_is_not_old_stays_and_what_it_replaced_too(memory: Memory) -> None:
    """A reader that stands at a place within the time finds all that came after it, and what was before."""
    first = memory.run()
    instant = datetime.now(UTC)
    second, third = memory.run(), memory.run()
    logged = [memory.logged(run) for run in (second, third)]
    memory.forget(instant)
    assert [memory.logged(run) for run in (second, third)] == logged
    materialized = memory.instance.fetch_materializations(KEY, limit=9, ascending=True).records
    assert [record.run_id for record in materialized] == [first, second, third]
    feed = MaterializationFeed(memory.instance, DAYS, None)
    told = feed.read(KEY)
    assert len(told) == 3
    memory.forget()
    assert MaterializationFeed(memory.instance, DAYS, feed.cursor).read(KEY) == []


def test_ticks_go_but_those_at_work(memory: Memory) -> None:
    memory.ask(
        "INSERT INTO job_ticks (job_origin_id, selector_id, status, type, timestamp, tick_body) "
        "SELECT 'a', 'a', status, 'SENSOR', now() AT TIME ZONE 'UTC' - days * interval '1 day', '{}' "
        "FROM unnest(ARRAY['STARTED', 'SUCCESS', 'SKIPPED']) AS status, generate_series(0, 9, 3) AS days RETURNING 1"
    )
    assert memory.forget(datetime.now(UTC) - timedelta(days=5))["ticks"] == 4
    assert memory.ask("SELECT status, count(*) FROM job_ticks GROUP BY 1 ORDER BY 1") == [
        ("SKIPPED", 2),
        ("STARTED", 4),
        ("SUCCESS", 2),
    ]


def tidy(memory: Memory, *, dry_run: bool = False) -> list[Freed]:
    url, home = open_warehouse(memory.settings), memory.settings.dagster_home
    return list(tidy_event_log(url, home, timedelta(days=30), memory.instance, dry_run=dry_run))


def test_what_runs_printed_goes_with_them(memory: Memory) -> None:
    run = memory.run()
    folder = Path(memory.settings.dagster_home) / "storage"
    printed = [path.read_text() for path in (folder / run).rglob("*.out")]
    assert printed == ["a line that a run prints\n"]
    assert {freed.count for freed in tidy(memory)} == {0}, "nothing is so old yet"
    with postgres(memory.settings) as cursor:
        cursor.execute("UPDATE event_logs SET timestamp = timestamp - interval '31 days'")
    [looked, *_] = tidy(memory, dry_run=True)
    assert (folder / run).exists()
    [dropped, *_] = tidy(memory)
    assert dropped == looked
    assert (dropped.count, dropped.size >= len(printed[0])) == (1, True)
    assert list(folder.iterdir()) == []
