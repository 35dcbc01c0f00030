"""Refresh tokens: each is good for one pair of new tokens, so that one that was stolen is noticed.

Here: making, using and forgetting them. Not here: access tokens (see `tokens`).
"""

import hashlib
import secrets
from datetime import timedelta

import sqlalchemy as sa

from dataflow_assets.postgres.connection import Connection
from dataflow_assets.postgres.statements import run
from dataflow_assets.serving.tables import refresh_tokens

LIFETIME = timedelta(days=14)

_expiry = sa.func.now() + sa.literal_column(f"interval '{LIFETIME.days} days'")
_ADD = sa.insert(refresh_tokens).values(
    digest=sa.bindparam("digest"), family=sa.bindparam("family"), user=sa.bindparam("user"), expires_at=_expiry
)
_by_digest = refresh_tokens.c.digest == sa.bindparam("token")
_USE = (
    sa.update(refresh_tokens)
    .values(is_used=True)
    .where(_by_digest, ~refresh_tokens.c.is_used, refresh_tokens.c.expires_at > sa.func.now())
    .returning(refresh_tokens.c.user, refresh_tokens.c.family)
)
_END_FAMILY = sa.delete(refresh_tokens).where(
    refresh_tokens.c.family == sa.select(refresh_tokens.c.family).where(_by_digest).scalar_subquery()
)
_FORGET = sa.delete(refresh_tokens).where(
    refresh_tokens.c.user == sa.bindparam("user"), refresh_tokens.c.expires_at <= sa.func.now()
)


def issue(connection: Connection, user: str, family: str | None = None) -> str:
    """A new token of a user, of a login of its own or of one that goes on; those that expired are forgotten."""
    token = secrets.token_urlsafe(32)
    run(connection, _FORGET, user=user)
    run(connection, _ADD, digest=_digest(token), family=family or secrets.token_urlsafe(16), user=user)
    return token


def rotate(connection: Connection, token: str) -> tuple[str, str] | None:
    """The user of a token, and the token that takes its place; None where it is not good any more.

    A token that comes twice ends its whole login: one of the two who have it has no right to it.
    """
    used = run(connection, _USE, token=_digest(token))
    if not used:
        run(connection, _END_FAMILY, token=_digest(token))
        return None
    [(user, family)] = used
    return user, issue(connection, user, family)


def revoke(connection: Connection, token: str) -> None:
    """End the login that a token belongs to."""
    run(connection, _END_FAMILY, token=_digest(token))


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
