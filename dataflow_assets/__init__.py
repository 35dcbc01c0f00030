"""DataFlow Assets: every file and every table a Dagster asset, by day, with nothing lost.

In a notebook `connect` is the way in: `dataflow_assets.connect().scan("streams").collect()`.

Nothing is imported before it is asked for, so that a small part (the database supervisor, say) starts without the rest.
"""

from typing import TYPE_CHECKING

from dataflow_assets.core.exports import load_on_demand
from dataflow_assets.core.garbage import look_seldom
from dataflow_assets.core.memory import prepare_polars

if TYPE_CHECKING:
    from dataflow_assets.notebook import connect

__all__ = ["connect"]

look_seldom()
prepare_polars()

__getattr__ = load_on_demand(__name__, {"connect": "notebook"})
