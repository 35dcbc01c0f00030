"""The `dataflow` command.

Here: its subcommands, and how it ends. Not here: what they do; each calls one thing of another module.
"""

import errno
import logging
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated

import typer

from dataflow_assets.cli import (
    admin,
    backfill,
    collect,
    connect,
    demo,
    follow,
    inspect,
    load,
    new,
    recover,
    report,
    rows,
    user,
    worker,
)
from dataflow_assets.cli.output import say
from dataflow_assets.cli.permissions import keep_private
from dataflow_assets.core.environment import find_unknown_settings
from dataflow_assets.core.files import explain_full_disk
from dataflow_assets.core.garbage import look_no_more
from dataflow_assets.errors import DataFlowError, SettingsError, UsageError
from dataflow_assets.postgres import embedded
from dataflow_assets.postgres.failures import is_refused_write, read_only
from dataflow_assets.postgres.server import database_url
from dataflow_assets.postgres.session_environment import SESSION_ENVIRONMENT
from dataflow_assets.settings import load_settings

_NO_FOLDER = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EEXIST)
_NOT_AS_NAMED = {*_NO_FOLDER, errno.EISDIR, errno.ENAMETOOLONG} - {errno.ENOENT}
_STDOUT = 1


class OutputError(DataFlowError):
    """What a command says cannot be written."""

    code = "output"


app = typer.Typer(
    name="dataflow",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

COMMANDS = {
    "Start": (demo.demo, admin.up, admin.serve, admin.sample),
    "Take in": (
        load.load,
        collect.collect,
        follow.follow,
        rows.preview,
        load.release,
        load.replay,
        backfill.backfill,
    ),
    "Ask": (inspect.query, report.report, connect.url, inspect.rejects, inspect.deliveries, rows.explain),
    "Operate": (
        inspect.doctor,
        worker.worker,
        admin.init_db,
        admin.env,
        admin.housekeeping,
        recover.backup,
        recover.restore,
        recover.rebuild,
    ),
}
_FREE = {"allow_extra_args": True, "ignore_unknown_options": True}

for group, commands in COMMANDS.items():
    for command in commands:
        app.command(rich_help_panel=group)(command)
app.add_typer(new.app, name="new", rich_help_panel="Take in")
app.add_typer(user.app, name="user", rich_help_panel="Operate")
app.command(context_settings={"allow_extra_args": True}, rich_help_panel="Ask")(connect.psql)
app.command(add_help_option=False, context_settings=_FREE, rich_help_panel="Ask")(inspect.answers)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        from importlib.metadata import version

        print(f"dataflow {version('dataflow-assets')}")  # noqa: T201
        raise typer.Exit


@app.callback()
def _dataflow(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Every file and every table a Dagster asset, by day, with nothing lost."""


def main() -> None:
    """Run the command; a failure ends in one sentence and exit code 1, wrong usage in one and exit code 2."""
    keep_private()
    os.environ |= SESSION_ENVIRONMENT
    for sentence in find_unknown_settings(os.environ):
        say(sentence, logging.WARNING)
    try:
        with explain_full_disk(*_home()), _explain_home(*_home()), _output():
            app()
    except DataFlowError as error:
        say(str(error), logging.ERROR)
        sys.exit(2 if isinstance(error, UsageError) else 1)
    except Exception as error:
        say(_explain(error), logging.ERROR)
        sys.exit(1)
    finally:
        embedded.release_all()
        look_no_more()


def _explain(error: Exception) -> str:
    """What is said of a failure that the command did not foresee: a bug's traceback, as everything without secrets."""
    if is_refused_write(error):
        return str(read_only(database_url(load_settings())))
    if isinstance(error, OSError) and error.filename is not None and error.errno in _NOT_AS_NAMED:
        return f"{error.filename2 or error.filename} cannot be used: {error.strerror}."
    wrong = [argument for argument in sys.argv if argument != argument.encode(errors="replace").decode()]
    if isinstance(error, UnicodeEncodeError) and wrong:
        return f"The argument {wrong[0]!a} is no text in UTF-8."
    from dataflow_assets.doctor.stores import explain_failure  # slow, and seldom needed

    trace = "".join(traceback.format_exception(error)).rstrip()
    with suppress(SettingsError):
        return explain_failure(load_settings(), error) or trace
    return trace


@contextmanager
def _explain_home(*homes: Path) -> Iterator[None]:
    """Say in one sentence that the home folder cannot be made or written to, where the block fails for that."""
    try:
        yield
    except OSError as error:
        place = Path(str(error.filename or ""))
        for home in homes:
            if error.errno in _NO_FOLDER and (place == home or home in place.parents or place in home.parents):
                raise SettingsError(
                    f"DATAFLOW_HOME={str(home)!r} is not usable: {error.strerror} ({place}); "
                    "set it to a folder that can be made and written to"
                ) from None
        raise


@contextmanager
def _output() -> Iterator[None]:
    """Standard output is written to the last character, or the command fails; silently where its reader is gone.

    Raises:
        OutputError: it is closed, or full.
    """
    if sys.stdout is None:  # closed by who started it: what is opened next must not take its place
        os.dup2(os.open(os.devnull, os.O_RDONLY), _STDOUT)
        sys.stdout = os.fdopen(_STDOUT, "w")
    try:
        yield
    except SystemExit:
        _write_rest()
        raise
    except OSError as error:
        _write_rest()
        if error.errno == errno.EBADF:
            raise _cannot_write(error) from None
        raise


def _write_rest() -> None:
    """Write what was printed and is not written yet."""
    try:
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), _STDOUT)  # for what is left, which Python writes at its end
        if error.errno == errno.EPIPE:
            sys.exit(1)
        raise _cannot_write(error) from None


def _cannot_write(error: OSError) -> OutputError:
    return OutputError(f"Nothing can be written to standard output: {error.strerror}.")


def _home() -> list[Path]:
    """The home folder; none where the settings cannot be used, which the command itself says."""
    try:
        return [load_settings().home]
    except SettingsError:
        return []
