"""Pages of JSON: the records in one, each as it was written.

Here: finding them in the text, and the next page in a header. Not here: asking for a page (see `rest`).
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, Self

from dataflow_assets.sources.formats.json_paths import parse_path

_BLANKS = " \t\r\n"
_MOST_VALUES = 2_000_000  # of which each takes some hundred bytes of memory
_ERRORS = ("error", "errors")
_PARAMETER = r""";\s*([^\s;,="]*)\s*(?:=\s*("(?:[^"\\]|\\.)*"|'[^']*'|[^\s;,]*))?\s*"""
_LINK = re.compile(rf"<([^<>]*)>\s*((?:{_PARAMETER})*)")
_ON_ONE_LINE = str.maketrans("\n\r", "  ")  # between the parts of JSON any white space means the same


class PageError(Exception):
    """A text is no page of records."""


@dataclass(frozen=True)
class Page:
    """A page: the text of each record on one line, the whole, and the address of the next as a header says it."""

    records: Sequence[str]
    content: Any
    link: str | None

    @classmethod
    def of(cls, text: str, path: str, link: str | None = None) -> Self:
        """The page that a text is, whose array of records is at a path.

        Raises:
            PageError: it is no JSON, holds too much, tells an error, or there is no such array.
        """
        if sum(map(text.count, "[{,")) > _MOST_VALUES:
            raise PageError(f"it holds more than {_MOST_VALUES:,} values; ask for smaller pages")
        try:
            content = json.loads(text, parse_constant=_refuse)
        except (ValueError, RecursionError):
            raise PageError("it is no JSON") from None
        if isinstance(content, dict) and (said := [content[name] for name in _ERRORS if content.get(name)]):
            raise PageError(f"it says {json.dumps(said[0])[:200]}")
        keys = parse_path(path)
        place = 0
        for key in keys:
            found = dict(_members(text, place))
            if key not in found:
                raise PageError(f"it has nothing at {path}")
            place = found[str(key)]
        place = _skip(text, place)
        if text[place] != "[":
            raise PageError(f"it has no array at {path}")
        return cls([one.translate(_ON_ONE_LINE) for one in _elements(text, place)], content, link)

    def value(self, path: str) -> Any:
        """What is at a path; None where there is nothing."""
        value = self.content
        for key in parse_path(path):
            value = value.get(key) if isinstance(value, dict) else None
        return value


def next_link(header: str) -> str | None:
    """The address that a `Link` header (RFC 8288) gives the relation `next`; None where it gives none.

    >>> from dataflow_assets.collectors.rest.pages import next_link
    >>> next_link('</orders?page=1>; rel=prev, </orders?page=3;sort=id>; title="Next, please"; Rel="next last"')
    '/orders?page=3;sort=id'
    """
    for found in _LINK.finditer(header):
        relations = [value for name, value in re.findall(_PARAMETER, found[2]) if name.lower() == "rel"]
        if relations and "next" in relations[0].strip("\"'").lower().split():
            return found[1].strip()
    return None


def _refuse(name: str) -> NoReturn:
    raise ValueError(name)


_decode = json.JSONDecoder().raw_decode


def _skip(text: str, place: int) -> int:
    while text[place] in _BLANKS:
        place += 1
    return place


def _members(text: str, place: int) -> Iterator[tuple[str, int]]:
    """The keys of the object at a place of sound JSON, and where their values begin; none where it is no object."""
    place = _skip(text, place)
    if text[place] != "{":
        return
    place = _skip(text, place + 1)
    while text[place] != "}":
        key, place = _decode(text, place)
        place = _skip(text, _skip(text, place) + 1)
        yield key, place
        _, place = _decode(text, place)
        place = _skip(text, place)
        if text[place] == ",":
            place = _skip(text, place + 1)


def _elements(text: str, place: int) -> Iterator[str]:
    """The texts of the elements of the array at a place of sound JSON."""
    place = _skip(text, place + 1)
    while text[place] != "]":
        _, end = _decode(text, place)
        yield text[place:end]
        place = _skip(text, end)
        if text[place] == ",":
            place = _skip(text, place + 1)
