"""The command that makes partitions again.

Here: arguments, progress and what is said at the end. Not here: work.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from dataflow_assets.cli.arguments import Verbose, as_usage_error, day_of
from dataflow_assets.cli.output import details_in, print_table, progress, say
from dataflow_assets.core.formatting import counted
from dataflow_assets.errors import NotFoundError, RunFailedError, UsageError
from dataflow_assets.settings import load_settings

if TYPE_CHECKING:
    from dagster import DagsterInstance

    from dataflow_assets.orchestration.planning.ranges import Range
    from dataflow_assets.orchestration.runs.backfill import Backfill
    from dataflow_assets.orchestration.runs.made import Made


def backfill(
    asset: Annotated[str, typer.Option(help="The asset, such as warehouse/streams.")],
    start: Annotated[str, typer.Option("--from", help="The first day, YYYY-MM-DD.")],
    end: Annotated[str, typer.Option("--to", help="The last day; of months, those that begin until then.")],
    only_missing: Annotated[bool, typer.Option("--only-missing", help="Leave out what is as it should be.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be run, and run nothing.")] = False,
    verbose: Verbose = False,
) -> None:
    """Make partitions of an asset again, here or on workers.

    Stopped, the same command goes on where it was.
    """
    from dataflow_assets.orchestration.runs.backfill import Backfill, find_asset
    from dataflow_assets.runtime.instance import open_quick_instance
    from dataflow_assets.runtime.slots import count_slots

    settings = load_settings()
    first, last = day_of(start), day_of(end)
    if first > last:
        raise UsageError(f"--from {first} is after --to {last}.")
    with as_usage_error(NotFoundError), progress() as report:
        wanted = Backfill(settings, find_asset(asset), first, last, count_slots(settings))
        report("Looking what there is to do")
        ranges = left = wanted.ranges(only_stale=only_missing)
    if ranges:
        with (
            details_in(settings, "backfill", verbose=verbose),
            progress() as report,
            open_quick_instance(settings) as instance,
        ):
            if not only_missing:  # whose ranges are all stale
                left = wanted.find_left(instance, ranges)
            if not dry_run:
                _run_ranges(wanted, instance, left, report)
    if dry_run:
        print_table(["from", "to"], [list(one) for one in left])
    before = f", {len(ranges) - len(left)} done before" if len(left) < len(ranges) else ""
    say(f"{counted(len(left), 'run')} {'to do' if dry_run else 'done'}{before}.")


def _run_ranges(
    wanted: "Backfill", instance: "DagsterInstance", ranges: Sequence["Range"], report: Callable[[str], None]
) -> None:
    """Run ranges.

    Raises:
        RunFailedError: some failed, or somebody stopped it.
    """
    report("Loading the Dagster definitions")
    try:
        _run_each(wanted, instance, ranges, report)
    except KeyboardInterrupt:
        raise RunFailedError("Stopped: the same command goes on where it was.") from None


def _run_each(
    wanted: "Backfill", instance: "DagsterInstance", ranges: Sequence["Range"], report: Callable[[str], None]
) -> None:
    """Run the ranges of a backfill on the workers, if there are several, else in this process."""
    from dagster import build_reconstructable_job

    from dataflow_assets.definitions import build_definitions, find_job

    if wanted.slots > 1:
        job = build_reconstructable_job(find_job.__module__, find_job.__name__, (wanted.job,))
        wanted.run_on_workers(job, instance, ranges, report, _say_range)
    else:
        wanted.run(build_definitions(wanted.settings), instance, ranges, report, _say_range)


def _say_range(range_: "Range", made: "Made") -> None:
    first, last = range_
    say(f"{first} to {last}: {made.asset}, {counted(made.rows, 'row')} in {counted(made.partitions, 'partition')}")
