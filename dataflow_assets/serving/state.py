"""What every request of one server shares.

Here: opening it from the settings, and handing it to routes. Not here: anything of one request.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, TypeVar

import anyio
from adbc_driver_manager import Error as AdbcError
from anyio import to_thread
from fastapi import Depends, Request

from dataflow_assets.analytics import all_answers
from dataflow_assets.analytics.base import Answer
from dataflow_assets.landing.storage import Storage, open_storage
from dataflow_assets.postgres.connection import Connection, Connections
from dataflow_assets.serving.cached_principals import CachedPrincipals
from dataflow_assets.serving.http_metrics import HttpMetrics
from dataflow_assets.serving.limits import RateLimits
from dataflow_assets.serving.passwords import PasswordChecks
from dataflow_assets.serving.platform_metrics import PlatformMetrics
from dataflow_assets.serving.problems import is_lost_connection
from dataflow_assets.serving.reading.relations import Relation, answer_relation, ledger_relations, source_relations
from dataflow_assets.serving.reading.respond import RowReader
from dataflow_assets.serving.tokens import KeyRing, find_keys
from dataflow_assets.settings import Settings
from dataflow_assets.sources import Source, all_sources
from dataflow_assets.warehouse.bootstrap import open_warehouse

_T = TypeVar("_T")
_THREADS = 16  # that use the database at once, each with a connection


class Database:
    """The database, for routes: work with a connection runs in a thread, and commits when it ends."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._connections = Connections(url)
        self._limiter = anyio.CapacityLimiter(_THREADS)

    async def write(self, work: Callable[[Connection], _T]) -> _T:
        """Do some work once."""
        return await to_thread.run_sync(self._run, work, limiter=self._limiter)

    async def read(self, work: Callable[[Connection], _T]) -> _T:
        """Do some work that changes nothing, and do it again where the connection was lost since it was last used."""
        try:
            return await self.write(work)
        except AdbcError as error:
            if not is_lost_connection(error):
                raise
            return await self.write(work)

    async def in_thread(self, work: Callable[[], _T]) -> _T:
        """Do work that waits for others than the event loop, such as the object store."""
        return await to_thread.run_sync(work, limiter=self._limiter)

    def _run(self, work: Callable[[Connection], _T]) -> _T:
        try:
            with self._connections.take() as connection:
                return work(connection)
        except AdbcError as error:
            if is_lost_connection(error):  # the idle ones are lost with it
                self._connections = Connections(self.url)
            raise


@dataclass(frozen=True)
class ServingState:
    """What every request shares; sources, answers and what can be read as rows are by name."""

    settings: Settings
    database: Database
    storage: Storage
    sources: Mapping[str, Source]
    answers: Mapping[str, Answer]
    tables: Mapping[str, Relation]
    answer_tables: Mapping[str, Relation]
    ledger_tables: Mapping[str, Relation]
    rows: RowReader
    keys: KeyRing
    limits: RateLimits
    passwords: PasswordChecks
    principals: CachedPrincipals
    previews: anyio.CapacityLimiter  # one at a time: a file may take hundreds of megabytes of memory
    http_metrics: HttpMetrics
    platform_metrics: PlatformMetrics


def open_state(settings: Settings) -> ServingState:
    """Open what the settings name.

    Raises:
        DataFlowError: the database or the object store is not fit for use.
    """
    database, keys = Database(open_warehouse(settings)), find_keys(settings)
    return ServingState(
        settings=settings,
        database=database,
        storage=open_storage(settings),
        sources={source.name: source for source in all_sources()},
        answers={answer.name: answer for answer in all_answers()},
        tables={table.name: table for source in all_sources() for table in source_relations(source)},
        answer_tables={answer.name: answer_relation(answer) for answer in all_answers()},
        ledger_tables={table.name: table for table in ledger_relations()},
        rows=RowReader(database.url, settings.timezone, settings.api_cache_url, keys.derive("cursors")),
        keys=keys,
        limits=RateLimits(settings.requests_per_minute),
        passwords=PasswordChecks(),
        principals=CachedPrincipals(database),
        previews=anyio.CapacityLimiter(1),
        http_metrics=HttpMetrics(),
        platform_metrics=PlatformMetrics(database, all_sources()),
    )


async def find_state(request: Request) -> ServingState:  # async: else it is called in a thread, for each request
    """The state of the server that answers a request."""
    found = request.app.state.serving
    assert isinstance(found, ServingState)
    return found


State = Annotated[ServingState, Depends(find_state)]
