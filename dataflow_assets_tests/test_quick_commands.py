"""A short command imports only what it needs, and prints what the server says."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from alembic.script import ScriptDirectory

from dataflow_assets.cli.results import Format, print_query
from dataflow_assets.postgres import revisions
from dataflow_assets.postgres.migrate import configuration
from dataflow_assets.postgres.revisions import newest_revision
from dataflow_assets.settings import Settings
from dataflow_assets.warehouse.bootstrap import open_warehouse

_LARGE = ("adbc_driver_postgresql", "alembic", "dagster", "deltalake", "numpy", "polars", "pyarrow", "sqlalchemy")
_COUNT = """
import json, sys
from dataflow_assets.cli import app
app(sys.argv[1:], standalone_mode=False)
print(json.dumps(sorted(sys.modules)))
"""


@pytest.mark.parametrize("command", [("--help",), ("query", "-c", "SELECT 1"), ("url",)])
def test_a_short_command_imports_nothing_large(settings: Settings, command: tuple[str, ...]) -> None:
    open_warehouse(settings)
    done = subprocess.run([sys.executable, "-c", _COUNT, *command], capture_output=True, text=True, check=True)
    assert sorted(set(_LARGE) & set(json.loads(done.stdout.splitlines()[-1]))) == []


def test_the_newest_revision_is_the_one_that_alembic_finds() -> None:
    assert newest_revision() == ScriptDirectory.from_config(configuration()).get_current_head()


def test_two_newest_revisions_are_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(revisions, "_VERSIONS", tmp_path)
    (tmp_path / "0001_first.py").write_text('revision = "0001"\ndown_revision = None\n')
    (tmp_path / "0002_second.py").write_text("revision: str = '0002'\ndown_revision: str = '0001'\n")
    assert newest_revision() == "0002"
    (tmp_path / "0003_other.py").write_text('revision = "0003"\ndown_revision = "0001"\n')
    assert newest_revision() is None
    (tmp_path / "0004_both.py").write_text('revision = "0004"\ndown_revision = ("0002", "0003")\n')
    assert newest_revision() == "0004"


@pytest.mark.parametrize(
    ("statement", "cells"),
    [
        ("SELECT NULL AS only", ["only"]),
        ("SELECT 1 AS a, NULL AS b, true AS c", ["a", "b", "c", "1", "t"]),
        ("SELECT 'one\ntwo' AS lines, repeat('x', 200000) AS long", ["lines", "long", "one", "two"]),
        ("SELECT ARRAY[[1,2],[3,4]] AS grid, ROW(1, 'x') AS row", ["grid", "row", "{{1,2},{3,4}}", "(1,x)"]),
        ("SHOW server_encoding", ["server_encoding", "UTF8"]),
    ],
)
def test_a_table_shows_every_value(
    server: str, capsys: pytest.CaptureFixture[str], statement: str, cells: list[str]
) -> None:
    print_query(server, statement, Format.TABLE, 60, for_spreadsheet=False)
    out = capsys.readouterr().out
    assert [cell for cell in cells if cell not in out] == []
    assert out.endswith("(1 row)\n")


def test_a_document_with_lines_of_its_own_is_printed_as_json(server: str, capfdbinary: Any) -> None:
    statement = r"""SELECT E'{\r\n\t"a": "\\n\u200b"}'::json AS document"""
    print_query(server, statement, Format.JSON, 60, for_spreadsheet=False)
    sys.stdout.flush()
    assert json.loads(capfdbinary.readouterr().out) == [{"document": {"a": "\n\u200b"}}]


@pytest.mark.parametrize("for_spreadsheet", [False, True])
def test_bytes_are_those_that_the_server_writes(server: str, capfdbinary: Any, for_spreadsheet: bool) -> None:
    print_query(server, r"SELECT '\x00ff'::bytea AS b", Format.CSV, 60, for_spreadsheet=for_spreadsheet)
    sys.stdout.flush()
    assert capfdbinary.readouterr().out == b"b\n\\x00ff\n"


def test_a_long_table_is_printed_in_parts(server: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_query(server, "SELECT generate_series(1, 2500) AS number", Format.TABLE, 60, for_spreadsheet=False)
    out = capsys.readouterr().out
    assert out.count("number") == 3
    assert out.endswith("(2,500 rows)\n")
    print_query(server, "SELECT 1 AS number WHERE false", Format.TABLE, 60, for_spreadsheet=False)
    assert capsys.readouterr().out.endswith("(0 rows)\n")
