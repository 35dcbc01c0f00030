"""The `dataflow` command.

Here: its subcommands, and how it ends. Not here: what they do; each calls one thing of another module.
"""

import logging
import os
import sys
import traceback
from pathlib import Path

import typer

from dataflow_assets.cli import admin, collect, follow, inspect, load, new, recover, rows, user
from dataflow_assets.cli.output import say
from dataflow_assets.core.files import explain_full_disk
from dataflow_assets.errors import DataFlowError, SettingsError, UsageError
from dataflow_assets.postgres import embedded
from dataflow_assets.postgres.session_environment import SESSION_ENVIRONMENT
from dataflow_assets.settings import load_settings

app = typer.Typer(
    name="dataflow",
    help="Every file and every table a Dagster asset, by day, with nothing lost.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

for command in (
    load.demo,
    admin.up,
    admin.serve,
    admin.env,
    admin.init_db,
    admin.housekeeping,
    load.load,
    collect.collect,
    follow.follow,
    inspect.query,
    admin.sample,
    inspect.rejects,
    inspect.deliveries,
    load.backfill,
    inspect.doctor,
    rows.explain,
    rows.preview,
    load.release,
    load.replay,
    recover.rebuild,
    recover.backup,
    recover.restore,
):
    app.command()(command)
app.add_typer(new.app, name="new")
app.add_typer(user.app, name="user")
app.command(add_help_option=False, context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(
    inspect.answers
)


def main() -> None:
    """Run the command; a failure ends in one sentence and exit code 1, wrong usage in one and exit code 2."""
    os.environ |= SESSION_ENVIRONMENT
    try:
        with explain_full_disk(*_home()):
            app()
    except DataFlowError as error:
        say(str(error), logging.ERROR)
        sys.exit(2 if isinstance(error, UsageError) else 1)
    except Exception as error:  # a bug: its traceback, as everything that is said, has no secret
        say("".join(traceback.format_exception(error)).rstrip(), logging.ERROR)
        sys.exit(1)
    finally:
        embedded.release_all()


def _home() -> list[Path]:
    """The home folder; none where the settings cannot be used, which the command itself says."""
    try:
        return [load_settings().home]
    except SettingsError:
        return []
