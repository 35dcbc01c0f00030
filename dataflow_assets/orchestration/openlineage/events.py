"""What a run did, as events of OpenLineage.

A run of Dagster is a run of its job. Each asset that it made is a run of its own, of a job named like the asset, whose
parent it is; and so are the checks of an asset. Numbers of runs follow from Dagster's, so that an event that is sent
twice says the same thing.

Here: from Dagster's record of a run to events. Not here: datasets (see `datasets`), and sending (see `sensor`).
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

import dagster as dg
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import (
    data_quality_assertions_dataset,
    error_message_run,
    input_statistics_input_dataset,
    job_type_job,
    output_statistics_output_dataset,
    parent_run,
    processing_engine_run,
)

from dataflow_assets.orchestration.keys import LAKE, LANDING
from dataflow_assets.orchestration.openlineage.datasets import Datasets
from dataflow_assets.orchestration.runs.failures import first_failure

NAMESPACE = "dataflow-assets"  # of the jobs
_PRODUCER = "https://pypi.org/project/dataflow-assets"
_ENDS = {
    dg.DagsterRunStatus.SUCCESS: RunState.COMPLETE,
    dg.DagsterRunStatus.FAILURE: RunState.FAIL,
    dg.DagsterRunStatus.CANCELED: RunState.ABORT,
}
_TOLD = {
    dg.DagsterEventType.ASSET_MATERIALIZATION,
    dg.DagsterEventType.ASSET_CHECK_EVALUATION,
    dg.DagsterEventType.STEP_FAILURE,
}


@dataclass(frozen=True)
class RunRecord:
    """What Dagster keeps of one run; times are seconds since 1970."""

    run: dg.DagsterRun
    start: float
    end: float
    materializations: list[dg.AssetMaterialization]
    evaluations: list[dg.AssetCheckEvaluation]
    failure: str | None = None


def read_run(instance: dg.DagsterInstance, run_id: str) -> RunRecord | None:
    """The record of a run that has started; None where it is no longer there."""
    found = instance.get_run_record_by_id(run_id)
    if found is None:
        return None
    entries = instance.all_logs(run_id, of_type=_TOLD)
    start = found.start_time or found.create_timestamp.timestamp()
    return RunRecord(
        found.dagster_run,
        start,
        found.end_time or start,
        [entry.asset_materialization for entry in entries if entry.asset_materialization],
        [entry.asset_check_evaluation for entry in entries if entry.asset_check_evaluation],
        first_failure(entry.get_dagster_event() for entry in entries),
    )


def started(record: RunRecord) -> RunEvent:
    """That a run began."""
    return _event(RunState.START, record.start, _run_of(record), _job_of(record))


def ended(record: RunRecord, datasets: Datasets) -> Iterator[RunEvent]:
    """What a run did: of each asset that it made and checked, and then of the whole."""
    state = _ENDS.get(record.run.status)
    if state is None:
        return
    made: dict[dg.AssetKey, list[dg.AssetMaterialization]] = defaultdict(list)
    for one in record.materializations:
        if datasets.key_of(one.asset_key) == one.asset_key and one.asset_key in datasets.specs:
            made[one.asset_key].append(one)
    for asset, written in made.items():
        yield from _child(record, asset.to_user_string(), *_lineage(asset, written, datasets))
    checked: dict[dg.AssetKey, list[dg.AssetCheckEvaluation]] = defaultdict(list)
    for evaluation in record.evaluations:
        checked[evaluation.asset_key].append(evaluation)
    for asset, evaluations in checked.items():
        assertions = {"dataQualityAssertions": _assertions(evaluations)}
        yield from _child(record, f"{asset.to_user_string()}.checks", [datasets.read(asset, assertions)], [])
    facets: dict[str, Any] = {}
    if state is RunState.FAIL:
        said = record.failure or "no reason was given"
        facets["errorMessage"] = error_message_run.ErrorMessageRunFacet(said, "PYTHON")
    yield _event(state, record.end, _run_of(record, facets), _job_of(record))


def _lineage(
    asset: dg.AssetKey, written: list[dg.AssetMaterialization], datasets: Datasets
) -> tuple[list[InputDataset], list[OutputDataset]]:
    rows = _sum(written, "rows", "accepted")
    statistics = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(rowCount=rows)
    read: dict[str, Any] = {}
    if asset.path[0] == LAKE:
        read["inputStatistics"] = input_statistics_input_dataset.InputStatisticsInputDatasetFacet(
            rowCount=_sum(written, "delivered"), size=_sum(written, "bytes"), fileCount=_sum(written, "objects")
        )
    inputs = [datasets.read(key, read if key.path[0] == LANDING else {}) for key in datasets.inputs_of(asset)]
    return inputs, [datasets.written(asset, {} if rows is None else {"outputStatistics": statistics})]


def _sum(written: Iterable[dg.AssetMaterialization], *names: str) -> int | None:
    """The sum of a number over the partitions that say it, by the first of the names that one says."""
    found = []
    for one in written:
        values = (one.metadata[name].value for name in names if name in one.metadata)
        found += [value for value in list(values)[:1] if isinstance(value, int)]
    return sum(found) if found else None


def _assertions(
    evaluations: Iterable[dg.AssetCheckEvaluation],
) -> data_quality_assertions_dataset.DataQualityAssertionsDatasetFacet:
    """Each evaluation of a run, which may be one for each partition."""
    return data_quality_assertions_dataset.DataQualityAssertionsDatasetFacet(
        [
            data_quality_assertions_dataset.Assertion(
                assertion=one.check_name,
                name=f"{one.check_name} {one.partition}" if one.partition else one.check_name,
                success=one.passed,
                severity="error" if one.severity is dg.AssetCheckSeverity.ERROR else "warn",
                description=one.description,
            )
            for one in evaluations
        ]
    )


def _child(
    record: RunRecord, name: str, inputs: list[InputDataset], outputs: list[OutputDataset]
) -> Iterator[RunEvent]:
    """The beginning and the end of one part of a run; a part that is recorded was done, also where others failed."""
    parent = parent_run.ParentRunFacet.create(record.run.run_id, NAMESPACE, _job_of(record).name)
    run = Run(str(uuid5(UUID(record.run.run_id), name)), {"parent": parent})
    job = _job(name, "ASSET")
    yield _event(RunState.START, record.start, run, job)
    yield _event(RunState.COMPLETE, record.end, run, job, inputs, outputs)


def _event(
    state: RunState,
    seconds: float,
    run: Run,
    job: Job,
    inputs: Iterable[InputDataset] = (),
    outputs: Iterable[OutputDataset] = (),
) -> RunEvent:
    return RunEvent(
        eventType=state,
        eventTime=datetime.fromtimestamp(seconds, UTC).isoformat(),
        run=run,
        job=job,
        inputs=list(inputs),
        outputs=list(outputs),
        producer=_PRODUCER,
    )


def _run_of(record: RunRecord, facets: dict[str, Any] | None = None) -> Run:
    engine = processing_engine_run.ProcessingEngineRunFacet(dg.__version__, "Dagster")
    return Run(record.run.run_id, {"processing_engine": engine, **(facets or {})})


def _job_of(record: RunRecord) -> Job:
    return _job(record.run.job_name.strip("_").lower(), "JOB")


def _job(name: str, kind: str) -> Job:
    return Job(NAMESPACE, name, {"jobType": job_type_job.JobTypeJobFacet("BATCH", "DAGSTER", kind)})
