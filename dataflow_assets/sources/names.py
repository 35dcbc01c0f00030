"""Which names sources and answers may have, so that all that is named after them can be made.

Here: the rules, for names alone. Not here: the names of columns that the platform has itself (see `base`), and the
tables (see `postgres.schema`).

Of a source `visits` of events the platform makes the table `visits` with a table `visits_20240131` for each day, and
beside the asset `lake/visits` one `lake/visits_days`; of a snapshot source `users` the tables `users_current` and
`users_history`, and the view `users`. An answer reads a source as an argument of its name.
"""

import keyword
import re
from collections.abc import Collection, Iterable, Iterator
from typing import Protocol

CURRENT, HISTORY, DAYS = "_current", "_history", "_days"
_NAME = re.compile("[a-z][a-z0-9_]*")
_OWNER = re.compile(r"team:.+|[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,7}")  # as Dagster takes one
_DAY_TABLE = re.compile(r"_\d{8}$")
_LAKE_TABLES = ("rejects",)  # beside those of the sources
_ARGUMENTS = ("window",)  # of an answer, beside those of the sources
LONGEST_NAME = 63  # bytes of a name that PostgreSQL keeps; a longer one is cut, and may then be that of another
_LONGEST_SOURCE = LONGEST_NAME - len("_20240131") - len("_0a1b2c3d")  # a day that is made aside has a number of its own
_SYSTEM_COLUMNS = ("tableoid", "xmin", "cmin", "xmax", "cmax", "ctid")
_LONGEST_ANSWER = LONGEST_NAME - len("_by_month")  # its index


def find_source_problem(name: str) -> str | None:
    """Why a source cannot have a name, as part of a sentence; None where it can."""
    if not _NAME.fullmatch(name):
        return "use small letters, digits and underscores, and begin with a letter"
    if name in _LAKE_TABLES:
        return "the lake has a table of that name itself"
    if keyword.iskeyword(name) or name in _ARGUMENTS:
        return "an answer cannot take an argument of that name"
    if name.endswith(CURRENT) or _DAY_TABLE.search(name):
        return f"what ends in {CURRENT} or in a day is the name of a table that the platform makes"
    return _find_length_problem(name, _LONGEST_SOURCE)


def find_answer_problem(name: str) -> str | None:
    """Why an answer cannot have a name, as part of a sentence; None where it can."""
    if not _NAME.fullmatch(name):
        return "use small letters, digits and underscores, and begin with a letter"
    return _find_length_problem(name, _LONGEST_ANSWER)


def names_of_tables(source: str) -> frozenset[str]:
    """The names of the two tables behind a view of the latest values, and of their keys."""
    tables = [source + CURRENT, source + HISTORY]
    return frozenset([*tables, *(f"{table}_pkey" for table in tables)])


def _find_length_problem(name: str, longest: int) -> str | None:
    if len(name) <= longest:
        return None
    return f"it has {len(name)} letters, and at most {longest} leave room for what is named after it"


def find_column_problems(names: Collection[str]) -> Iterator[str]:
    """A sentence for each column that PostgreSQL cannot name so, and one where people would take two for one."""
    if len({name.lower() for name in names}) < len(names):
        yield "two columns differ by upper and lower case alone"
    for name in names:
        if name.lower() in _SYSTEM_COLUMNS:
            yield f"PostgreSQL has a column {name!r} itself in every table"
        elif not name or "\0" in name:
            yield f"PostgreSQL cannot name a column {name!r}"
        elif (length := len(name.encode())) > LONGEST_NAME:
            yield f"the name of the column {name!r} has {length} bytes, of which PostgreSQL keeps {LONGEST_NAME}"


class Named(Protocol):
    """A declaration, whose it is, and the names that it gives: its own, and those of all that is made of it."""

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def owner(self) -> str: ...  # noqa: D102

    @property
    def given_names(self) -> frozenset[str]: ...  # noqa: D102


def find_collisions(kind: str, declared: Iterable[Named]) -> Iterator[str]:
    """A sentence for each name that two declarations of a kind (in the plural) would both give."""
    owners: dict[str, Named] = {}
    for one in declared:
        for name in sorted(one.given_names):
            first = owners.setdefault(name, one)
            if first is not one:
                both = f"the {kind} {first.name} and {one.name}"
                yield f"{both} would both give something the name {name}; rename one of them"


def find_wrong_owners(kind: str, declared: Iterable[Named]) -> Iterator[str]:
    """A sentence for each declaration of a kind (in the singular) with an owner that no asset can have."""
    for one in declared:
        if not _OWNER.fullmatch(one.owner):
            yield f"{kind} {one.name}: its owner is {one.owner!r}; write team:name or an address of e-mail"
