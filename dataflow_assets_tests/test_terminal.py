"""What a person sees of the commands, in a terminal of 80 and of 120 columns, and what a program gets.

The pictures are `docs/reference/terminal/*.txt`; with `UPDATE_PICTURES=1` in the environment this file makes them anew.
"""

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest

from dataflow_assets.postgres import embedded
from dataflow_assets.sample_data import write_sample
from dataflow_assets.settings import variable_names
from dataflow_assets_tests.conftest import REPOSITORY
from dataflow_assets_tests.terminal import Seen, run_in_terminal
from dataflow_assets_tests.warm import run_dataflow

PICTURES = REPOSITORY / "docs/reference/terminal"
WIDE = "SELECT * FROM warehouse.streams ORDER BY start_at, id LIMIT 1"


@dataclass(frozen=True)
class Home:
    """A home in which the demo ran on a sample whose days never change."""

    folder: Path
    environment: dict[str, str]
    demo: Seen

    def show(self, *arguments: str, columns: int = 80, **variables: str) -> Seen:
        """What stands in a terminal after a command."""
        return run_in_terminal(arguments, columns, self.environment | variables)

    def pipe(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """What a program gets from a command."""
        return run_dataflow(arguments, self.environment)


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    """In a folder whose name is short: lines of 80 columns hold it."""
    dropped = {*variable_names(), "COLUMNS", "NO_COLOR", "FORCE_COLOR"}
    environment = {name: value for name, value in os.environ.items() if name not in dropped}
    with tempfile.TemporaryDirectory(prefix="") as name:
        folder = Path(name)
        folder.chmod(0o755)
        write_sample(folder / "files", last_day=date(2021, 12, 31))
        environment |= {"DATAFLOW_HOME": str(folder / "home"), "TERM": "xterm-256color"}
        demo = run_in_terminal(["demo", "--data", str(folder / "files")], 80, environment)
        with embedded.acquire(folder / "home"):  # the commands that follow share a server
            yield Home(folder, environment, demo)


def require_picture(name: str, seen: Seen, home: Home) -> None:
    """Check that a terminal holds what the picture shows; folders, run ids and moments are of this test alone."""
    text = seen.text.replace(str(home.folder), "…")
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "00000000-0000-0000-0000-000000000000", text)
    picture = PICTURES / f"{name}.txt"
    if os.environ.get("UPDATE_PICTURES"):
        picture.parent.mkdir(parents=True, exist_ok=True)
        picture.write_text(text)
    assert text == picture.read_text(), f"{picture} shows something else"


def test_the_demo_fits_a_screen(home: Home) -> None:
    assert home.demo.code == 0
    assert len(home.demo.lines) <= 40
    assert max(map(len, home.demo.lines)) <= 80
    assert "{" not in home.demo.text, "no log is among it"
    require_picture("demo", home.demo, home)


def test_what_the_runs_log_is_in_the_file_that_is_named(home: Home) -> None:
    lines = [json.loads(line) for line in (home.folder / "home/logs/demo.log").read_text().splitlines()]
    assert {line["logger"] for line in lines} == {"dagster.run"}
    assert any("lake/streams 2021-12-31" in line["event"] for line in lines)


def test_a_row_that_is_too_wide_is_shown_as_a_record(home: Home) -> None:
    seen = home.show("query", "-c", WIDE)
    assert seen.lines[0] == "-[ record 1 ]-"
    assert seen.lines[-1] == "(1 row)"
    require_picture("query", seen, home)


def test_a_table_that_fits_is_one(home: Home) -> None:
    statement = "SELECT day, users FROM analytics.engaged_users ORDER BY day LIMIT 3"
    require_picture("query_table", home.show("query", "-c", statement), home)
    require_picture("query_wide", home.show("query", "-c", WIDE, columns=200), home)


def test_nothing_is_cut_in_a_pipe(home: Home) -> None:
    printed = home.pipe("query", "-c", WIDE).stdout
    [row] = json.loads(home.pipe("query", "-c", WIDE, "--format", "json").stdout)
    header, values = (line for line in printed.splitlines() if line[:1] in "┃│")
    assert [cell.strip() for cell in header.strip("┃").split("┃")] == list(row)
    assert row["user_email"] in values
    assert row["id"] in values


LOOKS = (  # commands that change nothing
    *(["rejects"], ["deliveries"], ["doctor"], ["--help"], ["load", "--help"], ["query", "-c", WIDE]),
    *(["explain", "--source", "movies", "--key", "Unforgiven"], ["rejects", "--source", "strems"]),
)
_COLOUR = re.compile(r"\x1b\[[0-9;]*3\d")
_STEERS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.mark.parametrize("look", LOOKS, ids=" ".join)
def test_what_is_shown_fits_the_terminal_and_has_colours_where_they_are_wanted(home: Home, look: list[str]) -> None:
    narrow, wide = home.show(*look), home.show(*look, columns=120, NO_COLOR="1")
    for seen, columns in ((narrow, 80), (wide, 120)):
        written = _STEERS.sub("", seen.raw).splitlines()
        assert max(map(len, written)) <= columns, "the terminal folds it, within a word"
    assert not _COLOUR.search(wide.raw)
    piped = home.pipe(*look)
    assert "\x1b" not in piped.stdout + piped.stderr
    assert narrow.code == wide.code == piped.returncode


def test_a_terminal_gets_bold_headers_unless_it_is_dumb(home: Home) -> None:
    assert "\x1b[1m" in home.show("query", "-c", "SELECT 1 AS one").raw
    assert "\x1b[" not in home.show("query", "-c", "SELECT 1 AS one", NO_COLOR="1", TERM="dumb").raw


def test_load_says_what_was_rejected_and_why(home: Home) -> None:
    movies = home.folder / "movies.csv"
    movies.write_text("title,duration_mins,original_language,size_mb\nRust,90,,1\n,90,,1\nHeat,long,,1\n")
    load = ["load", "--model", "movie", "--collector", "csv", "--config", str(movies), "--delivered", "2021-12-01"]
    seen = home.show(*load)
    assert seen.code == 0
    require_picture("load", seen, home)


def test_a_typo_is_answered_by_what_was_meant(home: Home) -> None:
    assert "Did you mean 'doctor'?" in home.show("doktor").text
    assert "Is 'streams' meant?" in " ".join(home.show("rejects", "--source", "strems").lines)
    assert home.show("--version").text.startswith("dataflow 0.")


def test_help_has_groups_and_a_line_for_each_command(home: Home) -> None:
    lines = home.show("--help").lines
    assert [line for line in lines if line.startswith("│    ")] == []
    assert [line.split()[1] for line in lines if line.startswith("╭")] == ["Options", "Start", "Take", "Ask", "Operate"]


def test_psql_opens_as_the_reader_at_the_address_that_url_prints(home: Home) -> None:
    assert home.pipe("url", "--role", "reader").stdout.startswith("postgresql://dataflow_reader:")
    ask = ["-c", "SELECT current_user, count(*) FROM warehouse.streams", "-c", "DELETE FROM warehouse.streams"]
    asked = home.pipe("psql", "--role", "reader", "--", "-X", "--no-align", "--tuples-only", *ask)
    assert asked.stdout == "dataflow_reader|9900\n"
    assert asked.returncode == 1
    assert "permission denied" in asked.stderr


def test_the_answers_are_drawn_in_the_terminal_and_on_a_page(home: Home) -> None:
    drawn = home.show("answers", "--plot")
    assert drawn.code == 0
    assert max(map(len, drawn.lines)) <= 80
    assert "█" in drawn.text
    page = home.folder / "answers.html"
    assert home.pipe("report", "--out", str(page)).returncode == 0
    assert "<svg" in page.read_text()
    missing = home.pipe("report", "--out", str(home.folder / "nowhere/answers.html"))
    assert missing.returncode == 1
    assert "There is no folder" in missing.stderr
