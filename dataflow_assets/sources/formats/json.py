"""JSON: one array of objects, or a line for each object.

Here: where in an object the columns are. Not here: reading it (see `lake.readers.json`).
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import polars as pl

from dataflow_assets.sources.formats.base import Format
from dataflow_assets.sources.formats.json_paths import normal_path, parse_path

OWN_COLUMNS = frozenset({"position", "line", "raw", "fault", "undeclared"})  # of the reader, beside those of paths


@dataclass(frozen=True, kw_only=True)
class Json(Format):
    """One JSON array of objects, each a row; or, as `lines`, a line for each object.

    `paths` maps a column to the JSON path of its value, read as text (a path with `[*]` gives a list of
    texts); of a declared list or struct it is the JSON text. `derived` maps a column to an expression over the
    columns of `paths`, for what a path cannot say. `records` is the path of the array where it is inside an object,
    such as `$.data`. Paths are those of RFC 9535, without `..`, filters and slices.

    `payload` is the path of the sender's own object where each row is an envelope around one, such as `$.value` of a
    message: its keys that no path reads are told as undeclared columns, and those of the envelope are not.
    """

    label: ClassVar = "JSON"
    endings: ClassVar = {".json": ".json", ".jsonl": ".jsonl", ".ndjson": ".jsonl"}

    paths: Mapping[str, str]
    derived: Mapping[str, pl.Expr] = field(default_factory=dict)
    lines: bool = False
    records: str = "$"
    payload: str = "$"

    def __post_init__(self) -> None:
        for column, path in self.paths.items():
            try:
                parse_path(path)
            except ValueError as error:
                raise ValueError(f"the path of {column}: {error}") from None
        if None in self.records_keys:
            raise ValueError(f"records={self.records!r} must name keys of objects alone, such as $.data")
        if None in parse_path(self.payload):
            raise ValueError(f"payload={self.payload!r} must name keys of objects alone, such as $.value")
        if self.lines and self.records_keys:
            raise ValueError("a file of JSON lines has no array: leave records out")

    @property
    def records_keys(self) -> list[str | None]:
        """The keys under which the array is; none where it is the whole file."""
        return parse_path(self.records)

    @property
    def normal_paths(self) -> Mapping[str, str]:
        """The paths by column, in the form that the parser takes."""
        return {column: normal_path(path) for column, path in self.paths.items()}

    @property
    def keys(self) -> set[str] | None:
        """The keys of the payload that the paths begin with; None where one may read any key."""
        payload = parse_path(self.payload)
        within = [path for path in map(parse_path, self.paths.values()) if path[: len(payload)] == payload]
        first = [next(iter(path[len(payload) :]), None) for path in within]
        named = {key for key in first if key is not None}
        return None if None in first else named

    @property
    def suffix(self) -> str:
        """`.jsonl` as lines, else `.json`."""
        return ".jsonl" if self.lines else ".json"

    @property
    def other_suffixes(self) -> tuple[str, ...]:
        """`.json` too as lines: most who write lines call them so."""
        return (".json",) if self.lines else ()

    @property
    def fingerprint(self) -> object:
        """The paths, in whatever order they are declared, whether they are lines, and where the array is."""
        return sorted(self.paths.items()), self.lines, self.records

    @property
    def expressions(self) -> Mapping[str, pl.Expr]:
        """The derived columns."""
        return self.derived

    def problems(self, columns: Collection[str]) -> Iterator[str]:
        """Paths under a name of the reader's own, and columns without a path or an expression."""
        if taken := sorted(OWN_COLUMNS.intersection(self.paths)):
            yield (
                f"the JSON reader has columns of the names {taken} itself; call these paths otherwise, and derive a "
                f"declared column from one by derived={{{taken[0]!r}: pl.col('another name')}}"
            )
        if "position" in self.derived:
            yield "the JSON reader has a column of the name 'position' itself; call the derived one otherwise"
        if unread := set(columns).difference(self.paths, self.derived):
            yield f"the reader says nothing of the columns {sorted(unread)}"

    def fields_of(self, column: str) -> list[str]:
        """The paths that a column is read from."""
        derived = self.derived.get(column)
        names = [column] if derived is None else derived.meta.root_names()
        # An element of a list has no name.
        return [path for name, path in self.paths.items() if name in names]


FORMAT = Json
