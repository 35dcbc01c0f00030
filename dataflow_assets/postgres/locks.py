"""Locks: taking one by name, strong ones for a moment without keeping readers waiting, and who holds one.

Here: advisory locks, retries and the sessions in the way. Not here: what is done under a lock.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing

from dataflow_assets.errors import LockTimeoutError
from dataflow_assets.postgres.connection import Connection
from dataflow_assets.postgres.sql import execute

LOCK_TIMEOUT = "1s"
LOCK_PAUSES = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2)  # seconds between two tries
_LOOK_SECONDS = 0.05
# A session of pg_stat_activity. Of those of other users the server may tell no more than their number.
SESSION = r"""format('session %s (%s%s%s)', pid,
        coalesce(nullif(application_name, ''), usename, backend_type, 'unknown'),
        to_char(xact_start AT TIME ZONE 'UTC', '", in a transaction since "YYYY-MM-DD HH24:MI:SS "UTC"'),
        ', last statement: ' || left(regexp_replace(query, '\s+', ' ', 'g'), 80))"""
_HOLDERS = f"""
    SELECT {SESSION}
    FROM pg_stat_activity WHERE pid = ANY (pg_blocking_pids($1::int)) ORDER BY xact_start, pid"""  # noqa: S608


def advisory_lock(connection: Connection, *names: str) -> None:
    """Take the lock of that name until the transaction ends."""
    execute(connection, "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", "/".join(names))


def advisory_locks(connection: Connection, names: Iterable[Sequence[str]], *, shared: bool = False) -> None:
    """Take several such locks, in an order in which sessions that take some of the same ones cannot deadlock.

    Those who share a lock do not wait for each other.
    """
    in_order = sorted("/".join(of_lock) for of_lock in names)
    function = "pg_advisory_xact_lock_shared" if shared else "pg_advisory_xact_lock"
    execute(connection, f"SELECT {function}(hashtextextended(name, 0)) FROM unnest($1) AS name", in_order)  # noqa: S608


def with_lock_retries(connection: Connection, what: str, statements: Sequence[str]) -> None:
    """Run statements, all or none, that need strong locks for a moment; waits at most a second at a time.

    What the transaction did before stays done while they are tried again.

    Raises:
        LockTimeoutError: the locks were not granted in several tries; it names who holds them.
    """
    # The server catches the failure: once an error has reached the driver, it does nothing but roll back.
    attempt = f"""
        DO $attempt$ BEGIN
            {"; ".join(statements)};
            PERFORM set_config('dataflow.attempt', 'done', true);
        EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
            PERFORM set_config('dataflow.attempt', 'locked', true);
        END $attempt$"""

    def is_done() -> bool:
        execute(connection, attempt)
        return execute(connection, "SELECT current_setting('dataflow.attempt')") == [("done",)]

    execute(connection, f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    for pause in LOCK_PAUSES:
        if is_done():
            return
        time.sleep(pause)
    done, holders = _watched(connection, is_done)
    if not done:
        raise held_by(what, holders)


def held_by(what: str, holders: Sequence[str]) -> LockTimeoutError:
    """What it means to a user that these sessions did not let go of something in time."""
    named = "; and by ".join(holders) or "another session"
    return LockTimeoutError(f"{what} is held by {named}. Nothing was changed: try again later, or end that session.")


def _watched(connection: Connection, attempt: Callable[[], bool]) -> tuple[bool, list[str]]:
    """Run the last try, and see from another connection which sessions it waits for: only then the server knows."""
    [(waiting,)] = execute(connection, "SELECT pg_backend_pid()")
    holders: list[str] = []
    with closing(connection.adbc_clone()) as watcher, ThreadPoolExecutor(1, "lock") as pool:

        def look() -> list[str]:
            found = [holder for (holder,) in execute(watcher, _HOLDERS, waiting)]
            watcher.rollback()  # within a transaction, what the sessions do stays as it was first seen
            return found

        look()  # a first statement of a connection may take as long as the try
        trying = pool.submit(attempt)
        while not wait([trying], _LOOK_SECONDS).done:
            holders = look() or holders
    return trying.result(), holders
