"""The platform's own records, in a PostgreSQL schema of its own: what landed, and what became of it.

They are a copy of what landing, the lake and the loads say, and can be made again. A module each: `deliveries`, what is
asked of them (`delivery_reports`, `volumes`) and their `rejects`; `discovery` of what is new; what tables were made
from (`event_days`, `snapshots`, `answers`); the time zone of the whole (`identity`) and its `lake`.
`tables` describes all tables.

>>> from dataflow_assets.ledger import read_deliveries
>>> from dataflow_assets.settings import Settings
>>> from dataflow_assets.warehouse import open_warehouse
>>> url = open_warehouse(Settings(DATAFLOW_HOME="platform"))
>>> read_deliveries(url, source="streams", day=None)
[]
"""

from typing import TYPE_CHECKING

from dataflow_assets.core.exports import load_on_demand

if TYPE_CHECKING:
    from dataflow_assets.ledger.deliveries import rebuild_deliveries, record_delivery
    from dataflow_assets.ledger.delivery_reports import read_deliveries
    from dataflow_assets.ledger.discovery import read_new

__all__ = ["read_deliveries", "read_new", "rebuild_deliveries", "record_delivery"]

__getattr__ = load_on_demand(
    __name__,
    {
        "read_deliveries": "delivery_reports",
        "read_new": "discovery",
        "rebuild_deliveries": "deliveries",
        "record_delivery": "deliveries",
    },
)
