"""The commands for who may use the HTTP API.

Here: arguments, asking for a password, and how accounts are printed. Not here: work (see `serving.accounts`).
"""

import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from dataflow_assets.cli.arguments import Json, source_of
from dataflow_assets.cli.output import print_json, print_line, print_table, say
from dataflow_assets.errors import NotFoundError, UsageError
from dataflow_assets.settings import load_settings

if TYPE_CHECKING:
    from dataflow_assets.postgres.connection import Connection
    from dataflow_assets.serving.accounts import Account

app = typer.Typer(help="Who may use the HTTP API.", no_args_is_help=True)
key_app = typer.Typer(help="API keys, for machines.", no_args_is_help=True)
app.add_typer(key_app, name="key")


class RoleName(StrEnum):
    """What a user may do: read; read and deliver; everything."""

    READER = "reader"
    WRITER = "writer"
    ADMIN = "admin"


Name = Annotated[str, typer.Argument(help="The user's name.")]
Sources = Annotated[list[str] | None, typer.Option("--source", help="Only this source; repeat it. Default: all.")]
DeliversTo = Annotated[
    list[str] | None,
    typer.Option("--deliver-to", help="Of these, delivers to this one alone; repeat it. Default: all of them."),
]


@contextmanager
def _connected() -> "Iterator[Connection]":
    from dataflow_assets.postgres.connection import connect
    from dataflow_assets.warehouse.bootstrap import open_server_of

    with connect(open_server_of(load_settings())) as connection:
        yield connection


@app.command()
def add(
    name: Name,
    role: Annotated[RoleName, typer.Option(help="What they may do.")] = RoleName.READER,
    source: Sources = None,
    deliver_to: DeliversTo = None,
    machine: Annotated[bool, typer.Option("--machine", help="Without a password: it uses API keys alone.")] = False,
) -> None:
    """Add a user; the password is asked for, or read from standard input."""
    from dataflow_assets.serving.accounts import add_user
    from dataflow_assets.serving.principals import Role

    password = None if machine else _hash(_ask_password())
    with _connected() as connection:
        add_user(connection, name, password, Role(role.value), _names(source), _names(deliver_to))
    say(f"{name} is a {role.value} of {', '.join(_names(source) or ['all sources'])}.")


@app.command("list")
def list_(as_json: Json = False) -> None:
    """List the users."""
    from dataflow_assets.serving.accounts import list_users

    with _connected() as connection:
        found = list_users(connection)
    if as_json:
        print_json([_row(account) for account in found])
        return
    rows = [
        [who.name, who.role.value, _shown(who.sources), _shown(who.delivers_to), _way(each)]
        for each in found
        for who in [each.principal]
    ]
    print_table(["name", "role", "sources", "delivers to", "logs in"], rows)


@app.command()
def role(
    name: Name, to: Annotated[RoleName, typer.Argument(metavar="ROLE", help="What they may do from now on.")]
) -> None:
    """Give a user another role."""
    from dataflow_assets.serving.accounts import change_role
    from dataflow_assets.serving.principals import Role

    with _connected() as connection:
        change_role(connection, name, Role(to.value))
    say(f"{name} is a {to.value}.")


@app.command()
def sources(name: Name, source: Sources = None, deliver_to: DeliversTo = None) -> None:
    """Let a user use other sources than before, and deliver to others of them."""
    from dataflow_assets.serving.accounts import change_sources

    with _connected() as connection:
        change_sources(connection, name, _names(source), _names(deliver_to))
    say(f"{name} may use {', '.join(_names(source) or ['all sources'])}.")


@app.command()
def password(name: Name) -> None:
    """Give a user another password; whoever is logged in as them must log in again."""
    from dataflow_assets.serving.accounts import change_password

    hashed = _hash(_ask_password())
    with _connected() as connection:
        change_password(connection, name, hashed)
    say(f"{name} has another password.")


@app.command()
def disable(name: Name) -> None:
    """Let a user in no longer, within seconds; their API keys neither."""
    _set_disabled(name, is_disabled=True)
    say(f"{name} is disabled.")


@app.command()
def enable(name: Name) -> None:
    """Let a user in again."""
    _set_disabled(name, is_disabled=False)
    say(f"{name} is enabled.")


@key_app.command("add")
def add_key(
    name: Name,
    source: Sources = None,
    days: Annotated[int, typer.Option(min=1, max=3650, help="For how long it is good.")] = 365,
) -> None:
    """Make an API key of a user and print it, once."""
    from dataflow_assets.serving import accounts, api_keys

    with _connected() as connection:
        if accounts.find_user(connection, name) is None:
            raise NotFoundError(f"There is no user {name!r}.")
        made = api_keys.add_key(connection, name, _names(source), datetime.now(UTC) + timedelta(days=days))
    print_line(made)
    say("It is shown once: keep it where only the machine that uses it can read it.")


@key_app.command("list")
def list_keys(name: Name, as_json: Json = False) -> None:
    """List the API keys of a user."""
    from dataflow_assets.serving import api_keys

    with _connected() as connection:
        found = api_keys.list_keys(connection, name)
    if as_json:
        print_json(
            [{"id": key.id, "sources": _listed(key.sources), "expires_at": key.expires_at.isoformat()} for key in found]
        )
        return
    print_table(
        ["id", "sources", "expires"], [[key.id, _shown(key.sources), f"{key.expires_at:%Y-%m-%d}"] for key in found]
    )


@key_app.command("remove")
def remove_key(key: Annotated[str, typer.Argument(help="Its id, the part after `dfk_`.")]) -> None:
    """Remove an API key."""
    from dataflow_assets.serving import api_keys

    with _connected() as connection:
        api_keys.remove_key(connection, key)
    say(f"The API key {key} is good no longer.")


def _set_disabled(name: str, *, is_disabled: bool) -> None:
    from dataflow_assets.serving.accounts import set_disabled

    with _connected() as connection:
        set_disabled(connection, name, is_disabled=is_disabled)


def _names(sources: Collection[str] | None) -> list[str] | None:
    return [source_of(name).name for name in sources] if sources else None


def _listed(sources: Collection[str] | None) -> list[str] | None:
    return None if sources is None else sorted(sources)


def _shown(sources: Collection[str] | None) -> str:
    return "all" if sources is None else ", ".join(sorted(sources))


def _row(account: "Account") -> dict[str, object]:
    return {
        "name": account.principal.name,
        "role": account.principal.role.value,
        "sources": _listed(account.principal.sources),
        "delivers_to": _listed(account.principal.delivers_to),
        "has_password": account.password is not None,
        "is_disabled": account.is_disabled,
    }


def _way(account: "Account") -> str:
    """How somebody shows who they are."""
    return "no longer" if account.is_disabled else "by password" if account.password else "by API keys"


def _ask_password() -> str:
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
    try:
        return sys.stdin.readline().rstrip("\n")
    except UnicodeDecodeError:
        raise UsageError("The password is no text in UTF-8.") from None


def _hash(given: str) -> str:
    from dataflow_assets.serving.passwords import LONGEST, SHORTEST, hash_password

    if not SHORTEST <= len(given) <= LONGEST:
        raise UsageError(f"A password has from {SHORTEST} to {LONGEST:,} characters, and this one has {len(given):,}.")
    return hash_password(given)
