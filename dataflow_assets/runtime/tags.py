"""The tags that say how a run is made: for which partitions, for how long, and by whom.

Here: their names, and reading them. They stand in `runtime` because the run log, which Dagster makes in every process
of a run, reads them too. Not here: which runs are asked for (see `orchestration`).
"""

from collections.abc import Iterable, Mapping, Sequence

CODE_LOCATION = "dataflow_assets"  # as the UI names it; workspace.yaml says it too
RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
STRETCHES = "dataflow/stretches"  # the partitions of a run that leaves out others of its range
DEFERS_EVENTS = "dagster/defer_asset_events"  # Dagster says of no partition that a run makes it: the run does so itself
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
_TO, _BETWEEN = " to ", ", "


def range_tags(first: str, last: str) -> dict[str, str]:
    """The tags by which one run takes all partitions from `first` to `last`, and has the time for it."""
    longer = {MAX_RUNTIME: str(_RANGE_SECONDS)} if first != last else {}
    return {RANGE_START: first, RANGE_END: last, **longer}


def stretches_tags(stretches: Sequence[tuple[str, str]]) -> dict[str, str]:
    """The tags by which one run takes the partitions of some stretches, in order, and none of those between them.

    Dagster knows a range without gaps alone, and would say of all its partitions that they were made.
    """
    tags = range_tags(stretches[0][0], stretches[-1][1])
    if len(stretches) == 1:
        return tags
    return {**tags, STRETCHES: _BETWEEN.join(_say(*stretch) for stretch in stretches), DEFERS_EVENTS: "true"}


def takes(tags: Mapping[str, str], partitions: Iterable[str]) -> list[str]:
    """Those among some partitions that a run takes, by its tags."""
    ends = [stretch.partition(_TO) for stretch in (tags.get(STRETCHES) or partitions_of(tags)).split(_BETWEEN)]
    return [key for key in partitions if any(first <= key <= (last or first) for first, _, last in ends)]


def partitions_of(tags: Mapping[str, str]) -> str:
    """The partitions of a run, by its tags, as they are shown; nothing where it has none."""
    first, last = tags.get(RANGE_START), tags.get(RANGE_END)
    if first is None or last is None:
        return tags.get("dagster/partition", "")
    return f"{_say(first, last)}, not all" if STRETCHES in tags else _say(first, last)


def _say(first: str, last: str) -> str:
    return first if first == last else f"{first}{_TO}{last}"
