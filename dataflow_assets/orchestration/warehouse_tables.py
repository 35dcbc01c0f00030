"""The tables of the warehouse and of the answers, as frames for the assets of anyone.

Here: what an input of `warehouse/<source>` or `analytics/<answer>` is given. Not here: reading the tables (see
`warehouse.scan`), and writing them, which their assets do themselves.
"""

import dagster as dg
import polars as pl

from dataflow_assets.analytics import find_answer
from dataflow_assets.errors import NotFoundError, WarehouseMismatchError
from dataflow_assets.orchestration.keys import ANALYTICS
from dataflow_assets.orchestration.partitions import partition_days
from dataflow_assets.orchestration.resources import DatabaseResource
from dataflow_assets.orchestration.retries import retry_transient
from dataflow_assets.sources import find_source
from dataflow_assets.warehouse.scan import Table, open_table, scan_answer, scan_source

WAREHOUSE_TABLES = "warehouse_tables"  # its key among the resources


class WarehouseTables(dg.ConfigurableIOManager):
    """Loads `warehouse/<source>` and `analytics/<answer>` as frames.

    An input that is annotated `pl.LazyFrame` is read when it is collected, and then only the columns and days that
    its query uses: collected twice, it is read twice (see `warehouse.scan`). One that is annotated `Table` reads
    the days of each partition apart, of a source's table. Any other is a `pl.DataFrame`.
    `dg.AssetIn(metadata={"columns": [...]})` leaves the other columns out of either frame.

    Of an event table and of an answer the partition's days are loaded; a snapshot table is loaded as it stands,
    one row per key ever seen.
    """

    database: DatabaseResource

    def load_input(self, context: dg.InputContext) -> pl.DataFrame | pl.LazyFrame | Table:
        """The rows of the wanted partitions.

        Raises:
            NotFoundError: `columns` names one that the table does not have.
        """
        timezone, kind = self.database.timezone, context.dagster_type.typing_type
        with retry_transient(context):
            url = self.database.open_warehouse()
            if kind is Table:
                return open_table(url, find_source(context.asset_key.path[-1]), timezone)
            rows = _select(context, _scan(context, url, timezone))
            return rows if kind is pl.LazyFrame else rows.collect()

    def handle_output(self, context: dg.OutputContext, obj: object) -> None:
        """Refuse: the tables belong to the platform, whose assets write them in their own bodies.

        Raises:
            WarehouseMismatchError: always, saying what to do.
        """
        raise WarehouseMismatchError(
            f"{context.asset_key.to_user_string()} cannot be stored by {WAREHOUSE_TABLES!r}, which only reads what the "
            f"platform wrote (it was given {type(obj).__name__}): give the asset an io_manager_key of its own."
        )


def _scan(context: dg.InputContext, url: str, timezone: str) -> pl.LazyFrame:
    layer, name = context.asset_key.path
    days = partition_days(context.asset_partition_keys)
    if layer == ANALYTICS:
        return scan_answer(url, name, find_answer(name).schema, days)
    return scan_source(url, find_source(name), timezone, days)


def _select(context: dg.InputContext, rows: pl.LazyFrame) -> pl.LazyFrame:
    """The columns that the input's metadata names; all of them where it names none."""
    known = rows.collect_schema().names()
    columns = (context.definition_metadata or {}).get("columns", known)
    if unknown := [name for name in columns if name not in known]:
        raise NotFoundError(
            f"{context.asset_key.to_user_string()} has no columns {unknown}; it has {', '.join(known)}."
        )
    return rows.select(columns)
