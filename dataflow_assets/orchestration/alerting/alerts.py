"""What somebody must be told: a run that failed, a check that did not pass, a sensor that fails again and again.

Here: from Dagster's event log to alerts, as sentences. Not here: how they are sent (see `channels`), and when
(see `sensor`).
"""

from collections.abc import Iterable
from dataclasses import dataclass

import dagster as dg

from dataflow_assets.core.formatting import few
from dataflow_assets.orchestration.checks import nothing_quarantined, snapshots_complete
from dataflow_assets.orchestration.runs.failures import first_failure
from dataflow_assets.runtime.sensors import FailingSensor
from dataflow_assets.runtime.tags import PART_OF, VERSIONS, partitions_of

_MOST_ASSETS = 5
_WILL_RETRY = "dagster/will_retry"  # Dagster's tag of a failed run that it makes again by itself


@dataclass(frozen=True, kw_only=True)
class Alert:
    """Something went wrong: with which assets and partitions, why, and where to look."""

    title: str
    assets: tuple[str, ...]
    partitions: str
    reason: str
    link: str

    @property
    def subject(self) -> str:
        """One line that names what went wrong, and with what."""
        named = few(self.assets, _MOST_ASSETS)
        return " ".join(part for part in (f"{self.title}:", named, self.partitions) if part)


def failed_run(instance: dg.DagsterInstance, record: dg.EventLogRecord, ui: str) -> Alert | None:
    """The alert of a run that failed; None where the run is no longer known, is made again, or failed before.

    What a run of the lake went on with, the sensors ask for again.

    Args:
        instance: has the run and its events.
        record: the event of its failure.
        ui: the address of the Dagster UI.
    """
    run = instance.get_run_by_id(record.run_id)
    if run is None or run.tags.get(_WILL_RETRY) == "true" or PART_OF in run.tags or _failed_before(instance, run):
        return None
    steps = instance.all_logs(record.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    event = record.event_log_entry.dagster_event
    said = event.message if event else None
    return Alert(
        title="Run failed",
        assets=_names(run.asset_selection or ()) or (run.job_name,),
        partitions=partitions_of(run.tags),
        reason=first_failure(step.get_dagster_event() for step in steps) or said or "no reason was given",
        link=_link(ui, record.run_id),
    )


def failed_check(record: dg.EventLogRecord, ui: str) -> Alert | None:
    """The alert of an evaluation of a check; None where it passed, or only warns and nothing waits for somebody."""
    event = record.event_log_entry.dagster_event
    assert event
    evaluation = event.event_specific_data
    assert isinstance(evaluation, dg.AssetCheckEvaluation)
    is_waiting = evaluation.check_name in (nothing_quarantined.CHECK.name, snapshots_complete.CHECK.name)
    if evaluation.passed or not (is_waiting or evaluation.severity is dg.AssetCheckSeverity.ERROR):
        return None
    return Alert(
        title=f"Check {evaluation.check_name} failed",
        assets=(evaluation.asset_key.to_user_string(),),
        partitions=evaluation.partition or "",
        reason=evaluation.description or "no reason was given",
        link=_link(ui, record.run_id),
    )


def failing_sensor(found: FailingSensor, ui: str) -> Alert:
    """The alert of a sensor that fails tick after tick: what it asks for is not done."""
    return Alert(
        title=f"Sensor failed {found.ticks} times",
        assets=(found.name,),
        partitions="",
        reason=found.reason,
        link=f"{ui.rstrip('/')}/automation",
    )


def _failed_before(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Whether another run failed that was to take the same versions of the same objects: the sensor asks again."""
    if VERSIONS not in run.tags:
        return False
    same = dg.RunsFilter(tags={VERSIONS: run.tags[VERSIONS]}, statuses=[dg.DagsterRunStatus.FAILURE])
    *_, first = instance.get_runs(same)  # newest first
    return first.run_id != run.run_id


def _names(keys: Iterable[dg.AssetKey]) -> tuple[str, ...]:
    return tuple(sorted(key.to_user_string() for key in keys))


def _link(ui: str, run_id: str) -> str:
    return f"{ui.rstrip('/')}/runs/{run_id}" if run_id else ui
