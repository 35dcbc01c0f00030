"""The tags that say how a run is made: for which partitions, for how long, and by whom.

Here: their names, and reading them. They stand in `runtime` because the run log, which Dagster makes in every process
of a run, reads them too. Not here: which runs are asked for (see `orchestration`).
"""

from collections.abc import Mapping

CODE_LOCATION = "dataflow_assets"  # as the UI names it; workspace.yaml says it too
RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
MAX_RETRIES = "dagster/max_retries"  # of a run whose process was killed
MAX_RUNTIME = "dagster/max_runtime"  # seconds after which the daemon ends a run; dagster.yaml says it of the others
IN_PROCESS = "dataflow/in_process"  # a run that ends with the process that asked for it
GOES_ON = "dataflow/goes_on"  # a run of the lake that makes by itself what follows from it
PART_OF = "dataflow/part_of"  # the run in whose process another one was made, because it went on
ANSWERED = "dataflow/answered"  # a run whose changes are in the answers already
VERSIONS = "dataflow/versions"  # which versions of which objects a run takes
BACKFILL = "dataflow/backfill"  # of a backfill's runs: asset, first and last partition
BACKFILL_ENDED = "dataflow/backfill_ended"  # of a backfill's last run, where it came to its end
RUN_SERVER = "dataflow/run_server"  # host and folder of the run server whose worker makes a run
WORKER = "dataflow/worker"  # name of the Celery worker that makes a run
QUEUE = "dataflow/queue"  # of Celery workers, to which a run belongs
_RANGE_SECONDS = 6 * 3600


def range_tags(first: str, last: str) -> dict[str, str]:
    """The tags by which one run takes all partitions from `first` to `last`, and has the time for it."""
    longer = {MAX_RUNTIME: str(_RANGE_SECONDS)} if first != last else {}
    return {RANGE_START: first, RANGE_END: last, **longer}


def partitions_of(tags: Mapping[str, str]) -> str:
    """The partitions of a run, by its tags, as they are shown; nothing where it has none."""
    first, last = tags.get(RANGE_START), tags.get(RANGE_END)
    if first is None or last is None:
        return tags.get("dagster/partition", "")
    return first if first == last else f"{first} to {last}"
