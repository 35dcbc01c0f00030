"""Rows that name something which the table of another source does not have.

Here: asking the database, with one statement for all days. Not here: which references there are (see `sources`) and
what follows from an unknown name: nothing but a warning, the row stays.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from dataflow_assets.postgres.connection import Connection
from dataflow_assets.postgres.schema import WAREHOUSE
from dataflow_assets.postgres.sql import execute, identifier, literal
from dataflow_assets.sources.base import Events, Reference, Source
from dataflow_assets.sources.changes import Changes

_MOST_NAMES = 10


@dataclass(frozen=True)
class UnknownNames:
    """What a column names that nobody knows: in how many rows, how many names, and the first of them in order.

    `day` is the event day; of a snapshot, whose table is looked at as it stands, there is none.
    """

    column: str
    day: date | None
    rows: int
    names: int
    first_names: tuple[str, ...]


def find_empty_references(connection: Connection, source: Source) -> list[Reference]:
    """The references of a source to a table that nothing was loaded into yet: it cannot tell what is unknown."""
    statement = "SELECT NOT EXISTS (SELECT FROM {})"
    return [
        reference
        for reference in source.references
        if execute(connection, statement.format(identifier(WAREHOUSE, reference.source)))[0][0]
    ]


def find_unknown_names(
    connection: Connection, source: Source, references: Sequence[Reference], first: date, last: date
) -> list[UnknownNames]:
    """What a source's rows name in vain: of events on these days, of a snapshot in the rows that are not missing.

    Every name that the other table has ever had counts as known, missing or not, whatever its upper and lower case.
    """
    days = f"BETWEEN {literal(first.isoformat())} AND {literal(last.isoformat())}"
    statement = " UNION ALL ".join(_statement(source, reference, days) for reference in references)
    found = execute(connection, f"{statement} ORDER BY 1, 2") if references else []
    return [UnknownNames(column, day, rows, names, tuple(json.loads(few))) for column, day, rows, names, few in found]


def _statement(source: Source, reference: Reference, days: str) -> str:
    """Most names are known as they are written: only the others are folded, once each and not row by row."""
    column, known = (f"{identifier(name)}::text" for name in (reference.column, reference.to_column))
    gone = "deleted_at" if isinstance(source, Changes) else "missing_since"
    is_events = isinstance(source, Events)
    day, wanted = ("event_day", f"event_day {days}") if is_events else ("NULL::date", f"{gone} IS NULL")
    from_known = f"FROM {identifier(WAREHOUSE, reference.source)} AS known WHERE"
    return f"""
        SELECT {literal(reference.column)}, day, sum(rows)::bigint, count(*),
            to_json((array_agg(named.name ORDER BY named.name))[:{_MOST_NAMES}])::text
        FROM (
            SELECT {day} AS day, naming.{column} AS name, count(*) AS rows
            FROM {identifier(WAREHOUSE, source.name)} AS naming
            WHERE {wanted} AND naming.{column} IS NOT NULL
                AND NOT EXISTS (SELECT {from_known} known.{known} = naming.{column})
            GROUP BY 1, 2) AS named
        WHERE NOT EXISTS (SELECT {from_known} lower(known.{known}) = lower(named.name))
        GROUP BY day"""  # noqa: S608
