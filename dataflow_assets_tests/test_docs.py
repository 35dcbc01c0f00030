"""What readers lean on: links lead somewhere, sentences are short, every command is shown at work, commands on pages
are ones that there are, and the code on them is run by a test.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import pytest
import typer

from dataflow_assets.analytics.questions import all_options
from dataflow_assets.cli import app
from dataflow_assets.core.environment import find_unknown_settings
from dataflow_assets_tests.conftest import REPOSITORY

DOCS = REPOSITORY / "docs"
PAGES = [
    path
    for path in [*REPOSITORY.glob("*.md"), *DOCS.rglob("*.md"), REPOSITORY / "benchmarks/README.md"]
    if "generated" not in path.parts and "_build" not in path.parts
]
PROSE = [page for page in PAGES if page.name != "CHANGELOG.md" and "benchmarks" not in page.parts]
RECORDINGS = DOCS / "reference/recordings"
MOST_WORDS = 15
_LINK = re.compile(r"\]\((?!https?:)(?P<path>[^)#\s]*)(?:#(?P<heading>[^)\s]*))?\)")


_CODE = re.compile(
    r"^ *```\w*\n(?P<fenced>.*?)^ *```|^ {4}(?P<indented>.+?)$|`(?P<inline>[^`]+)`", re.MULTILINE | re.DOTALL
)
_COMMAND = re.compile(r"(?:^ *|uv run |\$\(|; |&& |[A-Z_]+=\S+ )dataflow (?P<words>[a-z-][^\n|&;)#<>]*)", re.MULTILINE)
RUN_BY = {  # which test runs the code that a page shows
    "README.md": "test_readme.py",
    "docs/explanation/scale.md": "test_notebook.py",
    "docs/how-to/add-a-source.md": "test_readme.py",
    "docs/how-to/add-an-answer.md": "test_readme.py",
    "docs/how-to/collect-database.md": "collectors/test_pages.py",
    "docs/how-to/collect-ftp.md": "test_collect.py",
    "docs/how-to/collect-http.md": "collectors/test_pages.py",
    "docs/how-to/collect-kafka.md": "collectors/test_pages.py",
    "docs/how-to/collect-s3.md": "collectors/test_pages.py",
    "docs/how-to/collect-sftp.md": "test_collect.py",
    "docs/how-to/connect.md": "test_notebook.py",
    "docs/how-to/http-api.md": "serving/test_http_api_page.py",
    "docs/how-to/read-over-http.md": "serving/reading/test_how_to.py",
    "docs/how-to/write-a-collector.md": "test_collect.py",
    "docs/tutorial/first-answer.md": "test_tutorial.py",
}


def headings(page: Path) -> set[str]:
    """The anchors of a page, as GitHub and myst name them."""
    found = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", text.replace("`", "")).strip().lower().replace(" ", "-") for text in found}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_links_within_the_repository_lead_somewhere(page: Path) -> None:
    for link in _LINK.finditer(re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(), flags=re.DOTALL)):
        target = (page.parent / link["path"]).resolve() if link["path"] else page
        if "reference/generated" in target.as_posix():
            continue  # they are made at each build of the docs, which checks links to them
        assert target.exists(), f"{page}: {link[0]}"
        if link["heading"]:
            assert link["heading"] in headings(target), f"{page}: {link[0]}"


def commands_in(page: Path) -> Iterator[str]:
    """What pages show behind `dataflow`, a backslash at a line's end undone, and the marks of what may be left out."""
    text = page.read_text().replace("\\\n", " ").replace("\\|", "/")
    for block in _CODE.finditer(text):
        for command in _COMMAND.finditer(block["fenced"] or block["indented"] or block["inline"]):
            yield command["words"].replace("[", " ").replace("]", " ")


def test_variables_that_pages_name_like_settings_are_settings() -> None:
    named = {name for page in PROSE for name in re.findall(r"\bDATAFLOW_[A-Z_]*[A-Z]\b", page.read_text())}
    assert len(named) > 10
    assert list(find_unknown_settings(named)) == []


def test_commands_that_pages_show_are_ones_that_there_are() -> None:
    shown = [(page, command) for page in PAGES for command in commands_in(page)]
    assert len(shown) > 150
    for page, command in shown:
        found: Any = typer.main.get_command(app)
        words = command.partition(" -- ")[0].split()
        while inner := getattr(found, "commands", None):
            if not words or words[0].startswith("-"):
                break
            assert words[0] in inner, f"{page}: dataflow {command}"
            found = inner[words.pop(0)]
        options = {name for option in found.params for name in option.opts} | {"--help"}
        if found.name == "answers":  # which reads its options itself
            options |= {"--json", "--plot", *(f"--{option.name}" for option in all_options())}
        asked = {word.partition("=")[0] for word in words if word.startswith("--")}
        assert asked <= options, f"{page}: dataflow {command}"


def test_code_that_pages_show_is_run_by_a_test() -> None:
    with_code = {
        str(page.relative_to(REPOSITORY))
        for page in PAGES
        if re.search(r"^```(python|bash|sql)$", page.read_text(), re.MULTILINE)
    }
    assert with_code - RUN_BY.keys() == {"docs/how-to/kubernetes.md"}, "what it shows is for Airflow, which no test has"
    for page, test in RUN_BY.items():
        assert Path(page).name in (REPOSITORY / "dataflow_assets_tests" / test).read_text(), page


def sentences(text: str) -> Iterator[str]:
    """The sentences of a page's prose: no code, no tables, no headings."""
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    lines = [line for line in prose.splitlines() if not re.match(r"    |\||#|!\[|:::", line)]
    for paragraph in re.split(r"\n\s*\n|\n- |\n\d+\. ", "\n".join(lines)):
        for sentence in re.split(r"(?<=[.?!])\s+", paragraph.replace("\n", " ").strip()):
            if len(sentence.split()) > 2:
                yield sentence


def test_sentences_are_short() -> None:
    lengths = [len(sentence.split()) for page in PROSE for sentence in sentences(page.read_text())]
    assert len(lengths) > 500
    assert median(lengths) <= MOST_WORDS


def commands(command: Any, name: tuple[str, ...] = ()) -> Iterator[str]:
    """The names of all commands, as their recordings are named."""
    inner: dict[str, Any] | None = getattr(command, "commands", None)
    if inner is None:
        yield "-".join(name)
    else:
        for part, one in inner.items():
            yield from commands(one, (*name, part))


def test_every_command_is_recorded_in_a_terminal_of_80_columns() -> None:
    recorded = {path.stem: path.read_text().splitlines() for path in RECORDINGS.glob("*.txt")}
    assert set(commands(typer.main.get_command(app))) - recorded.keys() == set(), "python -m benchmarks.recordings"
    for name, (command, *lines) in recorded.items():
        assert re.match(r"\$ ([A-Z_]+=\S+ )?dataflow ", command)
        assert lines, name
        assert max(map(len, lines)) <= 80, name
        assert not re.search(r"Traceback|\x1b", "\n".join(lines)), name
    assert len(recorded["demo"]) <= 40
