"""API keys, by which machines show who they are.

A key reads `dfk_<id>_<secret>`. The secret has 256 random bits, so that a plain hash of it is enough, and it is shown
once.

Here: making, finding and removing them. Not here: what their users may (see `principals`).
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from dataflow_assets.errors import NotFoundError
from dataflow_assets.postgres.connection import Connection
from dataflow_assets.postgres.statements import as_json, rows_from_json, run
from dataflow_assets.serving.tables import api_keys

_PREFIX = "dfk"
_ID = re.compile("[0-9a-f]{16}")

_NAMES = ("id", "user", "digest", "sources", "expires_at")
_given = rows_from_json([api_keys.c[name] for name in _NAMES])
_ADD = sa.insert(api_keys).from_select(_NAMES, sa.select(*_given.columns))
_FIND = sa.select(api_keys.c.user, api_keys.c.digest, api_keys.c.sources, api_keys.c.expires_at <= sa.func.now()).where(
    api_keys.c.id == sa.bindparam("id")
)
_LIST = (
    sa.select(api_keys.c.id, api_keys.c.user, api_keys.c.sources, api_keys.c.expires_at)
    .where(api_keys.c.user == sa.bindparam("user"))
    .order_by(api_keys.c.created_at, api_keys.c.id)
)
_REMOVE = sa.delete(api_keys).where(api_keys.c.id == sa.bindparam("id")).returning(api_keys.c.id)


@dataclass(frozen=True)
class ApiKey:
    """A key, without its secret; `sources` None: all that its user may use."""

    id: str
    user: str
    sources: frozenset[str] | None
    expires_at: datetime


def add_key(connection: Connection, user: str, sources: Collection[str] | None, expires_at: datetime) -> str:
    """Make a key of a user; it is given once, and kept as a hash."""
    name, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
    allowed = None if sources is None else sorted(sources)
    row = {"id": name, "user": user, "digest": _digest(secret), "sources": allowed, "expires_at": expires_at}
    run(connection, _ADD, rows=as_json([row]))
    return f"{_PREFIX}_{name}_{secret}"


def is_key(text: str) -> bool:
    """Whether a text looks like a key, and not like a token."""
    return text.startswith(f"{_PREFIX}_")


def find_owner(connection: Connection, key: str) -> tuple[str, frozenset[str] | None] | None:
    """The user of a key and the sources that it is for; None where it is none, or has expired."""
    prefix, _, rest = key.partition("_")
    name, _, secret = rest.partition("_")
    if prefix != _PREFIX or not _ID.fullmatch(name):
        return None
    for user, digest, sources, is_expired in run(connection, _FIND, id=name):
        if hmac.compare_digest(digest, _digest(secret)) and not is_expired:
            return user, None if sources is None else frozenset(sources)
    return None


def list_keys(connection: Connection, user: str) -> list[ApiKey]:
    """The keys of a user, in the order in which they were made."""
    return [
        ApiKey(name, owner, None if sources is None else frozenset(sources), expires_at)
        for name, owner, sources, expires_at in run(connection, _LIST, user=user)
    ]


def remove_key(connection: Connection, name: str) -> None:
    """Remove a key by its id.

    Raises:
        NotFoundError: there is no such key.
    """
    if not run(connection, _REMOVE, id=name):
        raise NotFoundError(f"There is no API key {name!r}.")


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
