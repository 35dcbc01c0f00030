"""The table of rejected rows: what the lake's rejects say, for anyone who asks in SQL.

Here: putting the rejects of one delivery in place of those that it had. Not here: which rows are rejected (see `lake`)
and the record of the delivery itself (see `records`).
"""

import polars as pl
import polars.selectors as cs

from dataflow_assets.landing.deliveries import Delivery
from dataflow_assets.warehouse.database import Connection, copy_in, execute
from dataflow_assets.warehouse.tables import WAREHOUSE
from dataflow_assets.warehouse.values import BATCH_ROWS, to_arrow

_TABLE = "rejects"
_COLUMNS = ("source", "delivery_day", "object", "delivery", "line", "code", "message", "raw", "run")
_SHOWN_NUL = "\N{SYMBOL FOR NULL}"  # PostgreSQL's texts hold no NUL; the lake keeps it


def replace_rejects(connection: Connection, delivery: Delivery, rejects: pl.LazyFrame) -> None:
    """Put rejects of a delivery, of which there may be millions, in place of those that the table has of it.

    Args:
        connection: where, inside a transaction.
        delivery: whose they are.
        rejects: rows of the lake's table of rejects.
    """
    execute(connection, "DELETE FROM warehouse.rejects WHERE delivery = $1", delivery.id)
    of_delivery = rejects.filter(pl.col("delivery") == delivery.id).select(_COLUMNS).rename({"delivery_day": "day"})
    storable = of_delivery.with_columns(cs.string().str.replace_all("\0", _SHOWN_NUL, literal=True))
    copy_in(connection, WAREHOUSE, _TABLE, map(to_arrow, storable.collect_batches(chunk_size=BATCH_ROWS)))
