"""The table of rejected rows: what the lake's rejects say, for anyone who asks in SQL.

Here: putting the rejects of deliveries or a source in place of those that it had. Not here: which rows are rejected
(see `lake`), and the record of the delivery itself (see `deliveries`).
"""

from collections.abc import Sequence

import polars as pl
import polars.selectors as cs
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from dataflow_assets.landing.deliveries import Delivery
from dataflow_assets.ledger.tables import rejects as table
from dataflow_assets.postgres.arrow import BATCH_ROWS, to_arrow
from dataflow_assets.postgres.connection import Connection
from dataflow_assets.postgres.copy import copy_in
from dataflow_assets.postgres.schema import LEDGER
from dataflow_assets.postgres.statements import run
from dataflow_assets.sources.base import Source

_VISIBLE_NUL = "\N{SYMBOL FOR NULL}"  # PostgreSQL's texts hold no NUL; the lake keeps it
_DELETE = {
    name: sa.delete(table).where(table.c[name] == sa.any_(sa.bindparam("values", type_=ARRAY(table.c[name].type))))
    for name in ("delivery", "source")
}


def replace_rejects(connection: Connection, of: Sequence[Delivery] | Source, rejects: pl.LazyFrame) -> None:
    """Put rejects of deliveries or a source, of which there may be millions, in place of those that the table has.

    Args:
        connection: where, inside a transaction.
        of: whose they are.
        rejects: rows of the lake's table of rejects (see `lake.delta.table.REJECTS`).
    """
    column, values = ("source", [of.name]) if isinstance(of, Source) else ("delivery", [one.id for one in of])
    run(connection, _DELETE[column], values=values)
    wanted = rejects.filter(pl.col(column).is_in(values)).rename({"delivery_day": "day"}).select(table.columns.keys())
    storable = wanted.with_columns(cs.string().str.replace_all("\0", _VISIBLE_NUL, literal=True))
    copy_in(connection, LEDGER, table.name, map(to_arrow, storable.collect_batches(chunk_size=BATCH_ROWS)))
