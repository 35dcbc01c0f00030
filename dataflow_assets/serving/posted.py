"""Records that were posted under an Idempotency-Key: what they were landed as, so that a repeat lands nothing.

A key is written down, with the name of the object, before anything is landed. Whoever died in between left a name under
which the repeat lands the same bytes.

Here: the keys. Not here: landing (see `routes.records`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from dataflow_assets.postgres.connection import Connection
from dataflow_assets.postgres.sql import execute
from dataflow_assets.postgres.statements import run
from dataflow_assets.serving.refusals import BusyError, UnusableError
from dataflow_assets.serving.tables import posted

_of_key = (posted.c.user == sa.bindparam("of_user"), posted.c.key == sa.bindparam("of_key"))
_CLAIM = (
    postgresql.insert(posted)
    .values({name: sa.bindparam(name) for name in ("user", "key", "source", "day", "name", "digest")})
    .on_conflict_do_nothing()
)
_READ = sa.select(posted.c.source, posted.c.day, posted.c.name, posted.c.digest, posted.c.is_landed).where(*_of_key)
_FINISH = sa.update(posted).values(is_landed=True).where(*_of_key)
_FORGET = sa.delete(posted).where(posted.c.created_at < sa.bindparam("before"))
_TRY_LOCK = "SELECT pg_try_advisory_lock(hashtextextended($1, 0))"
_UNLOCK = "SELECT pg_advisory_unlock(hashtextextended($1, 0))"


@dataclass(frozen=True)
class Post:
    """The object that some records are landed as."""

    source: str
    day: date
    name: str


def land_once(
    connection: Connection,
    user: str,
    key: str,
    post: Post,
    digest: str,
    land: Callable[[Post], None],
    keep_days: int,
) -> Post:
    """Land records, unless they were under this key of this user; the object that they were landed as.

    Args:
        connection: to the database, for this alone.
        user: who posts.
        key: what the user calls the records.
        post: the object, if they come for the first time.
        digest: of their bytes.
        land: lands them; to do it twice is harmless.
        keep_days: for how long a key is remembered.

    Raises:
        BusyError: the same is being posted at this moment.
        UnusableError: the key was used for other records.
    """
    lock = f"posted/{user}/{key}"
    if not execute(connection, _TRY_LOCK, lock)[0][0]:
        raise BusyError("Records are being posted under this Idempotency-Key; ask again.", {"Retry-After": "1"})
    run(connection, _FORGET, before=datetime.now(UTC) - timedelta(days=keep_days))
    run(connection, _CLAIM, user=user, key=key, digest=digest, **vars(post))
    [(source, day, name, known, is_landed)] = run(connection, _READ, of_user=user, of_key=key)
    connection.commit()
    found = Post(source, day, name)
    if (source, known) != (post.source, digest):
        raise UnusableError("This Idempotency-Key was used for other records; use a new one for these.")
    if not is_landed:
        land(found)
        run(connection, _FINISH, of_user=user, of_key=key)
        connection.commit()
    execute(connection, _UNLOCK, lock)  # where anything failed, the connection is closed, and the lock gone with it
    return found
