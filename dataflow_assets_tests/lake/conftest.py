"""The object stores that tests of the lake use, and the reference data with its known counts."""

from pathlib import Path
from typing import NamedTuple

import pytest

from dataflow_assets.sources import find_source
from dataflow_assets.sources.base import Source
from dataflow_assets_tests.landing.stores import local_storage, s3_storage, s3_url, storage

__all__ = ["local_storage", "s3_storage", "s3_url", "storage"]


class Reference(NamedTuple):
    """A source's file in the reference data, and how many of its rows are accepted and rejected."""

    source: Source
    file: Path
    accepted: int
    rejected: int


@pytest.fixture(
    params=[
        ("movies", 91, 0),
        ("users", 783, 0),
        ("streams", 9_652, 0),
        ("authors", 200, 1),
        ("books", 103, 0),
        ("reviews", 501, 0),
    ],
    ids=lambda known: known[0],
)
def reference(request: pytest.FixtureRequest, reference_data: Path) -> Reference:
    name, accepted, rejected = request.param
    source = find_source(name)
    (file,) = reference_data.glob(f"*/{name}{source.reader.suffix}")
    return Reference(source, file, accepted, rejected)
