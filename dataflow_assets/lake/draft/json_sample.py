"""A file of JSON to a sample.

Here: whether it is an array, an array inside an object or lines, and the paths of its values. Not here: what the values
mean (see `columns`).
"""

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl

from dataflow_assets.errors import FormatError
from dataflow_assets.lake.draft.base import MOST_ROWS, Sample, write_options

_MOST_BYTES = 256 << 20  # of an array that are read
_DECODER = json.JSONDecoder()


def read_json(path: Path) -> Sample:
    """Look into a file of JSON.

    Raises:
        FormatError: it holds no objects, or is no JSON.
    """
    with path.open(encoding="utf-8-sig", errors="strict") as file:
        try:
            options, objects = _find_objects(file.read(_MOST_BYTES))
        except (ValueError, RecursionError) as error:
            raise FormatError(f"{path.name} is no JSON of which a source can be drafted: {error}.") from None
    leaves = _collect(objects)
    named = _names_of(leaves)
    lists = {name: kind for name, key in named.items() if "[*]" in key and (kind := _list_kind(leaves[key]))}
    flat = {name: key for name, key in named.items() if "[*]" not in key}
    notes = tuple(
        f"{key} is kept out: it is always empty, or holds several types"
        for name, key in named.items()
        if name not in {**flat, **lists}
    )
    return Sample(
        pl.DataFrame([pl.Series(name, map(_text, leaves[key]), pl.String) for name, key in flat.items()]),
        options,
        "Json",
        paths={name: key for name, key in named.items() if name in flat or name in lists},
        lists=lists,
        notes=notes,
    )


def _find_objects(text: str) -> tuple[str, list[dict[str, Any]]]:
    """The objects of a file, and how they are declared beside their paths.

    Raises:
        ValueError: it is no JSON.
    """
    if text.lstrip().startswith("["):
        return "", _dicts(json.loads(text))
    try:
        whole = json.loads(text)
    except ValueError:
        return write_options({"lines": True}), _dicts(_lines(text))
    if not isinstance(whole, dict):
        raise ValueError("it is no object and no array")
    arrays = {key: value for key, value in whole.items() if isinstance(value, list) and _dicts(value)}
    if len(arrays) == 1 and next(iter(arrays)).isidentifier():
        [(key, value)] = arrays.items()
        return write_options({"records": f"$.{key}"}), _dicts(value)
    return write_options({"lines": True}), [whole]


def _lines(text: str) -> Iterator[Any]:
    """The values of each line, of which one may hold several."""
    for line in text.split("\n"):
        place, bare = 0, line.strip().removeprefix("\ufeff")
        while place < len(bare):
            value, place = _DECODER.raw_decode(bare, place)
            yield value


def _dicts(values: Any) -> list[dict[str, Any]]:
    return list(islice((value for value in values if isinstance(value, dict)), MOST_ROWS))


def _collect(objects: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """The values at each path, None where an object has none."""
    leaves: dict[str, list[Any]] = {}
    for number, one in enumerate(objects):
        for json_path, value in _leaves(one, "$"):
            leaves.setdefault(json_path, [None] * number).append(value)
        for values in leaves.values():
            values.extend([None] * (number + 1 - len(values)))
    return leaves


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Each scalar of an object by its path; of a list of objects each key, as a list."""
    for key, inner in value.items():
        if {'"', "'", "\\"} & set(key):
            continue  # no path names such a key
        place = f"{path}.{key}" if key.isidentifier() else f'{path}."{key}"'
        if isinstance(inner, dict):
            yield from _leaves(inner, place)
        elif isinstance(inner, list) and inner and all(isinstance(one, dict) for one in inner):
            found: dict[str, list[Any]] = {}
            for one in inner:
                for leaf, scalar in _leaves(one, ""):
                    found.setdefault(leaf, []).append(scalar)
            yield from ((f"{place}[*]{leaf}", scalars) for leaf, scalars in found.items())
        else:
            yield (f"{place}[*]" if isinstance(inner, list) else place), inner


def _names_of(paths: Mapping[str, object]) -> dict[str, str]:
    """A name for each path: its last key, with those before it where that is not enough."""
    parts = {path: path.replace("[*]", "").replace('"', "").split(".")[1:] for path in paths}
    last = [part[-1] for part in parts.values()]
    return {
        ("_".join(part) if "[*]" in path or last.count(part[-1]) > 1 else part[-1]): path
        for path, part in parts.items()
    }


def _list_kind(values: list[Any]) -> str | None:
    kinds = {type(one) for inner in values if isinstance(inner, list) for one in inner if one is not None}
    names = {str: "dy.String(nullable=True)", int: "dy.Int64(nullable=True)", bool: "dy.Bool(nullable=True)"}
    return names.get(kinds.pop()) if len(kinds) == 1 else None


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return str(value).lower()
    return None if value is None else str(value)
