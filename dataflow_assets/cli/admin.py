"""The commands by which the platform is set up and run.

Here: arguments, and starting what other modules do. Not here: work.
"""

import logging
import shlex
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from dataflow_assets.cli.arguments import Json
from dataflow_assets.cli.output import print_json, print_line, print_table, progress, say
from dataflow_assets.cli.permissions import as_the_user_has_it
from dataflow_assets.core.files import explain_full_disk
from dataflow_assets.settings import Settings, load_settings


def _port(of_what: str) -> Any:
    return typer.Option(min=0, max=65535, help=f"{of_what}; 0: a free one.")


def up(
    port: Annotated[int, _port("Port of the Dagster UI, on loopback only")] = 3000,
    api_port: Annotated[int, _port("Port of the HTTP API, on loopback only")] = 8000,
) -> None:
    """Run the Dagster UI, sensors, runs and HTTP API until Ctrl-C."""
    from dataflow_assets.runtime import up

    raise typer.Exit(up.up(load_settings(), port, api_port, prepare=_open_platform))


def _open_platform(settings: Settings) -> None:
    from dataflow_assets.warehouse.bootstrap import open_writable_warehouse

    open_writable_warehouse(settings)
    if settings.redis_url is not None:
        from dataflow_assets.doctor.workers import workers

        if (found := workers(settings)).state != "ok":
            say(f"{found.sentence} {found.advice}", logging.WARNING)


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on; beyond loopback set SECRET_KEY.")] = "127.0.0.1",
    port: Annotated[int, _port("Port of the HTTP API")] = 8000,
) -> None:
    """Serve the HTTP API until Ctrl-C."""
    from dataflow_assets.serving import server

    server.serve(load_settings(), host, port, print_line)


def env(as_json: Json = False) -> None:
    """Print the variables with which plain `dagster dev` works here."""
    from dataflow_assets.runtime.dagster_home import build_environment, prepare_home

    settings = load_settings()
    prepare_home(settings)
    secret = {"DATABASE_URL"}  # who runs this has set it already
    variables = {name: value for name, value in build_environment(settings).items() if name not in secret}
    if as_json:
        print_json(variables)
    else:
        for name, value in variables.items():
            print(f"export {name}={shlex.quote(value)}")  # noqa: T201


def init_db() -> None:
    """Bring the database to the present tables."""
    from dataflow_assets.postgres.migrate import upgrade
    from dataflow_assets.postgres.pooler import require_sessions
    from dataflow_assets.warehouse.bootstrap import database_url, open_warehouse

    settings = load_settings()
    url = database_url(settings)
    require_sessions(url)
    changed = upgrade(url)
    open_warehouse(settings)
    say("The tables were brought up to date." if changed else "The tables were up to date already.")


def housekeeping(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be removed, and remove nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Remove what is old and no longer needed, as every night does.

    What it freed is said. DATAFLOW_KEEP_DAYS says what is old. Small files of the lake are merged, and so are the days
    of months that are over for longer than DATAFLOW_MERGE_AFTER_DAYS.
    """
    from dataflow_assets.core.cleanup import shown
    from dataflow_assets.orchestration.maintenance.housekeeping import tidy_event_log, tidy_lake, tidy_warehouse
    from dataflow_assets.orchestration.resources import open_stores
    from dataflow_assets.runtime.instance import open_instance

    settings = load_settings()
    keep, merge_after = timedelta(days=settings.keep_days), timedelta(days=settings.merge_after_days)
    found = []
    with progress() as report, open_instance(settings) as instance:
        stores = open_stores(settings)
        for tidied in (
            tidy_lake(stores, keep, dry_run=dry_run),
            tidy_event_log(stores.url, settings.dagster_home, keep, instance, dry_run=dry_run),
            tidy_warehouse(stores.url, settings.timezone, merge_after, dry_run=dry_run),
        ):
            for freed in tidied:
                report(str(freed))
                found.append(freed)
    if as_json:
        print_json([vars(freed) for freed in found])
    elif rows := [[freed.what, f"{freed.count:,}", shown(freed.size)] for freed in found if freed.count]:
        print_table(["to remove" if dry_run else "removed", "how many", "bytes"], rows)
    else:
        say("There is nothing to remove.")


def sample(
    out: Annotated[Path, typer.Option(help="The folder to write to.")],
    streams: Annotated[int, typer.Option(min=0, help="How many sessions.")] = 10_000,
    seed: Annotated[int, typer.Option(help="Equal seeds give equal files.")] = 0,
) -> None:
    """Write six sample files, with some broken rows."""
    from dataflow_assets.sample_data import write_sample

    with as_the_user_has_it(), explain_full_disk(out):
        made = write_sample(out, streams=streams, seed=seed)
    rows = [[name, str(made.files[name]), f"{made.rows[name]:,}", f"{made.broken[name]:,}"] for name in made.files]
    print_table(["source", "file", "rows", "broken"], rows)
