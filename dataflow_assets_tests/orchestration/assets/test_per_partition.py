"""Writing each partition of a run on its own, with any way of writing one."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest

from dataflow_assets.errors import ConflictError, LockTimeoutError
from dataflow_assets.orchestration.assets import per_partition
from dataflow_assets.orchestration.assets.per_partition import Together, write_each
from dataflow_assets.runtime.tags import range_tags, stretches_tags

Write = Callable[[date], Mapping[str, float]]


@dataclass(frozen=True)
class Store(dg.IOManager):
    """Calls the function that it is asked to store, once for each day that was not written together with others."""

    together: Together = lambda _: ()

    def handle_output(self, context: dg.OutputContext, obj: Write) -> None:
        write_each(dg.AssetExecutionContext.get(), obj, together=self.together)

    def load_input(self, context: dg.InputContext) -> None:
        raise NotImplementedError


@dataclass(frozen=True)
class Outcome:
    succeeded: bool
    metrics: dict[str, dict[str, Any]]
    said: list[str]


def run(
    write: Write, last: int = 3, together: Together = lambda _: (), tags: Mapping[str, str] | None = None
) -> Outcome:
    """Store some days, in one run that Dagster may try again; the metrics are those that the instance keeps."""

    @dg.asset(
        partitions_def=dg.DailyPartitionsDefinition("2021-12-01", end_date="2022-01-01"),
        backfill_policy=dg.BackfillPolicy.single_run(),
        retry_policy=dg.RetryPolicy(max_retries=1),
    )
    def table() -> object:
        return write

    job = dg.Definitions(
        assets=[table], resources={"io_manager": Store(together)}
    ).resolve_implicit_global_asset_job_def()
    with dg.DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(
            instance=instance, tags=tags or range_tags("2021-12-01", f"2021-12-{last:02}"), raise_on_error=False
        )
        records = instance.fetch_materializations(table.key, limit=10).records
        messages = [entry.user_message for entry in instance.all_logs(result.run_id) if not entry.dagster_event]
    logged = [record.asset_materialization for record in records if record.asset_materialization]
    metrics = {str(event.partition): {name: value.value for name, value in event.metadata.items()} for event in logged}
    return Outcome(result.success, metrics, messages)


def test_each_partition_has_its_own_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(per_partition, "time", SimpleNamespace(monotonic=lambda: 0.0))
    found = run(lambda day: {"rows": day.day, "rejected": 0, "seconds": 10.0}).metrics
    assert [metrics.pop("seconds") for metrics in found.values()] == [10.0] * 3
    rates = [metrics.pop("rows_per_second") for metrics in found.values()]
    assert rates == pytest.approx([0.3, 0.2, 0.1])  # the newest first
    assert found == {
        f"2021-12-0{day}": {"rows": day, "rejected": 0, "dagster/partition_row_count": day} for day in (1, 2, 3)
    }


def test_the_log_has_a_line_for_each_partition_in_few_messages() -> None:
    [said] = run(lambda day: {"rows": day.day}).said
    assert [line.partition(",")[0] for line in said.splitlines()] == [
        "table 2021-12-01: 1 row kept",
        "table 2021-12-02: 2 rows kept",
        "table 2021-12-03: 3 rows kept",
    ]


def test_a_slow_partition_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(per_partition, "_PAUSE", 0.0)
    assert len(run(lambda day: {"rows": day.day}).said) == 3


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
    assert sorted(outcome.metrics) == ["2021-12-01", "2021-12-03"]
    failed, written = outcome.said
    assert failed.splitlines()[0] == f"table 2021-12-02: {error}"
    assert ("Traceback" in failed) == (not isinstance(error, ConflictError)), "only a bug has a trace"
    assert written.partition(",")[0] == "table 2021-12-01: 1 row kept"


FAR_APART = stretches_tags([("2021-12-01", "2021-12-02"), ("2021-12-05", "2021-12-05")])


def test_of_days_that_are_far_apart_those_between_are_neither_written_nor_said_to_be() -> None:
    written: list[int] = []

    def write(day: date) -> Mapping[str, int]:
        written.append(day.day)
        return {"rows": day.day}

    outcome = run(write, tags=FAR_APART)
    assert (outcome.succeeded, written) == (True, [1, 2, 5])
    rows = {day: metrics["rows"] for day, metrics in outcome.metrics.items()}
    assert rows == {"2021-12-01": 1, "2021-12-02": 2, "2021-12-05": 5}


def test_of_days_that_are_far_apart_one_fails_alone() -> None:
    outcome = run(FailsOnce(ConflictError("changing")), tags=FAR_APART)
    assert not outcome.succeeded
    assert sorted(outcome.metrics) == ["2021-12-01", "2021-12-05"]


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


def in_pairs(days: Sequence[date]) -> Iterator[Mapping[date, Mapping[str, float]]]:
    """Write two days at once, and fail at the fifth."""
    for first, second in itertools.pairwise(days):
        if second.day == 6:
            raise ValueError("not these two")
        if first.day % 2:
            yield {first: {"rows": 10}, second: {"rows": 10}}


def test_what_is_not_written_together_is_written_alone() -> None:
    write = FailsOnce(ConflictError("changing"))
    outcome = run(write, last=7, together=in_pairs)
    assert outcome.succeeded
    assert write.tried == [5, 6, 7]
    found = {day[-2:]: metrics["rows"] for day, metrics in outcome.metrics.items()}
    assert found == {"01": 10, "02": 10, "03": 10, "04": 10, "05": 1, "06": 1, "07": 1}
    warned, said = outcome.said
    assert warned.startswith("What is left of 2021-12-01 to 2021-12-07 is written one by one, as together ")
    assert "not these two" in warned
    assert [line[:16] for line in said.splitlines()] == [f"table 2021-12-{day:02}" for day in range(1, 8)]


def test_one_that_fails_alone_too_leaves_those_that_were_written_together() -> None:
    outcome = run(IsDown(ConflictError("changing")), together=lambda days: [{days[0]: {"rows": 10}}])
    assert not outcome.succeeded
    assert {day: metrics["rows"] for day, metrics in outcome.metrics.items()} == {"2021-12-01": 10}


def test_many_are_written_together_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(per_partition, "_MOST_TOGETHER", 3)
    asked: list[list[int]] = []

    def write(days: Sequence[date]) -> list[Mapping[date, Mapping[str, float]]]:
        asked.append([day.day for day in days])
        return [{day: {"rows": 1, "seconds": 1} for day in days}]

    alone = IsDown(ValueError("written alone"))
    outcome = run(alone, last=7, together=write)
    assert (asked, alone.tried) == ([[1, 2, 3], [4, 5, 6]], [7])
    assert [metrics["seconds"] for metrics in outcome.metrics.values()] == pytest.approx([1.0] * 6, abs=0.5)
