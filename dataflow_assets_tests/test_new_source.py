"""`dataflow new source` as a user runs it, in a copy of the program that it may write to."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from dataflow_assets_tests.processes import environment_with
from dataflow_assets_tests.program_copy import copy_program
from dataflow_assets_tests.warm import run_dataflow

ROWS = "sku,name,qty\n" + "".join(f"S{number},x,{number}\n" for number in range(60))

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    copy = tmp_path / "program"
    copy_program(copy)
    (tmp_path / "prices.csv").write_text(ROWS)
    environment = environment_with(DATAFLOW_HOME=str(tmp_path / "home"), PYTHONPATH=str(copy))

    return lambda *arguments: run_dataflow(arguments, environment, tmp_path, copy)


def test_a_drafted_source_is_loaded(run: Run, tmp_path: Path) -> None:
    drafted = run("new", "source", "prices.csv")
    assert drafted.returncode == 0, drafted.stderr
    assert "prices: 60 rows: 60 would be accepted, 0 rejected." in drafted.stdout
    assert "the key (sku), likely" in drafted.stderr
    [load] = re.findall(r"`dataflow (load .*?)`", drafted.stderr)
    assert run("init-db").returncode == 0
    loaded = run(*load.split())
    assert loaded.returncode == 0, loaded.stderr
    asked = run("query", "--format", "csv", "-c", "SELECT count(*), sum(qty) FROM warehouse.prices")
    assert asked.stdout.splitlines()[-1] == "60,1770"
    again = run("new", "source", "prices.csv")
    assert (again.returncode, "There is something named 'prices' already" in again.stderr) == (2, True)


def test_a_draft_may_only_be_printed(run: Run, tmp_path: Path) -> None:
    before = sorted((tmp_path / "program").rglob("*.py"))
    printed = run("new", "source", "prices.csv", "--name", "offers", "--print")
    assert printed.returncode == 0, printed.stderr
    assert 'name="offers"' in printed.stdout
    assert sorted((tmp_path / "program").rglob("*.py")) == before
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("nothing.csv",), 1, "There is no file nothing.csv."),
        (("prices.csv", "--name", "2021"), 2, "A source cannot be named '2021'"),
        (("prices.csv", "--kind", "events"), 1, "it can hold no events"),
    ],
)
def test_what_cannot_be_drafted_is_said(run: Run, arguments: tuple[str, ...], code: int, sentence: str) -> None:
    done = run("new", "source", *arguments)
    assert done.returncode == code
    assert sentence in done.stderr
