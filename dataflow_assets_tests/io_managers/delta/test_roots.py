"""Where the tables are: folders, and buckets whose options come from the manager or from the environment."""

from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from dataflow_assets.io_managers import DeltaIOManager
from dataflow_assets_tests.io_managers.delta.builders import Root, Runs, failure, s3_root

ROWS = pl.DataFrame({"value": [1]})


def test_options_of_s3_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch, s3_url: str) -> None:
    root = s3_root(s3_url)
    for name, value in root.options.items():
        monkeypatch.setenv(name.upper(), value)
    runs = Runs(DeltaIOManager(root=root.root))
    runs.store(ROWS)
    assert runs.load().equals(ROWS)


def test_an_option_may_name_a_variable_that_holds_a_secret(monkeypatch: pytest.MonkeyPatch, s3_url: str) -> None:
    root = s3_root(s3_url)
    monkeypatch.setenv("SECRET_OF_THE_TEST", root.options["aws_secret_access_key"])
    options = {**root.options, "AWS_SECRET_ACCESS_KEY": dg.EnvVar("SECRET_OF_THE_TEST")}
    del options["aws_secret_access_key"]
    runs = Runs(DeltaIOManager(root=root.root, storage_options=options))
    runs.store(ROWS)
    assert runs.load().equals(ROWS)


def test_a_relative_folder_is_made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    runs = Runs(DeltaIOManager(root="tables"))
    runs.store(ROWS)
    assert (tmp_path / "tables/some/numbers/_delta_log").is_dir()
    assert runs.load().equals(ROWS)


@pytest.mark.parametrize("root", ["gs://bucket/tables", "s3://"])
def test_another_kind_of_store_is_refused_with_those_that_are_known(root: str) -> None:
    said = failure(Runs(Root(root).manager()).store(ROWS, is_error=True))
    assert f"{root} is no place for tables: name a folder, or s3://bucket/prefix." in said
