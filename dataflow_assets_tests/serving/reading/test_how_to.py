"""What docs/how-to/read-over-http.md shows, done as it stands there."""

import itertools
import json
import os
import re
import shlex
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import httpx2
import polars as pl
import pytest

from dataflow_assets.postgres.connection import connect
from dataflow_assets.serving.api_keys import add_key
from dataflow_assets.warehouse.answers import load_answer
from dataflow_assets_tests.conftest import REPOSITORY
from dataflow_assets_tests.serving.reading.builders import load_rows, streams
from dataflow_assets_tests.serving.reading.conftest import Server
from dataflow_assets_tests.warehouse.builders import STREAMS

PAGE = (REPOSITORY / "docs/how-to/read-over-http.md").read_text()
DAY = date(2021, 12, 1)
_IS_OF_PANDAS = re.compile("^import pandas", re.MULTILINE).search


def blocks(language: str) -> list[str]:
    """The code of a language on the page, in its order."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


@pytest.fixture
def reader(live: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    """A platform with rows, and what the page takes from the environment."""
    load_rows(live.database, STREAMS, streams(1500, DAY))
    load_rows(live.database, STREAMS, streams(700, DAY - timedelta(days=1)))
    answer = pl.DataFrame({"day": [DAY], "sessions": [1], "average_session_seconds": [3600.0]})
    with connect(live.database) as connection:
        load_answer(connection, "average_session", "day", DAY, answer, {"streams": 1})
    with connect(live.database) as connection:
        key = add_key(connection, "analyst", None, datetime.now(UTC) + timedelta(days=1))
    monkeypatch.setenv("API_URL", live.url)
    monkeypatch.setenv("API_KEY", key)
    monkeypatch.chdir(tmp_path)
    return live


def run(command: str) -> str:
    done = subprocess.run(["bash", "-euc", command], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, f"{command}\n{done.stderr}"
    return done.stdout


@pytest.mark.usefixtures("reader")
def test_what_is_shown_of_curl(tmp_path: Path) -> None:
    latest, whole, changed = blocks("bash")
    rows = json.loads(run(latest))
    starts = [row["start_at"] for row in rows]
    assert (len(starts), starts) == (10, sorted(starts, reverse=True))
    run(whole)
    assert pl.read_csv(tmp_path / "streams.csv").height == 2200
    run(changed)
    first = (tmp_path / "streams.parquet").stat()
    assert pl.read_parquet(tmp_path / "streams.parquet").height == 2200
    run(changed)  # nothing has changed
    again = (tmp_path / "streams.parquet").stat()
    assert (again.st_mtime_ns, again.st_size) == (first.st_mtime_ns, first.st_size)


@pytest.mark.usefixtures("reader")
def test_what_is_shown_of_pandas(tmp_path: Path) -> None:
    """In an environment of its own: in ours each process that imports PyArrow would import pandas as well."""
    [code] = filter(_IS_OF_PANDAS, blocks("python"))
    (tmp_path / "shown.py").write_text(f"import os\n{code}")
    python = shlex.quote(sys.executable)
    assert run(f"uv run --quiet --no-project --python {python} --with 'pandas==3.1.1' shown.py") == "0\n"


@pytest.mark.usefixtures("reader")
def test_what_is_shown_in_python(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, object] = {}
    printed = []
    for code in itertools.filterfalse(_IS_OF_PANDAS, blocks("python")):
        exec(compile(code, "read-over-http.md", "exec"), names)
        printed.append(capsys.readouterr().out)
    assert "movie_title" in printed[0]
    assert "3600.0" in printed[1]
    assert "count_star()" in printed[-2]
    assert printed[-1] == "2200\n"
    assert os.environ["API_KEY"] not in "".join(printed)


def test_the_request_that_excel_makes_is_answered(reader: Server) -> None:
    [text] = blocks("text")
    [path] = re.findall(r'RelativePath = "(.*?)"', text)
    [form] = re.findall(r'format = "(.*?)"', text)
    [header] = re.findall(r'#"(.*?)" = "…"', text)
    headers = {header: os.environ["API_KEY"]}
    answer = httpx2.get(f"{reader.url}{path}", params={"format": form}, headers=headers, timeout=300)
    columns = answer.text.splitlines()[0].split(",")
    assert set(re.findall(r'\{"(.*?)", type', text)) <= set(columns)
