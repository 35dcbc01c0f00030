"""The places in which the IO managers of these tests keep their tables."""

from pathlib import Path

import pytest

from dataflow_assets_tests.io_managers.delta.builders import Root, local_root, s3_root
from dataflow_assets_tests.landing.stores import s3_url

__all__ = ["s3_url"]


@pytest.fixture
def folder(tmp_path: Path) -> Root:
    """An empty folder."""
    return local_root(tmp_path)


@pytest.fixture(params=["folder", "s3"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Root:
    """Each kind of place in turn, empty."""
    return local_root(tmp_path) if request.param == "folder" else s3_root(request.getfixturevalue("s3_url"))
