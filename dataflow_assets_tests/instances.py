"""Dagster instances in memory, for runs that tests make in their own process.

Here: instances that cost a test next to nothing, and copies of what one has recorded. Not here: instances that outlive
a process, which the platform opens.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from typing import Any

import dagster as dg
import sqlalchemy as sa

Connect = Callable[..., AbstractContextManager[sa.Connection]]

_free: list[dg.DagsterInstance] = []


@contextmanager
def empty_instance() -> Iterator[dg.DagsterInstance]:
    """An instance without records, which nobody else has meanwhile.

    A test that is done leaves it to the next: to make the tables of a new one takes 50 ms, to empty them one.
    """
    instance = _free.pop() if _free else _new_instance()
    copy_records(_blank(), instance)
    yield instance
    _free.append(instance)


def copy_records(source: dg.DagsterInstance, target: dg.DagsterInstance) -> None:
    """Let an instance hold the runs and events of another, and no others."""
    for store, wanted in (
        (source.run_storage, target.run_storage),
        (source.event_log_storage, target.event_log_storage),
    ):
        with _connect(store)() as read, _connect(wanted)() as written:
            _database(read).backup(_database(written))


@cache
def _blank() -> dg.DagsterInstance:
    return _new_instance()


def _new_instance() -> dg.DagsterInstance:
    """An instance whose stores keep their connections, where Dagster opens one for each statement."""
    instance = dg.DagsterInstance.ephemeral()
    for store in (instance.run_storage, instance.event_log_storage):
        kept = _keep(_connect(store))
        for name in ("connect", "index_connection", "run_connection"):
            if hasattr(store, name):
                setattr(store, name, kept)
    return instance


def _connect(store: Any) -> Connect:
    connect: Connect = store.index_connection if hasattr(store, "index_connection") else store.connect
    return connect


def _keep(connect: Connect) -> Connect:
    """A way to connect that gives each thread the same connection again, to one thread at a time."""
    of_thread, lock = threading.local(), threading.Lock()

    @contextmanager
    def connect_again(_run_id: str | None = None) -> Iterator[sa.Connection]:
        with lock:
            if not hasattr(of_thread, "connection"):
                with connect() as connection:
                    of_thread.connection = connection.engine.connect()
            with of_thread.connection.begin():
                yield of_thread.connection

    return connect_again


def _database(connection: sa.Connection) -> Any:
    return connection.connection.driver_connection
