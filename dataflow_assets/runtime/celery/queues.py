"""The queues of runs: one for each layer, and of each version of the code its own.

So a worker takes only what its own code can make, and a deployment can let some workers take some layers alone.

Here: their names, and to which one a run belongs. Not here: sending it (see `launcher`).
"""

from collections.abc import Iterable

from dagster import DagsterRun

from dataflow_assets.errors import UsageError

OTHER = "other"  # collecting, checks, housekeeping, and runs of several layers
QUEUES = ("lake", "warehouse", "analytics", OTHER)
_WITH = {"published": "analytics"}  # a copy is made with what it is a copy of
_OF_JOBS = {"lake": "lake", "warehouse": "warehouse", "answers_daily": "analytics", "answers_monthly": "analytics"}


def queue_of(run: DagsterRun) -> str:
    """The queue to which a run belongs."""
    layers = {_WITH.get(key.path[0], key.path[0]) for key in run.asset_selection or ()}
    if not layers:
        return _OF_JOBS.get(run.job_name, OTHER)
    return layers.pop() if len(layers) == 1 and layers < {*QUEUES} else OTHER


def full_name(code: str, queue: str) -> str:
    """The name that a queue has in Redis."""
    return f"dataflow.{code}.{queue}"


def require_queues(names: Iterable[str]) -> tuple[str, ...]:
    """The queues of these names, all of them where there is none.

    Raises:
        UsageError: there is no such queue.
    """
    wanted = tuple(dict.fromkeys(names))
    if unknown := [name for name in wanted if name not in QUEUES]:
        raise UsageError(f"There is no queue {unknown[0]!r}; there are {', '.join(QUEUES)}.")
    return wanted or QUEUES
