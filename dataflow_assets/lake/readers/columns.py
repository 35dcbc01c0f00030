"""Which column of a file is which of its source's.

Here: matching names, exactly or without case and outer blanks. Not here: reading the names (see each format), and what
becomes of a delivery that lacks one and brings others (see `lake.quarantine`).
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from dataflow_assets.errors import FormatError
from dataflow_assets.sources.base import Source

_MOST_QUOTED = 20


class Matched(NamedTuple):
    """The names of a file's columns, each once: the declared name where it is one of the source's.

    `repaired` counts those that differ from the declared name by case or outer blanks alone.
    """

    names: list[str]
    repaired: int


def match_columns(found: Sequence[str], source: Source, name: str) -> Matched:
    """Match the columns of a file, named `name`, with those that its source declares.

    An exact name counts before an alias, and an alias before one that differs by case and outer blanks. Names that
    nobody reads may come more than once.

    Raises:
        FormatError: two columns may be the same declared one.
    """
    names, repaired = list(found), 0
    declared = source.schema.column_names()
    for column in declared:
        exact = [place for place, other in enumerate(found) if other == column]
        aliases = source.aliases.get(column, ())
        alias = [place for place, other in enumerate(found) if other in aliases and other not in declared]
        alike = [
            place
            for place, other in enumerate(found)
            if fold_name(other) == fold_name(column) and other not in declared
        ]
        places = exact or alias or alike
        if len(places) > 1:
            quoted = ", ".join(repr(found[place]) for place in places)
            raise FormatError(f"{name} names the column {column} twice: {quoted}.")
        for place in places:
            names[place] = column
            repaired += not exact and not alias
    return Matched(_each_once(names, declared), repaired)


def find_missing_columns(found: Iterable[str], source: Source) -> set[str]:
    """The declared columns that are not among those of a file, though it may not leave them out."""
    return set(source.schema.column_names()).difference(found, source.optional_columns)


def quote_names(names: Sequence[str]) -> str:
    """The first of some names, for a sentence."""
    some = ", ".join(repr(name) for name in names[:_MOST_QUOTED]) or "no columns"
    return f"{some} and {len(names) - _MOST_QUOTED:,} more" if len(names) > _MOST_QUOTED else some


def fold_name(name: str) -> str:
    """A name without what two names of one column may differ by: case and outer blanks."""
    return name.strip().casefold()


def _each_once(names: list[str], declared: Sequence[str]) -> list[str]:
    """The names, with a number behind one that came before and that nobody reads."""
    seen: set[str] = set(declared)
    for place, name in enumerate(names):
        number, new = 2, name
        while new in seen and name not in declared:
            number, new = number + 1, f"{name} ({number})"
        seen.add(new)
        names[place] = new
    return names
