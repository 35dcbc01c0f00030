"""The keys of each object, as Python shows them: none may be there twice, or be meant for another one.

Here: both, at any depth. Not here: the keys of the payload itself, which are matched (see `names`), and those of a
struct (see `core.json_columns`).
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence

from dataflow_assets.lake.readers.columns import fold_name
from dataflow_assets.lake.readers.json.names import Names
from dataflow_assets.sources.formats.json_paths import parse_path, path_steps

INVALID, TWICE, ALIKE = "json.invalid", "json.duplicate_key", ".key"

_MOST_KNOWN = 10_000  # keys may be values, of which there is no end
_whole = json.JSONDecoder(parse_int=len, parse_float=len, parse_constant=len)  # need not make its numbers


class _TwiceError(Exception):
    """An object has a key twice."""


class Keys:
    """Looks at the keys of one object after the other.

    DuckDB takes a key twice without a word, and null for a value whose key differs from that of its path by case or
    outer blanks. Most objects have but keys that were seen before, and are not looked at further.
    """

    def __init__(self, names: Names) -> None:
        self._ways = {column: list(_way(names, column)) for column in names.reader.paths}
        self._meant: dict[str, set[str]] = {}
        for key in (step for way in self._ways.values() for step, _ in way if isinstance(step, str)):
            self._meant.setdefault(fold_name(key), set()).add(key)
        self._known: set[str] = set()
        self._is_suspect = False
        self._decoder = json.JSONDecoder(
            object_pairs_hook=self._look, parse_int=len, parse_float=len, parse_constant=len
        )

    def find_fault(self, raw: str) -> str | None:
        """The code of what is wrong with the text of an object that DuckDB could read; None where nothing is."""
        self._is_suspect = False
        try:
            self._decoder.raw_decode(raw, raw.index("{"))
            if not self._is_suspect:
                return None
            held, _ = _whole.raw_decode(raw, raw.index("{"))
        except _TwiceError:
            return TWICE
        except (ValueError, RecursionError):
            return INVALID
        return next((column + ALIKE for column, way in self._ways.items() if _leads_to_alike(held, way)), None)

    def _look(self, pairs: list[tuple[str, object]]) -> None:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise _TwiceError
        if not self._known.issuperset(found):
            self._learn(found)

    def _learn(self, keys: Iterable[str]) -> None:
        """Tell the keys that may be meant for others from those that need not be looked at again."""
        for key in keys:
            if self._meant.get(fold_name(key), {key}) != {key}:
                self._is_suspect = True
            elif len(self._known) < _MOST_KNOWN:
                self._known.add(key)


_Step = tuple[str | int | None, Sequence[str]]
_Way = Sequence[_Step]


def _way(names: Names, column: str) -> Iterator[_Step]:
    """The steps of a column's path: a key with those that any path reads beside it, the number of an element, or None.

    None is all elements, or where keys stand with it, these: the key of the payload is read by any of them.
    """
    payload, places = parse_path(names.reader.payload), names.places(column)
    is_within = places[0].first_key is not None
    paths = {name: path_steps(path) for name, path in names.reader.paths.items()}
    steps = paths[column]
    for level, step in enumerate(steps):
        if is_within and level == len(payload):
            yield None, [place.first_key or "" for place in places]
        else:
            beside = [other[level] for other in paths.values() if len(other) > level and other[:level] == steps[:level]]
            yield step, [key for key in beside if isinstance(key, str)] if isinstance(step, str) else []


def _leads_to_alike(held: object, way: _Way) -> bool:
    """Whether on the way to the values of a column a key is not there, and one like it is."""
    reached = [held]
    for step, keys in way:
        if isinstance(step, str) or keys:
            objects = [one for one in reached if isinstance(one, dict)]
            if isinstance(step, str) and any(_has_alike(one, step, keys) for one in objects):
                return True
            read = [step] if isinstance(step, str) else keys
            reached = [next((one[key] for key in read if key in one), None) for one in objects]
        else:
            reached = [inner for one in reached for inner in _elements(one, step)]
    return False


def _has_alike(held: Mapping[str, object], key: str, read: Sequence[str]) -> bool:
    """Whether an object has not a key but one like it, which is not read itself."""
    return key not in held and any(fold_name(other) == fold_name(key) for other in held if other not in read)


def _elements(held: object, number: int | None) -> list[object]:
    """The element of a list that has a number, or all that an object or a list holds."""
    values = list(held.values()) if isinstance(held, dict) else held if isinstance(held, list) else []
    if number is None:
        return values
    return values[number:][:1] if number >= -len(values) else []
