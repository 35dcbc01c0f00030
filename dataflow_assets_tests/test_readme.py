"""What README and the pages of docs tell a reader to do, done as it stands there, in a copy of the repository."""

import re
import runpy
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from dataflow_assets.analytics.base import compute_partition
from dataflow_assets.analytics.sql_file import read_sql_answer
from dataflow_assets_tests.conftest import REPOSITORY
from dataflow_assets_tests.processes import environment_with, processes_of
from dataflow_assets_tests.program_copy import copy_program
from dataflow_assets_tests.warm import run_dataflow

README = REPOSITORY / "README.md"
SOURCES = REPOSITORY / "docs/how-to/add-a-source.md"
ANSWERS = REPOSITORY / "docs/how-to/add-an-answer.md"
COPIED = ("pyproject.toml", "README.md", "workspace.yaml")
YESTERDAY = datetime.now(UTC).date() - timedelta(days=1)  # the partitions of a demo's home begin a month ago
PAYMENT = (
    f"reference,user_email,cents,paid_at,settled_at\np-1,a@b.example,950,{YESTERDAY}T10:00:00Z,{YESTERDAY}T11:00:00Z\n"
)


@dataclass(frozen=True)
class Copy:
    """A copy of the repository with a home of its own, in which commands are run as README writes them."""

    folder: Path

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        name, *arguments = shlex.split(command.removeprefix("uv run "))
        environment = environment_with(DATAFLOW_HOME=str(self.folder / "home"), PYTHONPATH=str(self.folder))
        if name == "dataflow":
            done = run_dataflow(arguments, environment, self.folder, self.folder)
        else:
            program = [str(Path(sys.executable).parent / name), *arguments]
            done = subprocess.run(
                program, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=300, check=False
            )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done


@pytest.fixture
def copy(tmp_path: Path) -> Iterator[Copy]:
    folder = tmp_path / "copy"
    copy_program(folder)
    for name in COPIED:
        shutil.copy(REPOSITORY / name, folder)
    yield Copy(folder)
    assert processes_of(folder) == {}


def section(page: Path, title: str) -> str:
    """The text of a page below a title."""
    return page.read_text().split(f"\n## {title}\n")[1].split("\n## ")[0]


def test_a_new_source_is_one_file_and_a_generated_migration(copy: Copy) -> None:
    text = section(README, "Add a source")
    [place] = re.findall(r"`(dataflow_assets/sources/\w+\.py)`", text)
    [code] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    commands = re.findall(r"^    (uv run .*)$", text.split("Its migration is generated")[1], re.MULTILINE)
    assert [command.split()[2] for command in commands] == ["dataflow", "alembic", "dataflow"]

    (copy.folder / place).write_text(code)
    for command in commands:
        copy.run(command)
    demonstrated = copy.run("uv run dataflow demo")
    assert "There is no file payments.csv in " in demonstrated.stderr
    count = "uv run dataflow query --format csv -c 'SELECT count(*) FROM warehouse.payments'"
    assert copy.run(count).stdout == "count\n0\n"

    (copy.folder / "payments.csv").write_text(PAYMENT)
    copy.run("uv run dataflow load --model payment --collector csv --config payments.csv")
    assert copy.run(count).stdout == "count\n1\n"


def test_a_source_of_changes_is_one_file_and_a_generated_migration(copy: Copy) -> None:
    text = section(SOURCES, "Add a source of changes")
    [place] = re.findall(r"`(dataflow_assets/sources/\w+\.py)`", text)
    [code] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (copy.folder / place).write_text(code)
    for command in ("dataflow init-db", "alembic revision --autogenerate -m refunds", "dataflow init-db"):
        copy.run(f"uv run {command}")
    deliveries = {
        "2021-12-03": "3,30,I,2021-12-03T10:00:00Z\n1,,D,2021-12-03T11:00:00Z\n",
        "2021-12-01": "1,10,I,2021-12-01T10:00:00Z\n2,20,I,2021-12-01T10:00:00Z\n",
        "2021-12-02": "1,15,U,2021-12-02T10:00:00Z\n2,20,U,2021-12-02T10:00:00Z\n",
    }
    for day, rows in deliveries.items():
        (copy.folder / "refunds.csv").write_text(f"number,cents,code,changed_at\n{rows}")
        copy.run(f"uv run dataflow load --model refund --collector csv --config refunds.csv --delivered {day}")
    ask = "uv run dataflow query --format csv -c 'SELECT number, cents, {} ORDER BY 1, 3'"
    latest = copy.run(ask.format("deleted_at::date FROM warehouse.refunds")).stdout.splitlines()
    assert latest[1:] == ["1,15,2021-12-03", "2,20,", "3,30,"]
    history = copy.run(ask.format("valid_from::date, valid_to::date FROM warehouse.refunds_history"))
    assert history.stdout.splitlines()[1:] == [
        "1,10,2021-12-01,2021-12-02",
        "1,15,2021-12-02,2021-12-03",
        "2,20,2021-12-01,",
        "3,30,2021-12-03,",
    ]


def test_an_answer_in_sql_is_one_file(tmp_path: Path) -> None:
    text = ANSWERS.read_text()
    [name] = re.findall(r"`(\w+\.sql)`", text)
    [code] = re.findall(r"```sql\n(.*?)```", text, re.DOTALL)
    (tmp_path / name).write_text(code)
    assert read_sql_answer(tmp_path / name).schema.column_names() == ["day", "movie_title", "sessions"]


def test_an_answer_in_python_is_one_file(tmp_path: Path) -> None:
    text = ANSWERS.read_text()
    [name] = re.findall(r"`(longest\w+\.py)`", text)
    [code] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (tmp_path / name).write_text(code)
    answer = runpy.run_path(str(tmp_path / name))["ANSWER"]
    hours = {5: 1.0, 6: 3.0}
    frame = pl.LazyFrame(
        {"start_at": start, "end_at": start + timedelta(hours=length)}
        for day, length in hours.items()
        for start in [datetime(2021, 12, day, 10, tzinfo=UTC)]
    )
    days = {day: date(2021, 12, day) for day in (5, 6, 7)}
    made = {day: compute_partition(answer, {"streams": frame}, days[day], "UTC").collect().rows() for day in days}
    assert made == {5: [(days[5], 1.0)], 6: [(days[6], 3.0)], 7: []}
