"""A process of ours looks for garbage seldom, unless it has been told how often, and not at all when it ends."""

import gc
import subprocess
import sys
from collections.abc import Iterator

import pytest

from dataflow_assets.core.garbage import look_seldom


@pytest.fixture(autouse=True)
def thresholds() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


def test_python_looks_less_often_than_by_itself() -> None:
    gc.set_threshold(700, 10, 10)
    look_seldom()
    assert gc.get_threshold() == (10_000, 20, 10)


@pytest.mark.parametrize("own", [(0, 10, 10), (10_000, 5, 5), (50_000, 1, 1)])
def test_who_looks_as_seldom_or_never_goes_on_so(own: tuple[int, int, int]) -> None:
    gc.set_threshold(*own)
    look_seldom()
    assert gc.get_threshold() == own


_COMMAND = """
import atexit, gc, sys
from dataflow_assets.cli import main
sys.argv = ["dataflow", *sys.argv[1:]]
atexit.register(lambda: print(len(gc.get_objects())))
main()
"""


_IMPORTS_DAGSTER = ["backfill", "--asset", "nothing", "--from", "2024-01-01", "--to", "2024-01-02"]


@pytest.mark.parametrize("arguments", [["--version"], ["no-such-command"], _IMPORTS_DAGSTER])
def test_a_command_ends_without_a_look_at_all_that_it_imported(arguments: list[str]) -> None:
    ended = subprocess.run([sys.executable, "-c", _COMMAND, *arguments], capture_output=True, text=True, check=False)
    to_look_at = int(ended.stdout.splitlines()[-1])
    assert to_look_at < 1_000, ended.stderr
