"""Writing each partition of a run on its own, with any way of writing one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import dagster as dg
import pytest

from dataflow_assets.errors import ConflictError, LockTimeoutError
from dataflow_assets.orchestration.partitions import range_tags
from dataflow_assets.orchestration.slices import write_each

Write = Callable[[date], Mapping[str, int]]


class Store(dg.IOManager):
    """Calls the function that it is asked to store, once for each day."""

    def handle_output(self, context: dg.OutputContext, obj: Write) -> None:
        write_each(context, obj)

    def load_input(self, context: dg.InputContext) -> None:
        raise NotImplementedError


@dataclass(frozen=True)
class Outcome:
    succeeded: bool
    figures: dict[str, dict[str, Any]]


def run(write: Write, last: int = 3) -> Outcome:
    """Store some days, in one run that Dagster may try again; the figures are those that the instance keeps."""

    @dg.asset(
        partitions_def=dg.DailyPartitionsDefinition("2021-12-01", end_date="2022-01-01"),
        backfill_policy=dg.BackfillPolicy.single_run(),
        retry_policy=dg.RetryPolicy(max_retries=1),
    )
    def table() -> object:
        return write

    job = dg.Definitions(assets=[table], resources={"io_manager": Store()}).resolve_implicit_global_asset_job_def()
    tags = range_tags("2021-12-01", f"2021-12-{last:02}")
    with dg.DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(instance=instance, tags=tags, raise_on_error=False)
        records = instance.fetch_materializations(table.key, limit=10).records
    logged = [record.asset_materialization for record in records if record.asset_materialization]
    figures = {str(event.partition): {name: value.value for name, value in event.metadata.items()} for event in logged}
    return Outcome(result.success, figures)


def test_each_partition_has_its_own_figures() -> None:
    assert run(lambda day: {"rows": day.day, "rejected": 0}).figures == {
        f"2021-12-0{day}": {"rows": day, "rejected": 0, "dagster/partition_row_count": day} for day in (1, 2, 3)
    }


class FailsOnce:
    """Fails on 2 December at the first try."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.tried: list[int] = []

    def __call__(self, day: date) -> Mapping[str, int]:
        self.tried.append(day.day)
        if day.day == 2 and self.tried.count(2) == 1:
            raise self.error
        return {"rows": 1}


@pytest.mark.parametrize(
    "error",
    [
        LockTimeoutError("held"),
        OSError("Generic S3 error: HTTP error: error sending request"),
    ],
)
def test_what_may_pass_is_tried_again(error: Exception) -> None:
    write = FailsOnce(error)
    assert run(write).succeeded
    assert write.tried == [1, 2, 3, 1, 2, 3]


@pytest.mark.parametrize("error", [ConflictError("changing"), ValueError("a bug"), PermissionError("not yours")])
def test_what_does_not_pass_is_not_tried_again(error: Exception) -> None:
    write = FailsOnce(error)
    outcome = run(write)
    assert not outcome.succeeded
    assert write.tried == [1, 2, 3]
    assert sorted(outcome.figures) == ["2021-12-01", "2021-12-03"]


class IsDown:
    """Fails from 2 December on, in one way."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.tried: list[int] = []

    def __call__(self, day: date) -> Mapping[str, int]:
        self.tried.append(day.day)
        if day.day > 1:
            raise self.error
        return {"rows": 1}


def test_where_a_server_is_down_not_every_day_waits_for_it() -> None:
    write = IsDown(ConnectionResetError("by peer"))
    assert not run(write, last=9).succeeded
    assert write.tried == [1, 2, 3, 4] * 2


def test_days_that_somebody_holds_keep_no_other_from_its_turn() -> None:
    write = IsDown(LockTimeoutError("held"))
    assert not run(write, last=9).succeeded
    assert write.tried == [*range(1, 10)] * 2
