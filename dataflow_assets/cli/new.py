"""The command that drafts a declaration.

Here: arguments, where the draft is written, and what is said of it. Not here: what is drafted (see `lake.draft`).
"""

import importlib
import importlib.util
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from dataflow_assets.cli.output import print_line, print_sentence, print_table, say, short
from dataflow_assets.cli.permissions import as_the_user_has_it
from dataflow_assets.errors import FormatError, NotFoundError, UsageError
from dataflow_assets.settings import Settings, load_settings

if TYPE_CHECKING:
    from dataflow_assets.sources.base import Source

app = typer.Typer(help="Draft the declaration of a source.", no_args_is_help=True)
_ROWS = 5  # that are printed


@app.callback()
def _new() -> None:
    """Draft the declaration of a source."""


@app.command()
def source(
    file: Annotated[Path, typer.Argument(help="A file of the source, as complete as one can be had.")],
    name: Annotated[str | None, typer.Option(help="What it is called; without it, like the file.")] = None,
    kind: Annotated[
        Literal["snapshot", "events", "changes"] | None,
        typer.Option(help="What a delivery is; without it, this is guessed."),
    ] = None,
    only_print: Annotated[bool, typer.Option("--print", help="Print the declaration, and write nothing.")] = False,
) -> None:
    """Draft the declaration of a source from one of its files.

    Its migration is written too, and the file previewed.
    """
    from dataflow_assets.lake.draft.declaration import write_declaration
    from dataflow_assets.lake.draft.sample import read_sample

    if not file.is_file():
        raise NotFoundError(f"There is no file {file}.")
    settings, chosen = load_settings(), name or _name_of(file)
    _require_new(chosen)
    draft = write_declaration(read_sample(file), chosen, file.name, kind)
    declared = _import_draft(draft.text, chosen)
    if only_print:
        print_line(draft.text)
    else:
        _write(settings, chosen, draft.text)
    for guess in draft.guesses:
        say(f"Guessed: {guess}.")
    _preview(settings, file, declared)
    if not only_print:
        load = f"dataflow load --model {declared.singular} --collector {declared.reader.suffix[1:]} --config {file}"
        say(f"Next: read both, then `dataflow init-db` makes the table, and `{load}` brings the file.")


def _name_of(file: Path) -> str:
    letters = "".join(one if one.isalnum() and one.isascii() else "_" for one in file.name.partition(".")[0].lower())
    return letters.strip("_")


def _require_new(name: str) -> None:
    from dataflow_assets.sources import all_sources
    from dataflow_assets.sources.names import find_source_problem

    if reason := find_source_problem(name):
        raise UsageError(f"A source cannot be named {name!r}: {reason}. Give --name.")
    taken = frozenset().union(*(one.given_names for one in all_sources()))
    if name in taken:
        raise UsageError(f"There is something named {name!r} already; give another --name.")


def _import_draft(text: str, name: str) -> "Source":
    """The source that a draft declares.

    Raises:
        FormatError: the file has something that no declaration may have.
    """
    from dataflow_assets.sources.base import Source

    with tempfile.TemporaryDirectory(prefix="dataflow-") as folder:
        path = Path(folder) / f"{name}.py"
        path.write_text(text, encoding="utf-8")
        spec = importlib.util.spec_from_file_location(f"draft_of_{name}", path)
        assert spec
        assert spec.loader
        module = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except ValueError as error:
            raise FormatError(f"No declaration can be drafted: {error}.") from None
    assert isinstance(module.SOURCE, Source)
    return module.SOURCE


def _write(settings: Settings, name: str, text: str) -> None:
    """Write the declaration among the sources, and the migration that makes its tables."""
    from dataflow_assets import sources
    from dataflow_assets.postgres.migrate import write_revision
    from dataflow_assets.warehouse.bootstrap import open_warehouse

    open_warehouse(settings)
    path = Path(sources.__path__[0]) / f"{name}.py"
    with as_the_user_has_it():
        path.write_text(text, encoding="utf-8")
    importlib.invalidate_caches()
    sources.all_sources.cache_clear()
    try:
        with as_the_user_has_it():
            migration = write_revision(f"{name} source")
    except BaseException:
        path.unlink()  # a declaration without its tables would stop every command
        raise
    say(f"Written: {path}" + (f" and {migration}" if migration else ""))


def _preview(settings: Settings, file: Path, declared: "Source") -> None:
    from dataflow_assets.lake.known import event_bounds
    from dataflow_assets.lake.preview import preview

    bounds = event_bounds(declared, settings.today, settings.timezone, settings.first_day)
    found = preview(file, declared, settings.timezone, _ROWS, bounds)
    print_table(found.rows.columns, [short(row) for row in found.rows.iter_rows()])
    for reject in found.rejects:
        say(f"Rejected, line {reject.line}: {reject.message}" if reject.line else f"Rejected: {reject.message}")
    for sentence in found.sentences():
        print_sentence(f"{declared.name}: {sentence}")
