"""The objects that are there as far as was told, and that the lake may not hold yet.

An object comes in by a notification of the store or by a listing, and leaves when the record of deliveries has this
version, when it is gone, or when nobody ingests it. So no notification has to be kept, and landing need not be listed
to know what waits.

Here: adding, reading and dropping them. Not here: what a notification says (see `landing.events`), and what is new
among them (see `discovery`).
"""

from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ARRAY

from dataflow_assets.core.iteration import batched
from dataflow_assets.landing.deliveries import Delivery, parse_object_key, small_key
from dataflow_assets.landing.events import find_deliveries
from dataflow_assets.landing.listing import Listed
from dataflow_assets.landing.storage import Storage
from dataflow_assets.ledger.tables import pending
from dataflow_assets.postgres.connection import Connection, transaction
from dataflow_assets.postgres.sql import execute
from dataflow_assets.postgres.statements import as_json, rows_from_json, run

CHANNEL = "landing_told"  # on which those are told who wait for what lands
_BATCH = 1000
_OLD_SECONDS = 300  # after which the store is asked again whether it still has an object in this version
_MOST_OLD = 2_000  # that are asked for at once

_GIVEN = [column for column in pending.columns if column.name != "asked_at"]
_given = rows_from_json(_GIVEN)
_insert = postgresql.insert(pending).from_select([column.name for column in _GIVEN], sa.select(*_given.columns))
_ADD = _insert.on_conflict_do_update(
    index_elements=[pending.c.delivery],
    set_={**{name: _insert.excluded[name] for name in ("etag", "size", "last_modified")}, "asked_at": sa.func.now()},
    where=_insert.excluded.last_modified >= pending.c.last_modified,  # of two who asked, one may have asked before
)
_LISTED = (pending.c.object, pending.c.etag, pending.c.size, pending.c.last_modified)
_rank = sa.func.row_number().over(partition_by=[pending.c.source, pending.c.day], order_by=pending.c.object)
_ranked = sa.select(*_LISTED, _rank.label("rank")).subquery()
_READ = (
    sa.select(*(_ranked.c[column.name] for column in _LISTED))
    .order_by(_ranked.c.rank, _ranked.c.object)
    .limit(sa.bindparam("most"))
)
_version = rows_from_json([pending.c.delivery, pending.c.etag])
_DROP = sa.delete(pending).where(pending.c.delivery == _version.c.delivery, pending.c.etag == _version.c.etag)
_is_old = pending.c.asked_at < sa.func.now() - sa.text(f"interval '{_OLD_SECONDS} seconds'")
_READ_OLD = sa.select(pending.c.object).where(_is_old).order_by(pending.c.asked_at).limit(_MOST_OLD)
_DROP_OLD = sa.delete(pending).where(
    pending.c.object == sa.any_(sa.bindparam("objects", type_=ARRAY(sa.Text()))), _is_old
)


def note_objects(connection: Connection, storage: Storage, keys: Iterable[str]) -> int:
    """Ask for some objects, add those that are there, and commit; how many. Those who wait for news are told."""
    found = find_deliveries(storage, keys)
    with transaction(connection):
        add_pending(connection, found)
        if found:
            execute(connection, "SELECT pg_notify($1, '')", CHANNEL)
    return len(found)


def add_pending(connection: Connection, found: Iterable[Delivery]) -> None:
    """Add some deliveries, in place of older versions of the same objects."""
    for page in batched({delivery.id: delivery for delivery in found}.values(), _BATCH):
        run(connection, _ADD, rows=as_json(map(_row, page)))


def read_pending(connection: Connection, most: int) -> list[Listed]:
    """What waits, up to a number of objects: of each day of each source as many as of any other."""
    return [Listed(*row) for row in run(connection, _READ, most=most)]


def drop_pending(connection: Connection, objects: Iterable[Listed]) -> None:
    """Drop some objects, but for those that have come again in another version."""
    for page in batched(objects, _BATCH):
        rows = [{"delivery": _small_key(listed.key), "etag": listed.etag} for listed in page]
        run(connection, _DROP, rows=as_json(rows))


def ask_again(connection: Connection, storage: Storage) -> None:
    """Ask the store again for what has waited long, as it may be gone or replaced without a word; and commit."""
    keys = [key for (key,) in run(connection, _READ_OLD)]
    if not keys:
        return
    found = find_deliveries(storage, keys)
    with transaction(connection):
        run(connection, _DROP_OLD, objects=keys)
        add_pending(connection, found)


def _row(delivery: Delivery) -> dict[str, object]:
    given = {column.name: getattr(delivery, column.name) for column in _GIVEN if column.name != "delivery"}
    return {"delivery": delivery.id, **given}


def _small_key(key: str) -> int:
    place = parse_object_key(key)
    assert place  # nothing else is added
    return small_key(place[0], place[1].isoformat(), key)
