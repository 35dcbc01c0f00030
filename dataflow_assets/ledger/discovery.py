"""What of landing the record of deliveries does not know yet.

Here: telling new and changed deliveries, and strays (objects that nobody ingests), from what is known. Not here: which
folders are listed (see `landing.discovery`), and what follows from it (see the landing sensor).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from itertools import chain
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from dataflow_assets.core.iteration import batched
from dataflow_assets.landing.companions import Companions
from dataflow_assets.landing.deliveries import Delivery, Expected, Stray, as_delivery, parse_object_key, small_key
from dataflow_assets.landing.listing import PREFIX, Listed, list_objects
from dataflow_assets.landing.storage import Storage
from dataflow_assets.ledger.deliveries import find_unknown_versions
from dataflow_assets.ledger.tables import strays
from dataflow_assets.postgres.connection import Connection, connect
from dataflow_assets.postgres.statements import as_json, rows_from_json, run

_PAGE = 1000

_given = rows_from_json(strays.columns)
_same = (strays.c[column.name] == _given.c[column.name] for column in strays.columns)
_is_reported = sa.exists(sa.literal_column("1")).where(*_same)
_insert = postgresql.insert(strays).from_select(strays.columns.keys(), sa.select(*_given.columns).where(~_is_reported))
_REPORT = _insert.on_conflict_do_update(
    index_elements=[strays.c.stray], set_={name: _insert.excluded[name] for name in ("etag", "size", "reason")}
).returning(strays.c.stray)


def find_new(connection: Connection, objects: Iterable[Listed], expected: Expected) -> Iterator[Delivery | Stray]:
    """The deliveries among some objects whose present version is not recorded, and the strays; lazily.

    What is no data, by its name, is neither.
    """
    data = (listed for listed in objects if not expected.is_ignored(listed.key))
    for page in batched(data, _PAGE):
        keys = [_key(listed, expected) for listed in page]
        versions = {key: (one.etag, one.size) for key, one in zip(keys, page, strict=True) if key is not None}
        unknown = find_unknown_versions(connection, versions)
        for key, listed in zip(keys, page, strict=True):
            if key is None:
                yield from _strays(listed, expected)
            elif key in unknown and (delivery := as_delivery(listed)):
                yield delivery


def _key(listed: Listed, expected: Expected) -> int | None:
    """The small key of a delivery; None of a stray. Most objects are known, and made into nothing else."""
    parts = listed.key.split("/", 3)
    is_expected = len(parts) == 4 and parts[1] in expected.sources and parts[2] in expected.days and parts[3]
    return small_key(parts[1], parts[2], listed.key) if is_expected and listed.last_modified else None


def _strays(listed: Listed, expected: Expected) -> Iterator[Stray]:
    reason = expected.why_not(listed)
    # A folder that was made in the console of S3 is an empty object of that name.
    if reason and (listed.size or parse_object_key(listed.key) or listed.last_modified is None):
        yield Stray(listed, reason)


def report_strays(connection: Connection, found: Iterable[Stray]) -> list[Stray]:
    """Those among some strays that were not reported as they are now. From now on they were."""
    by_key = {small_key(stray.listed.key): stray for stray in found}
    rows = [
        {
            "stray": key,
            "object": stray.listed.key,
            "etag": stray.listed.etag,
            "size": stray.listed.size,
            "reason": stray.reason,
        }
        for key, stray in by_key.items()
    ]
    new = run(connection, _REPORT, rows=as_json(rows))
    return [stray for key, stray in by_key.items() if (key,) in new]


def read_new(
    url: str, storage: Storage, expected: Expected, source: str | None, day: date | None
) -> list[dict[str, Any]]:
    """What has landed and is not recorded, of one source or day or of all, by the names of the record's columns."""
    folder = f"{PREFIX}/{source}/" if source else f"{PREFIX}/"
    missing = Companions(storage, expected).find_missing
    with connect(url) as connection:
        rows = [_row(found, missing) for found in find_new(connection, list_objects(storage, folder), expected)]
    return [row for row in rows if day is None or row["day"] == day.isoformat()]


def find_new_deliveries(url: str, storage: Storage, source: str, expected: Expected) -> list[Delivery]:
    """What has landed whole of a source and is not recorded."""
    return _find_whole(url, storage, [f"{PREFIX}/{source}/"], expected)


def read_new_sizes(url: str, storage: Storage, source: str, expected: Expected) -> dict[date, int]:
    """How many bytes have landed whole of a source that are not recorded, by those expected days that have any."""
    folders = [f"{PREFIX}/{source}/{day}/" for day in sorted(expected.days)]
    sizes: Counter[date] = Counter()
    for delivery in _find_whole(url, storage, folders, expected):
        sizes[delivery.day] += delivery.size
    return dict(sizes)


def _find_whole(url: str, storage: Storage, folders: Iterable[str], expected: Expected) -> list[Delivery]:
    missing = Companions(storage, expected).find_missing
    with connect(url) as connection:
        listed = chain.from_iterable(list_objects(storage, folder) for folder in folders)
        new = (found for found in find_new(connection, listed, expected) if isinstance(found, Delivery))
        return [delivery for delivery in new if not missing(delivery)]


def _row(found: Delivery | Stray, find_missing: Callable[[Delivery], str | None]) -> dict[str, Any]:
    if isinstance(found, Delivery):
        missing = find_missing(found)
        reason = {"reason": f"waits for a file {missing} in the folder of its day"} if missing else {}
        return {"state": "landed", **_place(found.object), **_version(found), **reason}
    return {"state": "stray", **_place(found.listed.key), **_version(found.listed), "reason": found.reason}


def _place(key: str) -> dict[str, Any]:
    source, day, _ = parse_object_key(key) or (None, None, None)
    return {"source": source, "day": day and day.isoformat(), "object": key}


def _version(found: Delivery | Listed) -> dict[str, Any]:
    modified = found.last_modified
    return {"etag": found.etag, "size": found.size, "last_modified": modified and modified.isoformat()}
