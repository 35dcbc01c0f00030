"""Words that the project gave up for the field's own do not come back, neither as modules nor as names in the code."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import dataflow_assets
import dataflow_assets_tests

PACKAGE, TESTS = (Path(str(package.__file__)).parent for package in (dataflow_assets, dataflow_assets_tests))

# What is said instead, by the module that nobody is to look for; with its folder where others may bear the name.
MODULES = {
    "arrivals": "discovery",
    "batches": "iteration",
    "behind": "staleness",
    "belief": "quarantine",
    "csv_any": "csv/records",
    "csv_parts": "csv/model",
    "csv_plain": "csv/vectorized",
    "disk": "files",
    "explain": "provenance",
    "freed": "cleanup",
    "history": "event_log_retention",
    "instants": "timestamps",
    "intake": "ingest",
    "keeper": "process_group",
    "leftovers": "orphans",
    "loading": "load",
    "looking": "inspect",
    "morning": "freshness",
    "nested": "json_columns",
    "newest_dump": "incremental",
    "news": "materialization_feed",
    "nightly": "reconcile",
    "opening": "bootstrap",
    "parsing": "base",
    "part": "dagster_process",
    "passing": "retries",
    "places": "event_cursor",
    "plain": "formatting",
    "platform": "up",
    "predicates": "pushdown",
    "printing": "output",
    "reach": "downstream",
    "reports": "metrics",
    "running": "admin",
    "statistics": "analyze",
    "sweep": "discovery",
    "texts": "casting",
    "undone": "staleness",
    "unpacking": "archives",
    "upkeep": "maintenance",
    "warehouse/columns": "schema_check",
    "warehouse/keys": "row_ids",
    "warehouse/reading": "scan",
    "warehouse/records": "ledger/deliveries",
    "warehouse/values": "arrow",
    "window": "time_windows",
}
TEST_MODULES = {"made": "builders", "month": "simulated_month", "running": "live_platform"}

# What is said instead, by a word that is in no name of a function, argument, column, state, check or key.
NAMES = {
    "arrivals": "new deliveries",
    "belief": "quarantine",
    "believed": "complete",
    "days_behind": "stale days",
    "dumps_believed": "snapshots_complete",
    "held_back": "quarantined",
    "in_the_morning": "fresh_by_06",
    "kept_out": "undeclared_columns",
    "lacking": "missing_columns",
    "leftovers": "orphans",
    "may_pass": "is_transient",
    "mended": "repaired",
    "newest_dump": "newest day",
    "sweep": "discovery",
    "take_in": "ingest",
    "tried_again": "retry_transient",
    "undone": "stale partitions",
}
STATES = {"held": "quarantined", "believed": "complete"}
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@cache
def modules(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def named(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """The names that a module defines, uses or writes as a text of its own, each with its line."""
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name) | ast.alias(name=name):
                yield line, name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield line, name
            case ast.keyword(arg=str(name)):
                yield line, name
            case ast.Constant(value=str(text)) if _IDENTIFIER.fullmatch(text):
                yield line, text


def in_words(name: str) -> str:
    """A name in small letters, its words separated and surrounded by underscores."""
    return f"_{re.sub('(?<=[a-z0-9])(?=[A-Z])', '_', name).lower().strip('_')}_"


def is_assignment_to(node: ast.stmt, name: str) -> bool:
    return isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == [name]


def find_old_names(source: str) -> Iterator[str]:
    """A sentence for each name in the source of a module that holds an old word; what earlier builds wrote is read."""
    tree = ast.parse(source)
    tree.body = [node for node in tree.body if not is_assignment_to(node, "_FORMER_NAMES")]
    for line, name in named(tree):
        words = in_words(name)
        for old, new in NAMES.items():
            if f"_{old}_" in words:
                yield f"line {line}: {name} says {old}; say {new}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and node.value in STATES:
            yield f"line {node.lineno}: {node.value!r} is no state; say {STATES[str(node.value)]!r}"


@pytest.mark.parametrize(("folder", "old"), [(PACKAGE, MODULES), (TESTS, TEST_MODULES)], ids=["package", "tests"])
def test_no_module_has_an_old_name(folder: Path, old: dict[str, str]) -> None:
    found = [path.parent if path.stem == "__init__" else path.with_suffix("") for path in modules(folder)]
    names = [(name, path) for path in found for name in (path.name, f"{path.parent.name}/{path.name}")]
    assert [f"{path}: say {old[name]}" for name, path in names if name in old] == []


def test_no_name_in_the_package_holds_an_old_word() -> None:
    found = [f"{path}, {problem}" for path in modules(PACKAGE) for problem in find_old_names(path.read_text())]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "source",
    [
        "def take_in(): pass",
        "mended = 1",
        "class Sweep: pass",
        "record(kept_out=[])",
        "row['lacking']",
        'check = "there_in_the_morning"',
        "state = 'held'",
        "from a import find_arrivals",
        "def f(*, is_undone): pass",
    ],
)
def test_an_old_word_is_found(source: str) -> None:
    assert len(list(find_old_names(source))) == 1


@pytest.mark.parametrize("source", ["held = 1", "is_taken_in = 1", "text = 'it is held back'", "amended = 1"])
def test_a_word_that_only_looks_like_one_is_let_through(source: str) -> None:
    assert list(find_old_names(source)) == []
