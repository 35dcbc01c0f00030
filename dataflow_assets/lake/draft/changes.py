"""What tells that rows are changes: the code of a change, and what they are in order by.

Here: pure functions over a sample. Not here: types (see `columns`), and how a declaration is written.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from dataflow_assets.lake.draft.columns import Column, find_key, names_a_thing

_CODES = {  # of a delete, among those of all changes
    "D": {"I", "U", "D", "N", "A", "C", "M"},
    "d": {"i", "u", "d", "c", "r"},
    "DELETE": {"INSERT", "UPDATE", "DELETE", "UPSERT"},
    "delete": {"insert", "update", "delete", "upsert", "create", "read"},
    "deleted": {"inserted", "updated", "deleted", "created"},
    "Delete": {"Insert", "Update", "Delete", "Upsert"},
}
_IS_CODE = re.compile(r"(^op$|_op$|operation|action|change|^code$|event_type|dml)", re.IGNORECASE)
_IS_DELETED = re.compile(r"(deleted|removed|tombstone)", re.IGNORECASE)
_ORDERS = re.compile(
    r"(updated|changed|modified|commit|seq|lsn|scn|version|revision|offset|(?:^|_)ts(?:_|$))", re.IGNORECASE
)
_IN_ORDER = ("dy.Int64", "dy.Datetime", "dy.Date")


@dataclass(frozen=True)
class Marks:
    """The column that tells a delete, what of it does, in Python, and the column by which changes are in order."""

    column: str | None
    deletes: str | None
    ordered_by: str | None


def find_marks(texts: pl.DataFrame, columns: Sequence[Column]) -> Marks:
    """What tells a change from another."""
    ordered = (one.name for one in columns if one.declared in _IN_ORDER and _ORDERS.search(one.name))
    ordered_by = next((name for name in ordered if texts[name].null_count() == 0), None)
    for column in columns:
        said = _says_delete(texts[column.name], column)
        if said is not None:
            return Marks(column.name, f'pl.col("{column.name}"){said}', ordered_by)
    return Marks(None, None, ordered_by)


def _says_delete(texts: pl.Series, column: Column) -> str | None:
    """What follows the column in an expression that is true of a delete; None where it tells none."""
    if not column.name.isidentifier():
        return None
    if column.declared == "dy.Bool" and _IS_DELETED.search(column.name):
        return ""
    values = set(texts.drop_nulls().unique())
    if values and _IS_CODE.search(column.name):
        return next((f' == "{delete}"' for delete, codes in _CODES.items() if values <= codes), None)
    return None


def find_key_of_changes(texts: pl.DataFrame, columns: Sequence[Column], marks: Marks) -> tuple[str, ...] | None:
    """The columns that say which row is changed: of those that seem to identify it the first, or the fewest."""
    rest = [one for one in columns if one.name not in (marks.column, marks.ordered_by) and not one.is_instant]
    named = [one.name for one in rest if names_a_thing(texts[one.name], one)]
    return (named[0],) if named else find_key(texts.select(one.name for one in rest), rest)
