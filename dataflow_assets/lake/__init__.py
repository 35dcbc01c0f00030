r"""Bytes to typed rows: readers, validation, and the Delta tables that hold the result.

`ingest` takes a landed object into the lake; the rows of a source are a lazy frame, its rejects are records:

    >>> from datetime import date
    >>> from pathlib import Path
    >>> from dataflow_assets.lake import read_rejects, rows_table
    >>> from dataflow_assets.lake.ingest import ingest
    >>> from dataflow_assets.landing import Landing, open_storage
    >>> from dataflow_assets.settings import Settings
    >>> from dataflow_assets.sources import find_source
    >>> storage, movies = open_storage(Settings(DATAFLOW_HOME="platform")), find_source("movies")
    >>> rows = "title,duration_mins,original_language,size_mb\nRust,90,en,700\nHeat,long,en,900\n"
    >>> _ = Path("two.csv").write_text(rows)
    >>> delivery = Landing(storage).put("movies", date(2021, 12, 6), Path("two.csv"))
    >>> intake = ingest(storage, movies, delivery.object, "UTC", first_day=date(2021, 11, 1))
    >>> intake.accepted, intake.rejected
    (1, 1)
    >>> rows_table(storage, movies).scan().select("title", "duration_mins").collect().rows()
    [('Rust', 90)]
    >>> [(reject["line"], reject["raw"]) for reject in read_rejects(storage, "movies")]
    [(3, 'Heat,long,en,900')]
"""

from typing import TYPE_CHECKING

from dataflow_assets.core.exports import load_on_demand

if TYPE_CHECKING:
    from dataflow_assets.lake.delta.table import LakeTable, read_rejects, rejects_table, rows_table

__all__ = ["LakeTable", "read_rejects", "rejects_table", "rows_table"]

__getattr__ = load_on_demand(__name__, dict.fromkeys(__all__, "delta.table"))
