"""Drafting a source from a file, and loading that file with it.

Here: what tests of drafts share. Not here: the files.
"""

from pathlib import Path
from typing import Any

from dataflow_assets.cli.new import _import_draft
from dataflow_assets.lake.draft.declaration import Draft, write_declaration
from dataflow_assets.lake.draft.sample import read_sample
from dataflow_assets.lake.preview import Preview, preview
from dataflow_assets.sources import Source


def drafted(path: Path, name: str = "drafts", kind: Any = None) -> tuple[Draft, Source, Preview]:
    draft = write_declaration(read_sample(path), name, path.name, kind)
    source = _import_draft(draft.text, name)
    return draft, source, preview(path, source, "UTC", 5, None)


def types_of(source: Source) -> dict[str, str]:
    return {name: type(column).__name__ for name, column in source.schema.columns().items()}
