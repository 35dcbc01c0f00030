"""To which code location the runs of a command belong.

Here: saying it when they are made. Not here: running them (see `in_process`).
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import dagster as dg

from dataflow_assets.runtime.tags import CODE_LOCATION

_REPOSITORY = "__repository__"  # Dagster's name for the definitions of a module
REPOSITORY_TAG = {".dagster/repository": f"{_REPOSITORY}@{CODE_LOCATION}"}  # by which the UI finds the runs of one


@contextmanager
def in_code_location(instance: dg.DagsterInstance, job: str) -> Iterator[None]:
    """Let the runs that the block makes belong to the code location: the UI's timeline shows no others.

    Dagster takes this when it creates a run, and its own way of running a job in this process does not give it.
    """
    origin: Any = dg.deserialize_value(_origin(job))
    create = partial(instance.create_run_for_job, remote_job_origin=origin)
    vars(instance)["create_run_for_job"] = create
    try:
        yield
    finally:
        del vars(instance)["create_run_for_job"]


def _origin(job: str) -> str:
    """Where a job is from, as Dagster stores it."""
    location = {"__class__": "RegisteredRepositoryLocationOrigin", "location_name": CODE_LOCATION}
    repository = {"repository_location_origin": location, "repository_name": _REPOSITORY}
    return json.dumps(
        {
            "__class__": "ExternalPipelineOrigin",
            "external_repository_origin": {"__class__": "ExternalRepositoryOrigin", **repository},
            "pipeline_name": job,
        }
    )
