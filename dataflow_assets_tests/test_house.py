"""The house rules that no linter checks: how long files and functions may be, and what each module says."""

import ast
from collections.abc import Iterator
from pathlib import Path

import dataflow_assets
from dataflow_assets_tests.conftest import MARKS_OF_PLACES, SLOW_TESTS

PACKAGE = Path(dataflow_assets.__path__[0])
LONGEST_FILE = 300  # lines
LONGEST_FUNCTION = 40  # lines, with its signature and its docstring


def python_files() -> list[Path]:
    """The package's own code; what Alembic generates is read once and never changed."""
    files = [path for path in PACKAGE.rglob("*.py") if "versions" not in path.parts]
    assert len(files) > 100, "the files of the package are not found"
    return sorted(files)


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Each function of a file: where it stands, and how many lines it has."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno
            where = f"{path.relative_to(PACKAGE)}:{node.lineno} {node.name}"
            yield where, node.end_lineno - node.lineno + 1


def test_no_file_is_too_long() -> None:
    lengths = {str(path.relative_to(PACKAGE)): len(path.read_text().splitlines()) for path in python_files()}
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_FILE} == {}


def test_no_function_is_too_long() -> None:
    found = [function for path in python_files() for function in functions(path)]
    assert {where: lines for where, lines in found if lines > LONGEST_FUNCTION} == {}


def test_every_module_says_what_belongs_in_it() -> None:
    silent = [str(path.relative_to(PACKAGE)) for path in python_files() if not ast.get_docstring(_parsed(path))]
    assert silent == []


def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def test_every_place_that_gives_a_mark_is_there() -> None:
    tests = Path(__file__).parent
    assert [place for place in MARKS_OF_PLACES if not (tests / place).exists()] == []


def test_every_test_that_is_left_to_the_night_is_there() -> None:
    tests = Path(__file__).parent
    functions = {place: _functions(tests / place) for place in {name.partition("::")[0] for name in SLOW_TESTS}}
    assert [name for name in SLOW_TESTS if name.partition("::")[2] not in functions[name.partition("::")[0]]] == []


def _functions(path: Path) -> set[str]:
    return {node.name for node in _parsed(path).body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
