"""Which objects have other rows in the lake than the record says: somebody restored a table, or changed it.

Here: that comparison, by counts alone. Not here: comparing files (see `lake.delta.intact`), and mending anything.
"""

import sqlalchemy as sa

from dataflow_assets.lake.delta.table import list_files, rows_table
from dataflow_assets.landing.storage import Storage
from dataflow_assets.ledger.deliveries import IS_PRESENT
from dataflow_assets.ledger.tables import deliveries
from dataflow_assets.postgres.connection import connect
from dataflow_assets.postgres.statements import run
from dataflow_assets.sources.base import Source

_READ = sa.select(deliveries.c.delivery, deliveries.c.object, deliveries.c.accepted).where(
    deliveries.c.source == sa.bindparam("source"), IS_PRESENT
)


def find_objects_with_other_rows(url: str, storage: Storage, source: Source) -> list[str]:
    """The objects of a source whose rows in the lake are not as many as were accepted, by key."""
    table = rows_table(storage, source)
    if not table.is_made():
        return []
    files = list_files(table.open())
    rows: dict[int, int] = {}
    for delivery, count in files.select("partition.delivery", "num_records").iter_rows() if files.height else ():
        rows[delivery] = rows.get(delivery, 0) + count
    with connect(url) as connection:
        found = run(connection, _READ, source=source.name)
    return sorted(key for delivery, key, accepted in found if rows.get(delivery, 0) != accepted)
