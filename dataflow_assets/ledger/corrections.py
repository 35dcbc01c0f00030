"""Quarantined deliveries that may be right now, as their control files came anew.

Here: finding them. Not here: what a control file says (see `landing.companions`), and taking them in again (see the
landing sensor).
"""

from collections.abc import Container, Iterator
from dataclasses import replace

from dataflow_assets.lake.delta.commit_log import find_last_commit
from dataflow_assets.lake.delta.table import rows_table
from dataflow_assets.landing.companions import find_control_etag
from dataflow_assets.landing.deliveries import Delivery, Landing
from dataflow_assets.landing.storage import Storage
from dataflow_assets.ledger.delivery_reports import read_quarantined_by_themselves
from dataflow_assets.sources.base import Source


def find_corrected(url: str, storage: Storage, source: Source, days: Container[str]) -> Iterator[Delivery]:
    """The quarantined deliveries of a source that are still in landing, with another control file than judged them.

    Args:
        url: of the database.
        storage: of landing and lake.
        source: whose deliveries have control files.
        days: on which deliveries are taken in, as texts.
    """
    quarantined = [one for one in read_quarantined_by_themselves(url, source) if one.day.isoformat() in days]
    landing, table = Landing(storage), rows_table(storage, source)
    base = table.open() if quarantined else None
    for delivery in quarantined:
        control = find_control_etag(storage, source, delivery)
        if control and landing.holds(delivery) and base:
            last = find_last_commit(table, base, delivery)
            if last and last.info.quarantine_reason and last.info.control != control:
                yield replace(delivery, control=control)
