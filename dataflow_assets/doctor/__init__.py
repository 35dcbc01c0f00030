"""Whether everything that the platform stands on is as it should be, and what to do where it is not.

Here: what is looked at, and in which order. Each thing is one function, in the module of its kind, that gives one
finding. Not here: mending anything, and how findings are printed.
"""

import os
from collections.abc import Callable, Iterator
from functools import partial

from dataflow_assets.core.environment import find_unknown_settings
from dataflow_assets.doctor.clocks import clocks
from dataflow_assets.doctor.collectors import collector
from dataflow_assets.doctor.contents import deliveries, lake
from dataflow_assets.doctor.databases import columns, database, tables, timezone
from dataflow_assets.doctor.finding import Finding, first_line
from dataflow_assets.doctor.processes import daemon, runs, sensors
from dataflow_assets.doctor.stores import disk, event_queue, object_store
from dataflow_assets.doctor.workers import workers
from dataflow_assets.errors import DataFlowError
from dataflow_assets.postgres.embedded.files import Files
from dataflow_assets.settings import Settings
from dataflow_assets.sources import all_sources

__all__ = ["Finding", "examine"]


def examine(settings: Settings) -> Iterator[Finding]:
    """Look at one thing after the other; what fails keeps nothing else from being looked at that does not need it."""
    yield _settings(settings)
    yield _found("disk", partial(disk, settings), settings)
    yield _found("object store", partial(object_store, settings), settings)
    if settings.s3_events_queue_url:
        yield _found("event queue", partial(event_queue, settings), settings)
    if settings.database_url is None and not Files.below(settings.home).cluster.exists():
        yield Finding("database", "ok", "There is none yet: the first command that needs one makes it.")
        return
    for needed in (database, tables):
        yield (finding := _found(needed.__name__, partial(needed, settings), settings))
        if finding.state == "problem":
            return
    others = {
        "time zone": timezone,
        "lake": lake,
        "columns": columns,
        "clocks": clocks,
        "deliveries": deliveries,
        "runs": runs,
        "daemon": daemon,
        "sensors": sensors,
    }
    if settings.redis_url is not None:
        others["workers"] = workers
    for name, check in others.items():
        yield _found(name, partial(check, settings), settings)
    for source in (source for source in all_sources() if source.arrives):
        yield _found(f"collector of {source.name}", partial(collector, source, settings), settings)


def _settings(settings: Settings) -> Finding:
    said = f"Days are those of {settings.timezone}, from {settings.first_day} on."
    if unknown := list(find_unknown_settings(os.environ)):
        return Finding("settings", "warning", " ".join([said, *unknown]), "Correct the name, or unset it.")
    return Finding("settings", "ok", said)


def _found(name: str, check: Callable[[], Finding], settings: Settings) -> Finding:
    """What a check found, or its failure as a finding, without any secret."""
    try:
        found = check()
    except DataFlowError as error:
        found = Finding(name, "problem", str(error))
    except Exception as error:
        found = Finding(name, "problem", f"It could not be looked at: {type(error).__name__}: {first_line(error)}.")
    return Finding(found.name, found.state, settings.masked(found.sentence), found.advice)
