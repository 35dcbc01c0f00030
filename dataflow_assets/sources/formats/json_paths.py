"""Paths into JSON, as RFC 9535 writes them.

Here: which of them can be read, and the one form in which the parser takes them. Not here: what is at a path.
"""

import json
import re
from collections.abc import Iterator, Sequence

_SEGMENT = re.compile(
    r"""\.(?P<name>[^.\[\]"'*\s](?:[^.\[\]"'*]*[^.\[\]"'*\s])?)(?=[.\[]|\Z)
    |\.(?P<quoted>"(?:[^"\\]|\\.)*")
    |\[(?:(?P<double>"(?:[^"\\]|\\.)*")|'(?P<single>(?:[^'\\]|\\.)*)')\]
    |(?P<index>\[(?:\#?-)?[0-9]+\])
    |(?P<every>\.\*|\[\*\])""",
    re.VERBOSE,
)
_EVERY = (".*", "[*]")


def parse_path(path: str) -> list[str | None]:
    """The steps of a path: the key of an object, or None for an element or for every one.

    Raises:
        ValueError: it is no path that can be read; what it says follows the path in a sentence.
    """
    return [key for key, _ in _steps(path)]


def path_steps(path: str) -> list[str | int | None]:
    """The steps of a path: the key of an object, the number of an element (from -1 the last ones), or None for all."""
    steps = _steps(path)
    return [key if key is not None else None if step in _EVERY else int(step.strip("[#]")) for key, step in steps]


def normal_path(path: str) -> str:
    """A path as the parser takes it.

    Raises:
        ValueError: as `parse_path`.
    """
    return "$" + "".join(step for _, step in _steps(path))


def is_of_many(path: str) -> bool:
    """Whether several values may be at a path."""
    return any(step in _EVERY for _, step in _steps(path))


def find_holders(path: str) -> Iterator[tuple[str, str]]:
    """What leads to the value at a path: the path of each, as the parser takes it, and the type that it must have."""
    steps = _steps(path)
    for length in range(1, len(steps)):
        held, (key, step) = steps[:length], steps[length]
        if held[-1][1] in _EVERY:
            return
        yield "$" + "".join(one for _, one in held), "OBJECT" if key is not None or step == ".*" else "ARRAY"


def with_key(path: str, place: int, key: str) -> str:
    """A path as the parser takes it, of which the key at a place is another one."""
    steps = [step for _, step in _steps(path)]
    return "$" + "".join([*steps[:place], _key_step(key), *steps[place + 1 :]])


def key_path(keys: Sequence[str]) -> str:
    """The path of a key in an object in an object, as the parser takes it."""
    return "$" + "".join(map(_key_step, keys))


def _steps(path: str) -> list[tuple[str | None, str]]:
    if not path.startswith("$"):
        raise ValueError(f"{path!r} is no JSON path: one begins with $")
    found, place = list[tuple[str | None, str]](), 1
    while place < len(path):
        segment = _SEGMENT.match(path, place)
        if segment is None:
            raise ValueError(
                f"{path!r} is no JSON path that can be read, from {path[place:]!r} on: it may have the steps "
                '.key, ["any key"], [0], [-1] and [*], and no other of RFC 9535'
            )
        found.append(_step(segment, path))
        place = segment.end()
    return found


def _step(segment: re.Match[str], path: str) -> tuple[str | None, str]:
    if step := segment["index"] or segment["every"]:
        return None, step
    key = segment["name"]
    if key is None:
        single = segment["single"]
        text = segment["quoted"] or segment["double"] or '"' + re.sub(r"\\.|\"", _in_double_quotes, single) + '"'
        try:
            key = str(json.loads(text))
        except ValueError:
            raise ValueError(f"{path!r} is no JSON path: {text} is no text of JSON") from None
    if key in ("", "*"):
        raise ValueError(f"{path!r} cannot be read: the parser has no way to name the key {key!r}")
    return key, _key_step(key)


def _key_step(key: str) -> str:
    escaped = key.replace("\\", "\\\\").replace('"', '\\"')
    return f'."{escaped}"'


def _in_double_quotes(found: re.Match[str]) -> str:
    return {r"\'": "'", '"': r"\""}.get(found[0], found[0])
