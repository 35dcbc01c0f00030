"""JSON: one array of objects, or a line for each object.

Here: where in an object the columns are. Not here: reading it (see `lake.readers.json`).
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import polars as pl

from dataflow_assets.sources.formats.base import Format

_FIRST_KEY = re.compile(r'\$\.(?:"([^"]*)"|([^.\["*]+))')


@dataclass(frozen=True, kw_only=True)
class Json(Format):
    """One JSON array of objects, each a row; or, as `lines`, a line for each object.

    `paths` maps a column to the JSON path of its value, read as text (a path with `[*]` gives a list of
    texts); of a declared list or struct it is the JSON text. `derived` maps a column to an expression over the
    columns of `paths`, for what a path cannot say.
    """

    label: ClassVar = "JSON"
    endings: ClassVar = {".json": ".json", ".jsonl": ".jsonl", ".ndjson": ".jsonl"}

    paths: Mapping[str, str]
    derived: Mapping[str, pl.Expr] = field(default_factory=dict)
    lines: bool = False

    @property
    def keys(self) -> set[str] | None:
        """The keys of an object that the paths begin with; None where one may read any key."""
        found = [_FIRST_KEY.match(path) for path in self.paths.values()]
        return {key[1] or key[2] for key in found if key} if all(found) else None

    @property
    def suffix(self) -> str:
        """`.jsonl` as lines, else `.json`."""
        return ".jsonl" if self.lines else ".json"

    @property
    def fingerprint(self) -> object:
        """The paths, in whatever order they are declared, and whether they are lines."""
        return sorted(self.paths.items()), self.lines

    @property
    def expressions(self) -> Mapping[str, pl.Expr]:
        """The derived columns."""
        return self.derived

    def problems(self, columns: Collection[str]) -> Iterator[str]:
        """Columns without a path or an expression."""
        if unread := set(columns).difference(self.paths, self.derived):
            yield f"the reader says nothing of the columns {sorted(unread)}"

    def fields_of(self, column: str) -> list[str]:
        """The paths that a column is read from."""
        derived = self.derived.get(column)
        names = [column] if derived is None else derived.meta.root_names()
        # An element of a list has no name.
        return [path for name, path in self.paths.items() if name in names]


FORMAT = Json
