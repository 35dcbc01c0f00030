"""Quarantined deliveries that may be right now, as their control files came anew.

Here: finding them. Not here: what a control file says (see `landing.companions`), and taking them in again (see the
landing sensor).
"""

from collections.abc import Iterator
from dataclasses import replace

from dataflow_assets.lake.delta.commit_log import find_last_commit
from dataflow_assets.lake.delta.table import rows_table
from dataflow_assets.landing.companions import find_control_etag
from dataflow_assets.landing.deliveries import Delivery, Expected, Landing
from dataflow_assets.landing.storage import Storage
from dataflow_assets.ledger.delivery_reports import read_quarantined_deliveries
from dataflow_assets.sources.base import Source


def find_corrected(url: str, storage: Storage, expected: Expected) -> Iterator[Delivery]:
    """The quarantined deliveries that are still in landing, with another control file than they were judged by."""
    controlled = {name: source for name, source in expected.declared.items() if source.control}
    for delivery in read_quarantined_deliveries(url) if controlled else ():
        source = controlled.get(delivery.source)
        if source and delivery.day.isoformat() in expected.days:
            etag = find_control_etag(storage, source, delivery)
            if etag and _is_judged_otherwise(storage, source, delivery, etag):
                yield replace(delivery, control=etag)


def _is_judged_otherwise(storage: Storage, source: Source, delivery: Delivery, control: str) -> bool:
    now, table = Landing(storage).current(delivery.object), rows_table(storage, source)
    if now is None or (now.etag, now.size) != (delivery.etag, delivery.size):
        return False
    last = find_last_commit(table, table.open(), delivery)
    return last is not None and last.info.quarantine_reason is not None and last.info.control != control
