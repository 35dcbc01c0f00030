"""The keys of each object, as Python shows them: none may be there twice, or be meant for another one.

Here: both, at any depth. Not here: the keys of the payload itself, which are matched (see `names`), and those of a
struct (see `core.json_columns`).
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice

from dataflow_assets.lake.readers.columns import fold_name
from dataflow_assets.sources.formats import Json
from dataflow_assets.sources.formats.json_paths import parse_path, path_steps

INVALID, TWICE, ALIKE = "json.invalid", "json.duplicate_key", ".key"

_MOST_KNOWN = 10_000  # keys may be values, of which there is no end
_whole = json.JSONDecoder(parse_int=len, parse_float=len, parse_constant=len)  # need not make its numbers


class _TwiceError(Exception):
    """An object has a key twice."""


class Keys:
    """Looks at the keys of one object of a file after the other.

    DuckDB takes a key twice without a word, and null for a value whose key differs from that of its path by case or
    outer blanks. Most objects have but keys that were seen before, and are not looked at further.

    Args:
        reader: how the file is written.
        first_keys: the keys under which each column's path may begin in the payload; none where it begins elsewhere.
    """

    def __init__(self, reader: Json, first_keys: Mapping[str, Sequence[str]]) -> None:
        paths = {column: path_steps(path) for column, path in reader.paths.items()}
        within = len(parse_path(reader.payload))
        self._ways = {
            column: list(_way(steps, paths.values(), within, first_keys[column])) for column, steps in paths.items()
        }
        self._meant: dict[str, set[str]] = {}
        for key in (step for way in self._ways.values() for step, _ in way if isinstance(step, str)):
            self._meant.setdefault(fold_name(key), set()).add(key)
        self._known: set[str] = set()
        self._is_suspect = False
        self._decoder = json.JSONDecoder(
            object_pairs_hook=self._look, parse_int=len, parse_float=len, parse_constant=len
        )

    def find_faults(self, objects: Iterable[tuple[str, str | None]]) -> Iterator[str | None]:
        """The codes of what is wrong with the texts of a batch of objects; what is known to be wrong stands with each.

        Where no more keys can be kept, those that were are forgotten before: in this batch others may come again.
        """
        if len(self._known) == _MOST_KNOWN:
            self._known.clear()
        return (known or self._find_fault(raw) for raw, known in objects)

    def _find_fault(self, raw: str) -> str | None:
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
            self._learn(set(found).difference(self._known))

    def _learn(self, keys: set[str]) -> None:
        """Tell the keys that may be meant for others from those that need not be looked at again."""
        if not self._meant.keys().isdisjoint(map(fold_name, keys)):
            harmless = {key for key in keys if self._meant.get(fold_name(key), {key}) == {key}}
            self._is_suspect |= len(harmless) < len(keys)
            keys = harmless
        if room := _MOST_KNOWN - len(self._known):
            self._known.update(islice(keys, room))


_Key = str | int | None
_Way = Sequence[tuple[_Key, Sequence[str]]]


def _way(
    steps: Sequence[_Key], paths: Collection[Sequence[_Key]], within: int, first_keys: Sequence[str]
) -> Iterator[tuple[_Key, Sequence[str]]]:
    """The steps of a path: a key with those that any path reads beside it, the number of an element, or None.

    None is all elements, or where keys stand with it, these: the key of the payload is read by any of them.
    """
    for level, step in enumerate(steps):
        if first_keys and level == within:
            yield None, first_keys
        else:
            beside = [other[level] for other in paths if len(other) > level and other[:level] == steps[:level]]
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
