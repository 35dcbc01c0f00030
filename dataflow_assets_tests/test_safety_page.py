"""Each promise of the page on safety names a test that is there."""

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs" / "explanation" / "safety.md"


def test_every_promise_names_a_test_that_is_there() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| ") and not line.endswith("| test |")]
    named = [re.fullmatch(r"`(.+)::(\w+)`", row.split("|")[-2].strip()) for row in rows]
    assert len(named) > 20
    assert [row for row, name in zip(rows, named, strict=True) if name is None] == []
    missing = [name.group() for name in named if name and name[2] not in functions(TESTS / name[1])]
    assert missing == []


def functions(path: Path) -> set[str]:
    """The names of a file's functions."""
    tree = ast.parse(path.read_text()) if path.is_file() else ast.Module([], [])
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
