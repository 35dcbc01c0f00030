"""The tables that people query: rows of the lake brought into PostgreSQL, and read from there as frames.

>>> from dataflow_assets.settings import Settings
>>> from dataflow_assets.sources import find_source
>>> from dataflow_assets.warehouse import open_warehouse, run_query, scan_source
>>> url = open_warehouse(Settings(DATAFLOW_HOME="platform"))
>>> run_query(url, "SELECT count(*) AS movies FROM warehouse.movies").rows
[(0,)]
>>> streams = scan_source(url, find_source("streams"), timezone="UTC")
>>> streams.select("movie_title", "size_mb").collect().shape
(0, 2)
"""

from typing import TYPE_CHECKING

from dataflow_assets.core.exports import load_on_demand

if TYPE_CHECKING:
    from dataflow_assets.warehouse.bootstrap import open_warehouse
    from dataflow_assets.warehouse.query import run_query
    from dataflow_assets.warehouse.scan import read_tables, scan_answer, scan_source

__all__ = ["open_warehouse", "read_tables", "run_query", "scan_answer", "scan_source"]

__getattr__ = load_on_demand(
    __name__,
    {
        "open_warehouse": "bootstrap",
        "run_query": "query",
        "read_tables": "scan",
        "scan_answer": "scan",
        "scan_source": "scan",
    },
)
