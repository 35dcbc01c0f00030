"""The commands by which other programs reach the database.

Here: its address, and psql. Not here: statements (see `inspect`).
"""

import os
import subprocess
from enum import StrEnum
from typing import Annotated
from urllib.parse import unquote, urlsplit, urlunsplit

import typer

from dataflow_assets.cli.output import say
from dataflow_assets.settings import Settings, load_settings


class Role(StrEnum):
    """As whom a program connects."""

    OWNER = "owner"
    READER = "reader"


AsRole = Annotated[Role, typer.Option(help="The owner of the tables, or the role that only reads them.")]


def url(role: AsRole = Role.OWNER) -> None:
    """Print the address of the database, with its password.

    It is for psql, DBeaver, notebooks and BI tools.
    """
    settings = load_settings()
    print(_url(settings, role))  # noqa: T201
    if settings.database_url is not None:
        if role is Role.READER:
            say("The password of dataflow_reader is the one that the role was given; the address does not have it.")
        return
    from dataflow_assets.runtime.only_one import is_up

    if not is_up(settings.home):
        port = "" if settings.database_port else "; DATAFLOW_DATABASE_PORT gives it a fixed port"
        say(f"The embedded server listens there while `dataflow up` or another command runs{port}.")


def psql(
    context: typer.Context,
    role: AsRole = Role.OWNER,
) -> None:
    """Open psql on the database.

    What follows `--` are options of psql.
    """
    from dataflow_assets.postgres.embedded.lease import find_programs

    parts = urlsplit(_url(load_settings(), role))
    user, _, place = parts.netloc.rpartition("@")
    name, _, password = user.partition(":")
    address = urlunsplit(parts._replace(netloc=f"{name}@{place}" if name else place))
    environment = os.environ | ({"PGPASSWORD": unquote(password)} if password else {})
    done = subprocess.run([find_programs() / "psql", address, *context.args], env=environment, check=False)
    raise typer.Exit(done.returncode)


def _url(settings: Settings, role: Role) -> str:
    """The address of a database with the present tables."""
    from dataflow_assets.postgres.embedded import reader_url
    from dataflow_assets.postgres.embedded.cluster import READER
    from dataflow_assets.warehouse.bootstrap import open_server_of

    owner = open_server_of(settings)
    if role is Role.OWNER:
        return owner
    if settings.database_url is None:
        return reader_url(settings.home, settings.database_port)
    parts = urlsplit(owner)
    return urlunsplit(parts._replace(netloc=f"{READER}@{parts.netloc.rpartition('@')[2]}"))
