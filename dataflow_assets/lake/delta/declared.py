"""Whether what a version of a Delta table holds fits what is declared of it now.

Here: comparing them, and the sentence where they differ. Not here: opening a table, and adding new columns (see
`table`).
"""

from deltalake import Schema
from deltalake.schema import PrimitiveType

from dataflow_assets.errors import SchemaMismatchError
from dataflow_assets.lake.delta.opened import OpenedTable

EVENT_TIME = "dataflow.eventTime"  # the property of a table that names the column of which `event_date` is the date


def existing_columns(name: str, opened: OpenedTable, declared: Schema, event_time: str | None) -> set[str]:
    """The names of the columns that a version of a table has, all of which fit the declaration.

    A column that is no longer declared stays in the files, and nobody reads it. A table that does not say of which time
    its dates are has those of the declared one.

    Args:
        name: of the table.
        opened: the version.
        declared: the columns.
        event_time: of which `event_date` is to be the UTC date; None where there is none.

    Raises:
        SchemaMismatchError: a column is of another type, or the dates are those of another column.
    """
    dated_by = opened.metadata().configuration.get(EVENT_TIME, event_time)
    if dated_by != event_time and opened.file_uris():
        raise SchemaMismatchError(
            f"The lake's table {name} holds each event by the date of {dated_by}, and the declaration says that its "
            f"event time is {event_time} now. {_what_to_do('event time')}"
        )
    existing = {column.name: column.type for column in opened.schema().fields}
    for column in declared.fields:
        if (existing_type := existing.get(column.name, column.type)) != column.type:
            raise SchemaMismatchError(
                f"The lake's table {name} holds the column {column.name} as {type_name(existing_type)}, and the "
                f"declaration says {type_name(column.type)} now. {_what_to_do('type')}"
            )
    return set(existing)


def _what_to_do(former: str) -> str:
    return (
        f"Nothing was written: declare the former {former} again, or make the source's tables anew, as "
        "docs/how-to/change-a-source.md says."
    )


def type_name(delta_type: object) -> str:
    """A type of Delta Lake as its own documentation spells it: `long`, `decimal(10,2)`, `timestamp`."""
    return delta_type.type if isinstance(delta_type, PrimitiveType) else str(delta_type)
