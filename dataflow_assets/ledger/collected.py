"""The record of what was collected: of each thing elsewhere where it lands, and which version of it has landed.

Here: its statements, and that of each path one version lands at a time. Not here: what is collected (see `collectors`).
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

import sqlalchemy as sa
from psycopg2 import extensions
from sqlalchemy.dialects.postgresql import ARRAY

from dataflow_assets.collectors.base import Known, Remote
from dataflow_assets.core.iteration import batched
from dataflow_assets.landing.deliveries import Delivery, small_key
from dataflow_assets.ledger.tables import collected
from dataflow_assets.postgres.brief import BriefConnections
from dataflow_assets.postgres.statements import as_json, insert_rows, rows_from_json, run_briefly, upsert_rows

_PAGE = 10_000

_COLUMNS = [getattr(collected.c, name) for name in ("path", "day", "object", "version", "size", "modified")]
_READ = sa.select(*_COLUMNS).where(collected.c.remote == sa.any_(sa.bindparam("remotes", type_=ARRAY(sa.BigInteger()))))
_LAST = (
    sa.select(*_COLUMNS)
    .where(collected.c.source == sa.bindparam("source"))
    .where(collected.c.path >= sa.bindparam("first"), collected.c.path < sa.bindparam("end"))
    .order_by(collected.c.path.desc())
    .limit(1)
)
_LOCK = sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(sa.bindparam("name"), 0)))
_CLAIM = insert_rows(collected).on_conflict_do_nothing()
_LAND = upsert_rows(collected)
_given = rows_from_json([collected.c.remote, collected.c.version])
_CONFIRM = sa.update(collected).values(version=_given.c.version).where(collected.c.remote == _given.c.remote)
_failed = rows_from_json([collected.c.remote, collected.c.failure])
_REPORT = (
    sa.update(collected)
    .values(failure=_failed.c.failure)
    .where(collected.c.remote == _failed.c.remote, collected.c.failure.is_distinct_from(_failed.c.failure))
    .returning(collected.c.path)
)
_READ_FAILURES = (
    sa.select(collected.c.path, collected.c.failure)
    .where(collected.c.source == sa.bindparam("source"), collected.c.failure.is_not(None))
    .order_by(collected.c.path)
)
_COUNT = (
    sa.select(collected.c.day, sa.func.count())
    .where(collected.c.source == sa.bindparam("source"), collected.c.version.is_not(None))
    .where(collected.c.day.between(sa.bindparam("first"), sa.bindparam("last")))
    .group_by(collected.c.day)
)


@dataclass(frozen=True)
class CollectedRecord:
    """The record of one source (see `collectors.base.Record`); any thread may use it."""

    connections: BriefConnections
    source: str

    def _id(self, path: str) -> int:
        return small_key(self.source, path)

    def read(self, paths: Collection[str]) -> Mapping[str, Known]:
        """What is recorded of some paths; nothing of the others."""
        with self.connections.take() as connection:
            return dict(self._read(connection, paths))

    def _read(self, connection: extensions.connection, paths: Collection[str]) -> Iterable[tuple[str, Known]]:
        for page in batched(paths, _PAGE):
            found = run_briefly(connection, _READ, remotes=[self._id(path) for path in page])
            for path, day, key, version, size, modified in found:
                yield path, _known(day, key, version, size, modified)

    def last(self, folder: str) -> tuple[str, Known] | None:
        """The last recorded path of a folder, by the order of its bytes."""
        with self.connections.take() as connection:
            bounds = {"first": f"{folder}/", "end": f"{folder}0"}
            for path, *known in run_briefly(connection, _LAST, source=self.source, **bounds):
                return path, _known(*known)
        return None

    def claim(self, objects: Mapping[str, tuple[date, str]]) -> Mapping[str, Known]:
        """Record the day and the object of paths that are not recorded; what is recorded of them now."""
        rows = [self._row(path, day, key) for path, (day, key) in objects.items()]
        with self.connections.take() as connection:
            run_briefly(connection, _CLAIM, rows=as_json(rows))
            connection.commit()
            return dict(self._read(connection, objects))

    def confirm(self, versions: Mapping[str, str]) -> None:
        """Record of some paths that what landed has another version's text now, but the same content."""
        rows = [{"remote": self._id(path), "version": version} for path, version in versions.items()]
        with self.connections.take() as connection:
            run_briefly(connection, _CONFIRM, rows=as_json(rows))

    def land(self, remote: Remote, before: Known | None, put: Callable[[], Delivery | None]) -> Delivery | None:
        """Put an object into landing and record it, while nobody else lands the same path.

        Returns:
            What `put` gives; None, without calling it, where the record is not as `before` any more.
        """
        with self.connections.take() as connection:
            run_briefly(connection, _LOCK, name=f"collected/{self.source}/{remote.path}")
            now = dict(self._read(connection, [remote.path])).get(remote.path)
            if now != before:
                return None
            delivery = put()
            if delivery:
                row = {
                    **self._row(remote.path, delivery.day, delivery.object),
                    "version": remote.version,
                    "size": delivery.size if remote.size is None else remote.size,
                    "modified": remote.modified,
                    "landed_at": datetime.now(UTC),
                }
                run_briefly(connection, _LAND, rows=as_json([row]))
            return delivery

    def report(self, failures: Mapping[str, str]) -> set[str]:
        """Record why some paths failed; those that did not fail in the same way before."""
        rows = [{"remote": self._id(path), "failure": reason} for path, reason in failures.items()]
        with self.connections.take() as connection:
            return {path for (path,) in run_briefly(connection, _REPORT, rows=as_json(rows))}

    def read_failures(self) -> Mapping[str, str]:
        """What could not be collected the last time, by path, and why."""
        with self.connections.take() as connection:
            return dict(run_briefly(connection, _READ_FAILURES, source=self.source))

    def count_by_day(self, first: date, last: date) -> Mapping[date, int]:
        """How many things have landed on each day from one to another; of those with any."""
        with self.connections.take() as connection:
            return dict(run_briefly(connection, _COUNT, source=self.source, first=first, last=last))

    def _row(self, path: str, day: date, key: str) -> dict[str, object]:
        empty = dict.fromkeys(("version", "size", "modified", "landed_at", "failure"))
        return {"remote": self._id(path), "source": self.source, "path": path, "day": day, "object": key, **empty}


def _known(day: date, key: str, version: str | None, size: int | None, modified: datetime | None) -> Known:
    return Known(day=day, object=key, version=version, size=size, modified=modified)


def open_record(url: str, source: str) -> CollectedRecord:
    """The record of a source in a warehouse."""
    return CollectedRecord(BriefConnections(url), source)
