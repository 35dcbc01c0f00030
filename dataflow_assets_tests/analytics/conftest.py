from pathlib import Path

import polars as pl
import pytest

from dataflow_assets.lake.readers import read_file
from dataflow_assets.sources import Source, all_sources


@pytest.fixture(scope="session")
def reference_frames(reference_data: Path) -> dict[str, pl.DataFrame]:
    """The accepted rows of the reference data, by source; the frames have the columns of the schemas."""
    return {source.name: _accepted(reference_data, source) for source in all_sources()}


def _accepted(folder: Path, source: Source) -> pl.DataFrame:
    [path] = folder.glob(f"*/{source.name}{source.reader.suffix}")
    columns = source.schema.column_names()
    return pl.concat(batch.rows.select(columns) for batch in read_file(path, source).batches)
