"""What readers lean on: links lead somewhere, sentences are short, and every command is shown at work."""

import re
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import pytest
import typer

from dataflow_assets.cli import app
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
        assert command.startswith("$ dataflow ")
        assert lines, name
        assert max(map(len, lines)) <= 80, name
        assert not re.search(r"Traceback|\x1b", "\n".join(lines)), name
    assert len(recorded["demo"]) <= 40
