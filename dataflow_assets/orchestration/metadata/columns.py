"""The columns of an asset as its page shows them: name, type of the store, whether it may be null, meaning.

Here: from declarations and tables to Dagster's columns, those that the platform adds included. Not here: from which
others they are made (see `lineage`).
"""

from collections.abc import Mapping

import dagster as dg
import polars as pl
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from dataflow_assets.analytics import Answer
from dataflow_assets.lake.delta.table import REJECTS, rows_schema, type_names
from dataflow_assets.postgres.schema import build_metadata, tables_of
from dataflow_assets.sources.base import Source

_OF_THE_LAKE = {
    "position": "The row's number in the delivered object.",
    "object": "The object that it came in, by its key in landing.",
    "delivery_day": "The day of delivery.",
    "delivery": "The delivery that gave it; `ledger.deliveries` says more of each.",
    "event_date": "The UTC date of its event time.",
}
_OF_REJECTS = {
    **_OF_THE_LAKE,
    "line": "Where it begins in the object: a line, or the number of a record.",
    "code": "Why it was rejected, as a code that stays the same.",
    "message": "Why it was rejected, as a sentence.",
    "raw": "Its text as it was delivered.",
    "source": "The source to which it was delivered.",
    "run": "The run that rejected it.",
}


def columns_of_warehouse(source: Source) -> list[dg.TableColumn]:
    """The columns of the table that people query, with types of PostgreSQL."""
    return _columns_of(tables_of(source)[0])


def columns_of_answer(answer: Answer) -> list[dg.TableColumn]:
    """The columns of an answer's table, with types of PostgreSQL, which DuckDB knows too."""
    [table] = build_metadata([], {answer.name: answer.schema}).sorted_tables
    return _columns_of(table)


def columns_of_lake(source: Source) -> list[dg.TableColumn]:
    """The columns of the accepted rows, with types of Delta Lake."""
    declared = source.schema.columns()
    meanings = {name: column.description for name, column in declared.items()}
    required = {name for name, column in declared.items() if not column.nullable}
    schema = rows_schema(source)
    return _columns_of_delta(schema, _OF_THE_LAKE | meanings, required | schema.keys() - declared.keys())


def columns_of_rejects() -> list[dg.TableColumn]:
    """The columns of the rejected rows, with types of Delta Lake."""
    return _columns_of_delta(REJECTS, _OF_REJECTS, REJECTS.keys() - {"line"})


def _columns_of(table: sa.Table) -> list[dg.TableColumn]:
    return [
        _column(column.name, _sql_type(column.type), column.comment, is_nullable=bool(column.nullable))
        for column in table.columns
    ]


def _sql_type(kind: sa.types.TypeEngine[object]) -> str:
    name = kind.compile(postgresql.dialect()).lower()  # type: ignore[no-untyped-call]
    return "double precision" if name == "float" else name  # which has four bytes elsewhere


def _columns_of_delta(
    schema: pl.Schema, meanings: Mapping[str, str | None], required: set[str]
) -> list[dg.TableColumn]:
    types = type_names(schema)
    return [_column(name, types[name], meanings.get(name), is_nullable=name not in required) for name in schema]


def _column(name: str, kind: str, meaning: str | None, *, is_nullable: bool) -> dg.TableColumn:
    constraints = dg.TableColumnConstraints(nullable=is_nullable)
    return dg.TableColumn(name, kind, description=_sentence(meaning), constraints=constraints)


def _sentence(meaning: str | None) -> str | None:
    """A meaning as a sentence: comments of tables are parts of one."""
    return meaning and f"{meaning[0].upper()}{meaning[1:].rstrip('.')}."
