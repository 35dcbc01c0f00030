"""A run of the lake that goes on: of small deliveries, when nothing else waits, the warehouse and the answers too.

Each step is a run of its own, as if it had been asked for, so one that fails does so alone. But all are made by the
process of the first, and what they print is kept with its output: to ask for a run and to launch it takes longer than
a small run does. Meanwhile the sensors ask for nothing that it may make. Where it fails, or is killed, they ask for the
rest as they do for any other delivery.

Here: going on. Not here: which runs do (see `automation.landing_sensor`), and the runs (see `in_process`).
"""

from datetime import date

import dagster as dg

from dataflow_assets.orchestration.planning.staleness import newer_than_table
from dataflow_assets.orchestration.runs.in_process import Materializer
from dataflow_assets.orchestration.runs.made import find_touched, read_materializations
from dataflow_assets.runtime.instance import keeping_no_output
from dataflow_assets.runtime.tags import ANSWERED, GOES_ON, PART_OF, RUN_SERVER
from dataflow_assets.settings import Settings
from dataflow_assets.sources import find_source

MOST_DAYS = 120  # that its deliveries touch: about 20 seconds, for which the answers of others wait


def go_on(context: dg.AssetExecutionContext, settings: Settings, url: str) -> None:
    """Make what follows from the event days that this run touched, if its tag says so and they are few.

    Raises:
        KeyboardInterrupt: the run was canceled meanwhile; what it made just then has taken the signal for its own.
    """
    run, instance = context.run, context.instance
    touched = _find_newer(instance, run.run_id, url) if GOES_ON in run.tags else {}
    if not 0 < sum(map(len, touched.values())) <= MOST_DAYS:
        return
    server = {RUN_SERVER: run.tags[RUN_SERVER]} if RUN_SERVER in run.tags else {}  # its end is theirs
    tags = {PART_OF: run.run_id, **server}
    try:
        with keeping_no_output(instance) as quick:
            Materializer(settings, lambda: context.repository_def, quick, tags=tags).follow(touched)
    except (Exception, KeyboardInterrupt) as error:  # what this run was asked for is done
        context.log.warning(f"What follows from the delivery was not made, and is asked for again: {error}")
        now = instance.get_run_by_id(run.run_id)
        if now and now.status is dg.DagsterRunStatus.CANCELING:
            raise KeyboardInterrupt from None
        return
    for part in instance.get_runs(dg.RunsFilter(tags={PART_OF: run.run_id})):
        instance.add_run_tags(part.run_id, {ANSWERED: "true"})


def _find_newer(instance: dg.DagsterInstance, run_id: str, url: str) -> dict[str, set[date]]:
    """The days, by source, that a run touched and that the warehouse has from an older lake: of a known file none."""
    made = read_materializations(instance, run_id)
    said = {one.partition: one.metadata.get("lake_version") for one in made}
    versions = {day: version.value or 0 for day, version in said.items() if isinstance(version, dg.IntMetadataValue)}
    found = {}
    for name, days in find_touched(made).items():
        is_newer = newer_than_table(url, find_source(name))
        if newer := {day for day in days if is_newer(day, versions.get(day.isoformat(), 0))}:
            found[name] = newer
    return found
