"""Answers that are one file of SQL.

Here: a file to an answer, and putting a partition's values into its statement. Not here: running it (see
`warehouse.compute_answer`).

The file begins with comments that are TOML, and goes on with one statement that reads. It has the columns that the
header names, for one partition:

    -- description = "How many sessions start on the day."
    -- owner = "team:analytics"
    -- grain = "day"
    -- reads = ["streams"]
    -- [columns]
    -- sessions = {type = "Int64", min = 0}
    SELECT count(*) AS sessions FROM warehouse.streams
    WHERE event_day BETWEEN :first_day AND :last_day AND start_at >= :start AND start_at < :end

`:start` and `:end` are the instants of the partition's window, half-open. `:first_day` and `:last_day` are the event
days, both included, on which what it reads may have started: without them the database opens the tables of all days.
`:day` is the partition, of a month its first day. The header may also have `trailing_days` and `reads_overlapping`
(see `Answer`). A column has a type of `TYPES`, and what else that type of dataframely takes: `nullable`, `min`,
`primary_key`, `description`.
"""

import re
import tomllib
from collections.abc import Mapping
from itertools import takewhile
from pathlib import Path
from typing import Any

import dataframely as dy

from dataflow_assets.analytics.base import Answer
from dataflow_assets.errors import DeclarationError

PARAMETERS = ("start", "end", "day", "first_day", "last_day")
TYPES: Mapping[str, type[dy.Column]] = {
    column.__name__: column
    for column in (dy.Bool, dy.Date, dy.Datetime, dy.Decimal, dy.Float64, dy.Int32, dy.Int64, dy.String)
}
_KEYS: Mapping[str, tuple[type, str]] = {
    **dict.fromkeys(("description", "owner", "grain"), (str, "a text")),
    "reads": (list, "a list of sources"),
    "columns": (dict, "columns"),
    "trailing_days": (int, "a whole number"),
    "reads_overlapping": (bool, "true or false"),
}
_COMMENT = "--"
# A parameter; or what else holds a colon: a text, a quoted name, a text in dollars, a comment, a cast.
_TOKEN = re.compile(
    r"""(?:'(?:[^']|'')*'|"(?:[^"]|"")*"|(\$\w*\$).*?\1|--[^\n]*|/\*.*?\*/|::)|:(?P<name>[A-Za-z_]\w*)""", re.DOTALL
)


def read_sql_answer(path: Path) -> Answer:
    """The answer that a file declares; it is named like the file.

    Raises:
        DeclarationError: the file says too little, or something else; the message names it.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        header = list(takewhile(lambda line: line.startswith(_COMMENT), lines))
        statement = "\n".join(lines[len(header) :]).strip().removesuffix(";")
        said = tomllib.loads("\n".join(line.removeprefix(_COMMENT).strip() for line in header))
        _require_kinds(said)
        if not statement:
            raise ValueError("it has no statement behind its header")
        bind(statement, dict.fromkeys(PARAMETERS, ""))
        return _answer(path.stem, said, statement)
    except (ValueError, TypeError, KeyError) as error:
        reason = f"its header lacks {error}" if isinstance(error, KeyError) else str(error)
        raise DeclarationError(f"{path} is no answer: {reason.rstrip('.')}.") from None


def bind(statement: str, literals: Mapping[str, str]) -> str:
    """A statement with SQL literals in place of its parameters; a colon in a text or a comment is none.

    Raises:
        ValueError: the statement has a parameter of another name.
    """

    def put(token: re.Match[str]) -> str:
        name = token["name"]
        if name is None:
            return token[0]
        if name not in literals:
            raise ValueError(f"its statement has the parameter :{name}; there are {', '.join(literals)}")
        return literals[name]

    return _TOKEN.sub(put, statement)


def _require_kinds(said: Mapping[str, Any]) -> None:
    if unknown := said.keys() - _KEYS:
        raise ValueError(f"its header says {sorted(unknown)}, which no answer has")
    for name, value in said.items():
        kind, meant = _KEYS[name]
        if type(value) is not kind:  # true is a whole number too
            raise ValueError(f"its header says {name} = {value!r}, which is not {meant}")


def _answer(name: str, said: Mapping[str, Any], statement: str) -> Answer:
    if (grain := said["grain"]) not in ("day", "month"):
        raise ValueError(f"its grain is {grain!r}, neither day nor month")
    columns = {column: _column(column, about) for column, about in said["columns"].items()}
    if grain in columns:
        raise ValueError(f"its column {grain!r} is the partition, which it has without being told")
    partition = {
        "__doc__": said["description"],
        grain: dy.Date(primary_key=True, description=f"the {grain} that the row speaks of"),
    }
    return Answer(
        name=name,
        description=said["description"],
        owner=said["owner"],
        grain=grain,
        schema=type(name.title().replace("_", ""), (dy.Schema,), {**partition, **columns}),
        reads=tuple(said["reads"]),
        statement=statement,
        trailing_days=said.get("trailing_days", 0),
        reads_overlapping=said.get("reads_overlapping", False),
    )


def _column(name: str, said: object) -> dy.Column:
    about = dict(said) if isinstance(said, dict) else {}
    kind = TYPES.get(about.pop("type", ""))
    if kind is None:
        raise ValueError(f"its column {name!r} needs a type, one of {', '.join(TYPES)}")
    return dy.Datetime(time_zone="UTC", **about) if kind is dy.Datetime else kind(**about)
