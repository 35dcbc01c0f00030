"""The commands that follow single rows: where they came from, and what would become of them.

Here: arguments and how the findings are printed. Not here: work.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from decimal import Context, Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dataflow_assets.cli.arguments import Delivered, Json, as_usage_error, delivery_day, source_of
from dataflow_assets.cli.output import print_json, print_line, print_sentence, print_table, say, short
from dataflow_assets.core.formatting import plain
from dataflow_assets.errors import NotFoundError
from dataflow_assets.settings import load_settings

if TYPE_CHECKING:
    from dataflow_assets.warehouse.provenance import Explanation

_EXACT = Context(prec=100)  # digits; a declared Decimal has no more than 38


def explain(
    source: Annotated[str, typer.Option(help="The source, such as streams or stream.")],
    key: Annotated[
        list[str], typer.Option(help="A part of the key, in the order of the source's, or as column=value. Repeat it.")
    ],
    as_json: Json = False,
) -> None:
    """Tell from which files and days a row came, and which count."""
    from dataflow_assets.lake.delta.table import rejects_table, rows_table
    from dataflow_assets.landing.storage import open_storage
    from dataflow_assets.warehouse import provenance

    wanted, storage = source_of(source), open_storage(load_settings())
    with as_usage_error(NotFoundError):
        texts = provenance.key_texts(wanted, key)
        found = provenance.explain_newest(rows_table(storage, wanted), wanted, texts)
    rejects = [] if found.keys else provenance.rejects_with(rejects_table(storage).scan(), wanted, texts, most=10)
    if as_json:
        origins = [vars(origin) for origin in found.origins]
        print_json(plain({"source": wanted.name, **vars(found), "origins": origins, "rejects": rejects}))
    else:
        _print_explanation(found, wanted.key, rejects)
    if not found.keys:
        asked = ", ".join(f"{name} {text!r}" for name, text in texts.items())
        told = "; these rejected rows hold it" if rejects else ", nor does a rejected row hold it"
        raise NotFoundError(f"No row of {wanted.name} has {asked}{told}.")


def _print_explanation(found: "Explanation", key: Sequence[str], rejects: Sequence[Mapping[str, Any]]) -> None:
    if len(found.keys) == 1:
        _print_origins(found)
    elif found.keys:
        print_table(key, [short(row.values()) for row in found.keys])
        say(f"{'More keys match than these' if found.has_more_keys else 'These keys match'}; give more of its parts.")
    elif rejects:
        columns = ("object", "line", "message", "raw")
        print_table(columns, [short(row[name] for name in columns) for row in rejects])


def _print_origins(found: "Explanation") -> None:
    [key] = found.keys
    print_line(", ".join(f"{name} {text!r}" for name, text in zip(key, short(key.values()), strict=True)))
    others = [name for name in found.origins[0].values if name not in key]
    rows = [
        [str(origin.delivery_day), origin.object, str(origin.position), *short(values), origin.fate]
        for origin in found.origins
        for values in [[origin.values[name] for name in others]]
    ]
    print_table(["delivered", "object", "position", *others, "became"], rows)
    if found.last_seen:
        missing = f", missing since {found.missing_since}" if found.missing_since else ""
        print_sentence(f"Seen first on {found.first_seen}, last on {found.last_seen}{missing}.")


def preview(
    file: Annotated[Path, typer.Argument(help="The file to look into.")],
    model: Annotated[str, typer.Option(help="The source, such as streams or stream.")],
    rows: Annotated[int, typer.Option(min=0, help="How many rows, and how many rejects, to print.")] = 10,
    delivered: Delivered = None,
    as_json: Json = False,
) -> None:
    """Tell which rows of a file would be rejected, and why.

    Nothing is written.
    """
    from dataflow_assets.lake.known import event_bounds
    from dataflow_assets.lake.preview import preview as look_into

    source = source_of(model)
    if not file.is_file():
        raise NotFoundError(f"There is no file {file}.")
    settings = load_settings()
    bounds = event_bounds(source, delivery_day(settings, delivered), settings.timezone, settings.first_day)
    found = look_into(file, source, settings.timezone, rows, bounds)
    if as_json:
        shown = [{name: _without_added_zeros(value) for name, value in row.items()} for row in found.rows.to_dicts()]
        read = {"rows": plain(shown), "rejects": [asdict(reject) for reject in found.rejects]}
        print_json(
            {"source": source.name, "file": str(file), **vars(found), **read, "event_days": plain(found.event_days)}
        )
        return
    print_table(found.rows.columns, [short(row) for row in found.rows.iter_rows()])
    rejects = [[str(reject.line or ""), reject.code, reject.message, *short([reject.raw])] for reject in found.rejects]
    if rejects:
        print_table(["line", "code", "why", "text"], rejects)
    for sentence in found.sentences():
        print_sentence(f"{source.name}: {sentence}")


def _without_added_zeros(value: Any) -> Any:
    """A value as a file may say it: a Decimal without the zeros that its declared scale adds."""
    return _EXACT.normalize(value) if isinstance(value, Decimal) else value
