"""Runs of a command that Celery workers make, several at once.

Here: launching them, waiting for them, and giving up those whose worker is lost, or that none begins. Not here: which
runs (see `backfill`), and those that the daemon launches (see `runtime.run_coordinator`).
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from dataflow_assets.orchestration.runs.code_location import REPOSITORY_TAG, in_code_location
from dataflow_assets.orchestration.runs.failures import first_failure
from dataflow_assets.runtime.tags import MAX_RETRIES, WORKER

_LOOK_SECONDS = 0.2
HEALTH_SECONDS = 10.0
START_SECONDS = 600.0  # as in dagster.yaml, for the runs of the daemon


def run_on_workers(
    instance: dg.DagsterInstance,
    job: Any,
    assets: Sequence[dg.AssetKey],
    wanted: Sequence[Mapping[str, str]],
    slots: int,
) -> Iterator[tuple[int, dg.DagsterRun]]:
    """Run assets on workers, with the tags of each run; which one ended, as it does. Left early, the others are ended.

    Args:
        instance: whose launcher is that of the workers.
        job: the one that holds the assets, as `dg.build_reconstructable_job` gives it.
        assets: those to make.
        wanted: the tags of each run.
        slots: how many runs are launched at once.
    """
    left, under_way = list(enumerate(wanted)), dict[str, int]()
    looked = time.monotonic()
    try:
        while left or under_way:
            while left and len(under_way) < slots:
                number, tags = left.pop(0)
                under_way[_launch(instance, job, assets, tags)] = number
            time.sleep(_LOOK_SECONDS)
            if is_time := time.monotonic() - looked > HEALTH_SECONDS:
                looked = time.monotonic()
            for record in instance.get_run_records(dg.RunsFilter(run_ids=list(under_way))):
                run = record.dagster_run
                if run.is_finished:
                    yield under_way.pop(run.run_id), run
                elif is_time:
                    _give_up_if_lost(instance, run, datetime.now(UTC) - record.create_timestamp)
    finally:
        for run_id in under_way:
            with suppress(Exception):  # the next one is to be ended too
                instance.run_launcher.terminate(run_id)


def explain_failed_run(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
    """Why a run failed, in a sentence."""
    logged = instance.all_logs(run.run_id, of_type={dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.RUN_FAILURE})
    events = [event for entry in logged if (event := entry.dagster_event)]
    why = first_failure(events) or next((event.message for event in events if event.message), "see its log in the UI")
    return f"The run {run.run_id} failed: {why}"


def _launch(instance: dg.DagsterInstance, job: Any, assets: Sequence[dg.AssetKey], tags: Mapping[str, str]) -> str:
    selection = frozenset(assets)
    whole = job.get_definition()
    with in_code_location(instance, whole.name):
        run = instance.create_run_for_job(
            whole.get_subset(asset_selection=selection),
            asset_selection=selection,
            tags={**tags, **REPOSITORY_TAG, MAX_RETRIES: "0"},
            job_code_origin=job.get_python_origin(),
        )
    nowhere: Any = None  # a launcher that sends runs to workers needs no code server
    instance.launch_run(run.run_id, nowhere)
    return run.run_id


def _give_up_if_lost(instance: dg.DagsterInstance, run: dg.DagsterRun, age: timedelta) -> None:
    """Record that a run failed whose worker is gone, or which none has begun: no daemon may be there to do so."""
    launcher = instance.run_launcher
    health = launcher.check_run_worker_health(run)
    if health.status.value == "FAILED":
        instance.report_run_failed(run, health.msg)
    elif WORKER not in run.tags and age.total_seconds() > START_SECONDS:
        why = f"No worker has begun it within {START_SECONDS:.0f} seconds. {launcher.get_run_worker_debug_info(run)}"
        instance.report_run_failed(run, why)
