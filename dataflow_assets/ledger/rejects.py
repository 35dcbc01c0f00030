"""The table of rejected rows: what the lake's rejects say, for anyone who asks in SQL.

Here: putting the rejects of a delivery or a source in place of those that it had. Not here: which rows are rejected
(see `lake`) and the record of the delivery itself (see `records`).
"""

import polars as pl
import polars.selectors as cs

from dataflow_assets.landing.deliveries import Delivery
from dataflow_assets.postgres.arrow import BATCH_ROWS, to_arrow
from dataflow_assets.postgres.connection import Connection
from dataflow_assets.postgres.copy import copy_in
from dataflow_assets.postgres.schema import LEDGER
from dataflow_assets.postgres.sql import execute, identifier
from dataflow_assets.sources.base import Source

_TABLE = "rejects"
_COLUMNS = ("source", "delivery_day", "object", "delivery", "line", "code", "message", "raw", "run")
_SHOWN_NUL = "\N{SYMBOL FOR NULL}"  # PostgreSQL's texts hold no NUL; the lake keeps it


def replace_rejects(connection: Connection, of: Delivery | Source, rejects: pl.LazyFrame) -> None:
    """Put rejects of a delivery or a source, of which there may be millions, in place of those that the table has.

    Args:
        connection: where, inside a transaction.
        of: whose they are.
        rejects: rows of the lake's table of rejects.
    """
    column, value = ("delivery", of.id) if isinstance(of, Delivery) else ("source", of.name)
    execute(connection, f"DELETE FROM ledger.rejects WHERE {identifier(column)} = $1", value)  # noqa: S608
    wanted = rejects.filter(pl.col(column) == value).select(_COLUMNS).rename({"delivery_day": "day"})
    storable = wanted.with_columns(cs.string().str.replace_all("\0", _SHOWN_NUL, literal=True))
    copy_in(connection, LEDGER, _TABLE, map(to_arrow, storable.collect_batches(chunk_size=BATCH_ROWS)))
