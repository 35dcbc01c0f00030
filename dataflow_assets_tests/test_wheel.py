"""The platform as a wheel, in an environment of its own outside the repository, used from an empty folder."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dataflow_assets.settings import variable_names
from dataflow_assets_tests.conftest import REPOSITORY
from dataflow_assets_tests.live_platform import up
from dataflow_assets_tests.processes import processes_of

_EXPORT = ("export", "--frozen", "--no-dev", "--no-emit-project", "--no-hashes", "--no-annotate", "--quiet")


def uv(*arguments: str | Path, folder: Path = REPOSITORY) -> None:
    program = shutil.which("uv")
    assert program, "uv builds the wheel: install it"
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    command = [program, *arguments]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the programs of an environment that has the wheel, and the versions of uv.lock."""
    folder = tmp_path_factory.mktemp("wheel")
    uv("build", "--wheel", "--quiet", "--out-dir", folder)
    [wheel] = folder.glob("*.whl")
    uv("venv", "--quiet", "--python", sys.executable, folder / "venv")
    uv(*_EXPORT, "--output-file", folder / "requirements.txt")
    python = folder / "venv/bin/python"
    uv("pip", "install", "--quiet", "--python", python, "-r", folder / "requirements.txt", wheel, folder=folder)
    return python.parent


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, and an environment without settings and without this checkout."""
    for name in (*variable_names(), "PYTHONPATH", "VIRTUAL_ENV"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def dataflow(programs: Path, *arguments: str, **variables: str) -> str:
    """What a command prints that runs in the present folder."""
    done = subprocess.run(
        [programs / "dataflow", *arguments],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=400,  # the first command compiles every package
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_demo_up_and_query_work_in_an_empty_folder(installed: Path, empty: Path) -> None:
    place = "import dataflow_assets; print(dataflow_assets.__path__[0])"
    where = subprocess.run([installed / "python", "-c", place], capture_output=True, text=True, check=True).stdout
    assert str(installed.parent) in where, "this is not the wheel"
    assert "Unforgiven" in dataflow(installed, "demo")
    count = dataflow(installed, "query", "-c", "SELECT count(*) FROM warehouse.streams", "--format", "csv")
    assert count == "count\n9900\n"
    assert "export DAGSTER_HOME=" in dataflow(installed, "env")
    with up(empty, installed / "dataflow"):
        pass
    assert [path.name for path in empty.iterdir() if path.name != "stderr"] == [".dataflow"]
    assert processes_of(empty) == {}


def test_init_db_and_load_work_on_a_database_elsewhere(installed: Path, empty: Path, empty_database_url: str) -> None:
    movies = empty / "movies.csv"
    movies.write_text("title,duration_mins,original_language,size_mb\nRust,90,,1\n")
    elsewhere = {"DATABASE_URL": empty_database_url}
    dataflow(installed, "init-db", **elsewhere)
    dataflow(installed, "load", "--model", "movie", "--collector", "csv", "--config", "movies.csv", **elsewhere)
    titles = dataflow(installed, "query", "-c", "SELECT title FROM warehouse.movies", "--format", "csv", **elsewhere)
    assert titles == "title\nRust\n"
