"""The commands for a lake or a database that was lost or restored.

Here: arguments, progress and what is said at the end. Not here: work.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dataflow_assets.cli.output import details_in, progress, say
from dataflow_assets.core.formatting import counted
from dataflow_assets.settings import Settings, load_settings

if TYPE_CHECKING:
    from datetime import date


def rebuild(
    accept_lake: Annotated[
        bool, typer.Option("--accept-lake", help="Even where the lake is another one, or lost tables.")
    ] = False,
) -> None:
    """Make tables, records and answers anew from the lake.

    Stop `dataflow up` first.
    """
    from dataflow_assets.landing.storage import open_storage
    from dataflow_assets.sources import all_sources
    from dataflow_assets.warehouse.bootstrap import open_server_of
    from dataflow_assets.warehouse.rebuild import rebuild_warehouse, require_whole_lake

    settings = load_settings()
    url, storage, sources = open_server_of(settings), open_storage(settings), all_sources()
    if not accept_lake:
        require_whole_lake(url, storage, sources)
    changed: dict[str, set[date]] = {}
    with progress() as report:
        report("Making the records again")
        for source, days in rebuild_warehouse(url, storage, sources, settings.timezone, settings.first_day):
            changed[source.name] = days
            report(f"Made {source.name} again")
    with details_in(settings, "rebuild", verbose=False):
        make_answers(settings, changed)
    days_made = counted(sum(map(len, changed.values())), "event day")
    say(f"All was made again from the lake at {storage.uri}: {days_made}, and the answers after them.")


def backup(folder: Annotated[Path, typer.Argument(help="A new folder.")]) -> None:
    """Write the database and the lake to a folder.

    What has landed is not part of it.
    """
    from dataflow_assets.landing.storage import open_storage
    from dataflow_assets.sources import all_sources
    from dataflow_assets.warehouse.backup import back_up
    from dataflow_assets.warehouse.bootstrap import open_warehouse

    settings = load_settings()
    with progress() as report:
        back_up(open_warehouse(settings), open_storage(settings), all_sources(), folder, report)
    say(f"The database and the lake are in {folder}; back up `landing/` as you do other files.")


def restore(folder: Annotated[Path, typer.Argument(help="The folder of a backup.")]) -> None:
    """Bring the database and the lake back from a backup.

    The database must be empty, and the home or bucket without a lake.
    """
    from dataflow_assets.landing.storage import open_storage
    from dataflow_assets.sources import all_sources
    from dataflow_assets.warehouse import backup as backups
    from dataflow_assets.warehouse.bootstrap import database_url, open_warehouse

    settings = load_settings()
    with progress() as report:
        backups.restore(database_url(settings), open_storage(settings), all_sources(), folder, report)
    open_warehouse(settings)
    say(f"The database and the lake were restored from {folder}.")


def make_answers(settings: Settings, changed: "dict[str, set[date]]") -> None:
    """Bring the answers after the event days of sources that changed."""
    from dataflow_assets.definitions import build_definitions
    from dataflow_assets.orchestration.runs.in_process import Materializer
    from dataflow_assets.runtime.instance import open_quick_instance

    with progress() as report:
        report("Loading the Dagster definitions")
        definitions = build_definitions(settings)
        with open_quick_instance(settings) as instance:
            materializer = Materializer(
                settings,
                lambda: definitions,
                instance,
                lambda what: report(f"Materializing {what}"),
                lambda made: say(str(made)),
            )
            materializer.make_answers(changed)
