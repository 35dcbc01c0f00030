"""A disk that is full while something is collected: that is said, nothing lands in part, and later everything does."""

import random
import tempfile
from pathlib import Path

import pytest

from benchmarks.collect_places import PLACES, source_from
from dataflow_assets.core.files import DiskFullError, explain_full_disk
from dataflow_assets.landing.storage import open_folder
from dataflow_assets_tests.collectors.builders import Platform
from dataflow_assets_tests.faults.small_disk import small_disk


@pytest.mark.parametrize("full", ["landing", "temporary"])
@pytest.mark.parametrize("kind", PLACES)
def test_what_found_the_disk_full_is_collected_once_there_is_space(
    kind: str, full: str, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = {"landing": tmp_path, "temporary": tmp_path / "full"}[full]
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    with (
        PLACES[kind](tmp_path / "remote", database_url) as place,
        small_disk(tmp_path / "full", 40) as disk,
    ):
        for name, value in place.secrets.items():
            monkeypatch.setenv(name, value)
        place.change(1, random.Random(0))
        platform = Platform(open_folder(disk.folder if full == "landing" else tmp_path / "home"), database_url)
        source = source_from(place.origin)
        with disk.filled(left=0), pytest.raises(DiskFullError), explain_full_disk():
            platform.collect(source)
        assert list(place.faults(platform.landed(source), is_whole=False)) == []
        report = platform.collect(source)
        assert (report.error, report.failed) == (None, {})
        assert list(place.faults(platform.landed(source), is_whole=True)) == []
        assert [path for path in disk.folder.rglob("*") if path.is_file() and not path.suffix] == []
