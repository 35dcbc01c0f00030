"""Why a run failed, in the words of what failed first.

Here: finding that in a run's events. Not here: who is told.
"""

from collections.abc import Iterable

import dagster as dg

_AROUND = (  # they only say in which step
    "DagsterExecutionLoadInputError",
    "DagsterExecutionHandleOutputError",
    "DagsterExecutionStepExecutionError",
)


def first_failure(events: Iterable[dg.DagsterEvent]) -> str | None:
    """The message of the first step that failed; None where no step did."""
    failure = next((event.step_failure_data for event in events if event.is_step_failure), None)
    if failure and failure.user_failure_data and failure.user_failure_data.description:
        return failure.user_failure_data.description.strip()
    error = failure.error if failure else None
    while error and error.cause and error.cls_name in _AROUND:
        error = error.cause
    return error.message.strip() if error else None


def was_interrupted(events: Iterable[dg.DagsterEvent]) -> bool:
    """Whether a step failed because somebody stopped it, which a run in this process takes for its failure alone."""
    errors = (event.step_failure_data.error for event in events if event.is_step_failure)
    return any(error.cls_name == "DagsterExecutionInterruptedError" for error in errors if error)
