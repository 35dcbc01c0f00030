"""Nobody else may read or write what the platform keeps in its home, whatever the umask of who runs it."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from dataflow_assets.postgres.embedded.files import Files
from dataflow_assets_tests.orchestration.builders import movies_csv
from dataflow_assets_tests.processes import environment_with

DATAFLOW = Path(sys.executable).with_name("dataflow")


def run(home: Path, umask: int, *arguments: str | Path) -> None:
    environment = environment_with(DATAFLOW_HOME=str(home))
    done = subprocess.run(
        [DATAFLOW, *arguments], env=environment, umask=umask, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.mark.parametrize("umask", [0o000, 0o077])  # what lies between opens no more than the first
def test_a_home_and_all_in_it_is_nobody_elses(tmp_path: Path, umask: int) -> None:
    home, file = tmp_path / "up" / "home", tmp_path / "movies.csv"
    file.write_text(movies_csv("Rust"))
    run(home, umask, "load", "--model", "movies", "--collector", "csv", "--config", file)
    assert mode(home) == 0o700
    paths = [path for path in home.rglob("*") if Files.below(home).cluster not in path.parents]
    assert {"landing", "lake", "dagster", "postgres"} <= {path.name for path in paths}
    open_to_others = {str(path.relative_to(home)): oct(mode(path)) for path in paths if mode(path) & 0o077}
    # PostgreSQL's own user enters its cluster by a descriptor, and reads the configuration that lies there.
    assert open_to_others.keys() <= {"postgres/cluster", "postgres/programs"}
    assert mode(Files.below(home).folder) == 0o700
    assert mode(Files.below(home).cluster / "password") == 0o600


def test_what_a_user_asks_for_has_the_users_permissions(tmp_path: Path) -> None:
    run(tmp_path / "home", 0o022, "sample", "--out", tmp_path / "sample")
    files = [path for path in (tmp_path / "sample").rglob("*") if path.is_file()]
    assert {mode(path) for path in files} == {0o644}
