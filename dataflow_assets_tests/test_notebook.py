"""`dataflow_assets.connect()` in the kernel of a notebook, and without one."""

import os
import re
from datetime import date
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

import dataflow_assets
from dataflow_assets.errors import NotFoundError
from dataflow_assets.landing.storage import open_storage
from dataflow_assets.settings import Settings
from dataflow_assets.sources import find_source
from dataflow_assets_tests.conftest import REPOSITORY
from dataflow_assets_tests.landing.stores import land
from dataflow_assets_tests.loading import take_and_load
from dataflow_assets_tests.orchestration.builders import session, streams_csv
from dataflow_assets_tests.warehouse.builders import ask


def shown_on(page: str) -> str:
    """The code of a page, with the environment's platform; a semicolon keeps a notebook from showing the last value."""
    [code] = re.findall(r"```python\n(.*?)```", (REPOSITORY / "docs" / page).read_text(), re.DOTALL)
    return str(code).replace('"/path/to/.dataflow"', "").rstrip() + ";"


CELLS = [
    shown_on("explanation/scale.md"),
    shown_on("how-to/connect.md"),
    "print(platform.scan('streams').filter(pl.col('movie_title') == 'Heat').select('user_email').collect().rows())",
    "print(platform.answer('engaged_users').collect().rows())",
    "print(platform.lake('streams').select('object', 'position').collect().rows())",
    "platform.scan('strems')",
]


@pytest.fixture
def loaded(settings: Settings) -> Settings:
    """Settings whose platform has two sessions, and an answer."""
    source, storage = find_source("streams"), open_storage(settings)
    text = streams_csv(session("2021-12-05T10:00", movie="Heat"), session("2021-12-06T10:00", movie="Rust"))
    take_and_load(lambda _: None, settings, "streams", land(storage, source, "a.csv", text, date(2021, 12, 31)).object)
    assert settings.database_url
    ask(settings.database_url.get_secret_value(), "INSERT INTO analytics.engaged_users VALUES ('2021-12-05', 1)")
    return settings


def test_a_kernel_reads_tables_answers_and_the_lake(loaded: Settings, tmp_path: Path) -> None:
    cells = [nbformat.v4.new_code_cell(cell) for cell in CELLS]  # type: ignore[no-untyped-call]
    notebook = nbformat.v4.new_notebook(cells=cells)  # type: ignore[no-untyped-call]
    client = NotebookClient(
        notebook, timeout=300, startup_timeout=300, allow_errors=True, resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute(env=dict(os.environ))
    *shown, failed = [output for cell in notebook.cells for output in cell.outputs]
    assert [output.text.strip() for output in shown] == [
        "[('a@b.example',)]",
        "[(datetime.date(2021, 12, 5), 1)]",
        "[('landing/streams/2021-12-31/a.csv', 0), ('landing/streams/2021-12-31/a.csv', 1)]",
    ]
    assert failed.ename == "NotFoundError"
    assert failed.evalue.endswith("Is 'streams' meant?")


def test_a_folder_without_a_platform_gets_none(clean_environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"There is no platform in .*elsewhere"):
        dataflow_assets.connect(tmp_path / "elsewhere")
    assert not (tmp_path / "elsewhere").exists()
