"""The keys of a JSON file's objects, as far as it was read: which are columns, which nobody reads, which lack.

Here: where a column may be found beside its path, and what is known of the names of a file. Not here: asking the parser
(see `records`).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

import polars as pl

from dataflow_assets.lake.readers.base import most_names
from dataflow_assets.lake.readers.columns import find_missing_columns, fold_name
from dataflow_assets.lake.readers.json.keys import Keys
from dataflow_assets.lake.validation.repeated_hour import RepeatedHour
from dataflow_assets.sources import Source
from dataflow_assets.sources.formats import Json
from dataflow_assets.sources.formats.json_paths import key_path, normal_path, parse_path, with_key


def declaration_of(source: Source) -> Json:
    """How the files of a source of JSON are written."""
    assert isinstance(source.reader, Json)
    return source.reader


@dataclass(frozen=True)
class Place:
    """Where a value may be: at a path, which begins within the payload with a key, or does not begin there so.

    `first_path` is that of the key itself.
    """

    path: str
    first_key: str | None = None
    first_path: str | None = None

    @property
    def holders(self) -> list[str]:
        """The paths of the keys that lead to it, the longest last; a list's elements are no keys."""
        keys: list[str] = []
        for key in parse_path(self.path):
            if key is None:
                break
            keys.append(key)
        return [key_path(keys[: length + 1]) for length in range(len(keys))]


@dataclass
class Names:
    """What is known of the names in a file, and what else its batches have to know of one another.

    `undeclared` are the keys that no path reads, `absent` the columns of paths of which no object had anything,
    `alike` the keys that differ from one of a path by case or outer blanks, by that one.
    """

    source: Source
    undeclared: set[str] = field(default_factory=set)
    missing: set[str] = field(default_factory=set)
    absent: set[str] = field(default_factory=set)
    alike: dict[str, list[str]] = field(default_factory=dict)
    repeated_hour: RepeatedHour = field(default_factory=RepeatedHour)
    has_objects: bool = False
    _keys: Keys | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.absent.update(self.reader.paths)

    @property
    def reader(self) -> Json:
        """How the file is written."""
        return declaration_of(self.source)

    def places(self, column: str) -> list[Place]:
        """Where the value of a column may be: at its path, else under an alias, else under a key that is alike."""
        path, payload = self.reader.paths[column], parse_path(self.reader.payload)
        first = self._first_key(path)
        if first is None:
            return [Place(normal_path(path))]
        aliased = dict.fromkeys([column, *(name for name, made_of in self._made_of.items() if made_of == {column})])
        found = (key for name in aliased for key in self.source.aliases.get(name, ()))
        aliases = [key for key in found if key not in self._first_keys]
        keys = [first, *aliases, *self.alike.get(first, ())]
        return [Place(with_key(path, len(payload), key), key, self._path_of(key)) for key in keys]

    @property
    def keys(self) -> Keys:
        """What looks at the keys of the objects; it is made again where other keys are alike."""
        if self._keys is None:
            places = {column: self.places(column) for column in self.reader.paths}
            found = {column: [place.first_key for place in some] for column, some in places.items()}
            first_keys = {column: [key for key in keys if key is not None] for column, keys in found.items()}
            self._keys = Keys(self.reader, first_keys)
        return self._keys

    @property
    def read_keys(self) -> list[str] | None:
        """The keys that are read; None where a path may read any."""
        if self.reader.keys is None:
            return None
        return sorted({place.first_key or "" for column in self.reader.paths for place in self.places(column)})

    def note_alike(self, keys: Iterable[str]) -> bool:
        """Note those of some keys, which nobody reads, that are like one of a path; whether any is new."""
        by_fold = {fold_name(key): key for key in self._first_keys}
        found = {key: by_fold[fold_name(key)] for key in keys if fold_name(key) in by_fold}
        new = {key: like for key, like in found.items() if key not in self.alike.get(like, ())}
        for key, like in new.items():
            self.alike.setdefault(like, []).append(key)
            self._keys = None
        return bool(new)

    def note(self, keys: Iterable[str], text: pl.DataFrame) -> list[str]:
        """Note keys that nobody reads and the texts of columns; the columns of which none was there yet."""
        self.undeclared.update(most_names(keys, (), self.undeclared))
        self.has_objects |= text.height > 0
        self.absent = {column for column in self.absent if _has_nothing(text[column])}
        return sorted(self.absent)

    def finish(self) -> dict[str, int]:
        """Tell which columns are missing, the file being read; what was repaired of its names."""
        if self.has_objects:
            reader = self.reader
            present = {*reader.paths, *reader.derived} - self.absent - self._absent_derived
            self.missing.update(find_missing_columns(present, self.source))
        repaired = sum(map(len, self.alike.values()))
        return {"column_names": repaired} if repaired else {}

    @property
    def _absent_derived(self) -> set[str]:
        """The derived columns of which every column of a path that they are made of is absent; a constant is there."""
        return {name for name, columns in self._made_of.items() if columns and columns <= self.absent}

    @cached_property
    def _made_of(self) -> dict[str, set[str]]:
        """The columns of paths that each derived one is made of; an element of a list has no name."""
        paths, derived = self.reader.paths.keys(), self.reader.derived
        return {name: paths & set(expression.meta.root_names()) for name, expression in derived.items()}

    @property
    def _first_keys(self) -> set[str]:
        return {key for key in map(self._first_key, self.reader.paths.values()) if key is not None}

    def _first_key(self, path: str) -> str | None:
        """The key with which a path begins within the payload; None where it begins elsewhere, or with an element."""
        keys, payload = parse_path(path), parse_path(self.reader.payload)
        return next(iter(keys[len(payload) :]), None) if keys[: len(payload)] == payload else None

    def _path_of(self, key: str) -> str:
        """The path of a key of the payload."""
        return normal_path(self.reader.payload) + key_path([key]).removeprefix("$")


def _has_nothing(texts: pl.Series) -> bool:
    """Whether all texts of a column are null; of a path to several, all lists are empty."""
    empty = texts.list.len().eq(0).sum() if isinstance(texts.dtype, pl.List) else 0
    return texts.null_count() + empty == texts.len()
