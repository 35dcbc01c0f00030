"""Users of the API, in PostgreSQL.

Here: adding, changing and finding them. Not here: what they prove themselves with (see `passwords`, `api_keys`,
`refresh_tokens`), and what they may (see `principals`).
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from dataflow_assets.errors import NotFoundError, UsageError
from dataflow_assets.postgres.connection import Connection
from dataflow_assets.postgres.statements import as_json, rows_from_json, run
from dataflow_assets.serving.principals import Principal, Role
from dataflow_assets.serving.tables import refresh_tokens, users

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,99}")

_ADDED = ("name", "password", "role", "sources", "delivers_to")
_given = rows_from_json([users.c[name] for name in _ADDED])
_ADD = (
    postgresql.insert(users)
    .from_select(_ADDED, sa.select(*_given.columns))
    .on_conflict_do_nothing()
    .returning(users.c.name)
)
_NAMES = (*_ADDED, "is_disabled", "created_at")
_READ = sa.select(*(users.c[name] for name in _NAMES))
_FIND = _READ.where(users.c.name == sa.bindparam("user"))
_LIST = _READ.order_by(users.c.name)
_of_user = users.c.name == sa.bindparam("user")
_CHANGES = {
    name: sa.update(users).values({name: sa.bindparam("value")}).where(_of_user).returning(users.c.name)
    for name in ("password", "role", "sources", "delivers_to", "is_disabled")
}
_END_SESSIONS = sa.delete(refresh_tokens).where(refresh_tokens.c.user == sa.bindparam("user"))


@dataclass(frozen=True)
class Account:
    """A user as they are kept; `password` is a hash, None where they have none."""

    principal: Principal
    password: str | None
    is_disabled: bool
    created_at: datetime


def add_user(
    connection: Connection,
    name: str,
    password: str | None,
    role: Role,
    sources: Collection[str] | None = None,
    delivers_to: Collection[str] | None = None,
) -> None:
    """Add a user.

    Args:
        connection: to the database.
        name: letters, digits and `. _ @ + -`.
        password: its hash; None of a machine, which uses API keys alone.
        role: what they may do.
        sources: the names of those that they may use; None: all.
        delivers_to: the names of those of them that they may deliver to; None: all of them.

    Raises:
        UsageError: there is one of that name, or it cannot be one.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} cannot be the name of a user: use letters, digits and . _ @ + -, at most 100.")
    limits = {"sources": sources and sorted(sources), "delivers_to": delivers_to and sorted(delivers_to)}
    row = {"name": name, "password": password, "role": role.value, **limits}
    if not run(connection, _ADD, rows=as_json([row])):
        raise UsageError(f"There is a user {name!r} already.")


def find_user(connection: Connection, name: str) -> Account | None:
    """The user of that name; None where there is none."""
    found = run(connection, _FIND, user=name) if _NAME.fullmatch(name) else []
    return _as_account(*found[0]) if found else None


def list_users(connection: Connection) -> list[Account]:
    """Every user, by name."""
    return [_as_account(*row) for row in run(connection, _LIST)]


def change_role(connection: Connection, name: str, role: Role) -> None:
    """Give a user another role.

    Raises:
        NotFoundError: there is no such user.
    """
    _change(connection, name, "role", role.value)


def change_sources(
    connection: Connection, name: str, sources: Collection[str] | None, delivers_to: Collection[str] | None
) -> None:
    """Let a user use other sources, and deliver to others of them; None as of `add_user`.

    Raises:
        NotFoundError: there is no such user.
    """
    _change(connection, name, "sources", sources and sorted(sources))
    _change(connection, name, "delivers_to", delivers_to and sorted(delivers_to))


def change_password(connection: Connection, name: str, password: str) -> None:
    """Give a user another password, by its hash; whoever is logged in as them must log in again.

    Raises:
        NotFoundError: there is no such user.
    """
    _change(connection, name, "password", password)
    run(connection, _END_SESSIONS, user=name)


def set_disabled(connection: Connection, name: str, *, is_disabled: bool) -> None:
    """Let a user in no longer, or again.

    Raises:
        NotFoundError: there is no such user.
    """
    _change(connection, name, "is_disabled", is_disabled)
    if is_disabled:
        run(connection, _END_SESSIONS, user=name)


def _change(connection: Connection, name: str, column: str, value: object) -> None:
    if not run(connection, _CHANGES[column], user=name, value=value):
        raise NotFoundError(f"There is no user {name!r}.")


def _as_account(
    name: str,
    password: str | None,
    role: str,
    sources: list[str] | None,
    delivers_to: list[str] | None,
    is_disabled: Any,
    created_at: datetime,
) -> Account:
    used, delivered = (None if names is None else frozenset(names) for names in (sources, delivers_to))
    return Account(Principal(name, Role(role), used, delivered), password, bool(is_disabled), created_at)
