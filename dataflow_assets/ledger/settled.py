"""Which deliveries the lake and the record of deliveries hold as they are: nobody need take them in again.

What is quarantined is none of them, for it may be judged otherwise now: a declaration says what is too little.

Here: those, and the event days that they touched. Not here: whether what follows from them was made (see
`warehouse.staleness`).
"""

from collections.abc import Collection, Iterable
from datetime import date

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from dataflow_assets.lake.known import find_known
from dataflow_assets.landing.deliveries import Delivery
from dataflow_assets.landing.storage import Storage
from dataflow_assets.ledger.deliveries import find_unknown_versions, read_recorded_versions
from dataflow_assets.ledger.delivery_reports import find_quarantined_objects
from dataflow_assets.ledger.lake import find_problems
from dataflow_assets.ledger.tables import deliveries
from dataflow_assets.postgres.connection import connect
from dataflow_assets.postgres.statements import run
from dataflow_assets.sources import find_source

_day = sa.func.unnest(deliveries.c.event_days)
_READ_TOUCHED = (
    sa.select(deliveries.c.source, _day)
    .where(deliveries.c.delivery == sa.any_(sa.bindparam("deliveries", type_=ARRAY(sa.BigInteger()))))
    .distinct()
)


def find_settled(
    url: str, storage: Storage, landed: Collection[Delivery], timezone: str, first_day: date
) -> list[Delivery]:
    """Those among some deliveries that the lake holds as they are, and that are recorded so and in force."""
    versions = {delivery.id: (delivery.etag, delivery.size) for delivery in landed}
    with connect(url) as connection:
        unknown = find_unknown_versions(connection, versions)
    quarantined = set(find_quarantined_objects(url, landed))
    by_source: dict[str, list[Delivery]] = {}
    for delivery in landed:
        if delivery.id not in unknown and delivery.object not in quarantined:
            by_source.setdefault(delivery.source, []).append(delivery)
    found: list[Delivery] = []
    for name, candidates in by_source.items():
        source = find_source(name)
        if find_problems(url, storage, [source]):  # which a run that takes them in tells of
            continue
        recorded = read_recorded_versions(url, source)
        known = find_known(storage, source, candidates, timezone, first_day)
        found += [delivery for delivery, version in known.items() if version == recorded.get(delivery.id)]
    return found


def read_touched_days(url: str, settled: Iterable[Delivery]) -> dict[str, set[date]]:
    """The event days, by source, that some deliveries touch, or that an earlier version of them did."""
    found: dict[str, set[date]] = {}
    with connect(url) as connection:
        for source, day in run(connection, _READ_TOUCHED, deliveries=[delivery.id for delivery in settled]):
            found.setdefault(source, set()).add(day)
    return found
