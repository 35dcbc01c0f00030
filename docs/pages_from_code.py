"""Pages of the reference that say what the code says, made anew at each build: they cannot be out of date.

Here: one function for each page, which gives its text in Markdown. Not here: Sphinx (see `conf`), and pages that a
person writes.
"""

import dataclasses
import importlib
import pkgutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

import dataflow_assets
from dataflow_assets.analytics import all_answers
from dataflow_assets.errors import DataFlowError
from dataflow_assets.ledger import tables as ledger_tables
from dataflow_assets.orchestration.checks import all_checks
from dataflow_assets.orchestration.checks.base import Target
from dataflow_assets.orchestration.metadata import keys
from dataflow_assets.postgres.schema import build_metadata
from dataflow_assets.serving import tables as serving_tables
from dataflow_assets.sources import all_sources
from dataflow_assets.sources.formats import all_formats

_PAGES = ("tables", "checks", "metadata", "errors", "formats", "python", "recordings")
_LAYERS_OF_SOURCES, _LAYERS_OF_ANSWERS = ("landing", "lake", "warehouse"), ("analytics",)


def write_pages(folder: Path) -> None:
    """Write each page into the folder, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    for page in _PAGES:
        text = "\n".join(globals()[f"describe_{page}"]()) + "\n"
        (folder / f"{page}.md").write_text(text)


def describe_tables() -> Iterator[str]:
    """Every table of the database, with the columns that people query."""
    yield "# Tables\n\nTables of people are in `warehouse` and `analytics`, the platform's own records in `ledger`, "
    yield "and who may use the HTTP API in `serving`."
    answers = {answer.name: answer.schema for answer in all_answers()}
    for metadata in (build_metadata(all_sources(), answers), ledger_tables.METADATA, serving_tables.METADATA):
        for table in metadata.sorted_tables:
            yield f"\n## {table.schema}.{table.name}\n"
            if table.comment:
                yield f"{table.comment}\n"
            yield from _table(("column", "type", "may be null", "meaning"), map(_column, table.columns))


def _column(column: sa.Column[object]) -> tuple[str, ...]:
    kind = column.type.compile(postgresql.dialect())  # type: ignore[no-untyped-call]
    return f"`{column.name}`", kind.lower(), "yes" if column.nullable else "", column.comment or ""


def describe_checks() -> Iterator[str]:
    """Every check, of which asset it is and whether it stops what follows."""
    yield "# Checks\n"
    sources = [Target(layer, source) for layer in _LAYERS_OF_SOURCES for source in all_sources()]
    targets = [*sources, *(Target(layer, answer) for layer in _LAYERS_OF_ANSWERS for answer in all_answers())]
    rows = []
    for check in all_checks():
        of = [target for target in targets if check.applies_to(target)]
        layers = ", ".join(sorted({f"`{target.layer}`" for target in of}))
        says = sorted({check.spec(target).description or "" for target in of})
        weight = "stops the run" if check.is_blocking else check.severity.value.lower()
        rows.append((f"`{check.name}`", layers, weight, says[0]))
    yield from _table(("check", "assets of", "where it fails", "what holds where it passes"), rows)


def describe_metadata() -> Iterator[str]:
    """Every key that an asset, a partition or an evaluation of a check may have in the UI."""
    yield "# Metadata\n\nWhat the page of an asset says in the UI, by key. Numbers are plotted there.\n"
    yield "## Of assets and their partitions\n"
    yield from _table(("key", "meaning"), _keys(keys.ASSETS | keys.DAGSTERS, keys.ASSETS_BY_PATTERN))
    yield "\n## Of checks\n"
    yield from _table(("key", "meaning"), _keys(keys.CHECKS, keys.CHECKS_BY_PATTERN))


def _keys(by_name: dict[str, str], by_pattern: dict[str, str]) -> Iterator[tuple[str, str]]:
    yield from ((f"`{name}`", meaning) for name, meaning in sorted(by_name.items()))
    yield from (("several", meaning) for meaning in by_pattern.values())


def describe_errors() -> Iterator[str]:
    """Every error that a user can mend, by its code."""
    yield "# Errors\n\nEach has a stable code, which the HTTP API gives as `code`.\n"
    for module in pkgutil.walk_packages(dataflow_assets.__path__, "dataflow_assets."):
        if not module.name.endswith(("__main__", ".env")) and ".versions" not in module.name:
            importlib.import_module(module.name)
    found = sorted(_subclasses(DataFlowError), key=lambda error: error.code)
    yield from _table(("code", "class", "meaning"), ((f"`{e.code}`", f"`{e.__name__}`", _first(e)) for e in found))


def _subclasses(of: type[DataFlowError]) -> Iterator[type[DataFlowError]]:
    yield of
    for each in of.__subclasses__():
        yield from _subclasses(each)


def describe_formats() -> Iterator[str]:
    """Every format and its options."""
    yield "# Formats\n\nWhat `reader=` of a source may be."
    for kind in sorted(all_formats(), key=lambda kind: kind.__name__):
        yield f"\n## {kind.__name__}\n\n{_paragraphs(kind)}\n"
        yield f"Endings: {', '.join(f'`{ending}`' for ending in kind.endings)}.\n"
        yield from _table(("option", "default"), ((f"`{f.name}`", _default(f)) for f in dataclasses.fields(kind)))  # type: ignore[arg-type]


def _default(field: "dataclasses.Field[object]") -> str:
    if field.default_factory is not dataclasses.MISSING:
        return f"`{field.default_factory()!r}`"
    return "required" if field.default is dataclasses.MISSING else f"`{field.default!r}`"


def describe_python() -> Iterator[str]:
    """Every package that a notebook or another project imports."""
    yield "# Python\n\nWhat other programs may import. `help()` on each package shows an example."
    for name in ("io_managers", "sources", "analytics", "landing", "lake", "ledger", "postgres", "warehouse"):
        module = f"dataflow_assets.{name}"
        yield f"\n## {module}\n\n```{{eval-rst}}\n.. automodule:: {module}\n   :no-members:\n```"
        for public in sorted(importlib.import_module(module).__all__):
            kind = "autoclass" if isinstance(getattr(importlib.import_module(module), public), type) else "autofunction"
            yield f"\n```{{eval-rst}}\n.. {kind}:: {module}.{public}\n```"


def describe_recordings() -> Iterator[str]:
    """Every command at work, as it was recorded."""
    yield "# Every command at work\n\nIn a terminal of 80 columns, recorded by `python -m benchmarks.recordings`.\n"
    for recording in sorted((Path(__file__).parent / "reference/recordings").glob("*.txt")):
        yield f"\n## {recording.stem.replace('-', ' ')}\n\n```none\n{recording.read_text().rstrip()}\n```"


def _first(thing: type) -> str:
    return _paragraphs(thing).partition("\n")[0]


def _paragraphs(thing: type) -> str:
    return "\n".join(line.strip() for line in (thing.__doc__ or "").strip().splitlines())


def _table(heading: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(heading)} |"
    yield f"|{'---|' * len(heading)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|').replace(chr(10), ' ') for cell in row)} |"
