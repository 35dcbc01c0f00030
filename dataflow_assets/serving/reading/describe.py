"""What can be read, described for those who read it: columns, keys, how fresh it is and how many rows it has.

Here: those descriptions, and what they are read from. Not here: rows.
"""

from datetime import date
from typing import Any

from pydantic import BaseModel, Field

from dataflow_assets.ledger.event_days import read_day_counts
from dataflow_assets.ledger.snapshots import read_snapshot
from dataflow_assets.postgres.connection import Connection
from dataflow_assets.postgres.sql import execute
from dataflow_assets.serving.reading.relations import Column, Relation
from dataflow_assets.serving.reading.values import json_schema
from dataflow_assets.sources.base import Events, Source
from dataflow_assets.warehouse.staleness import find_stale_days

_MOST_STALE = 31  # days that are named


class ColumnDescription(BaseModel):
    """A column: its types in PostgreSQL and in JSON, and whether it comes when no columns are named."""

    name: str = Field(examples=["size_mb"])
    sql_type: str = Field(examples=["FLOAT"])
    json_schema: dict[str, Any] = Field(description="of its values in JSON", examples=[{"type": "number"}])
    is_nullable: bool
    is_shown: bool = Field(description="whether it comes when no columns are named")
    can_be_filtered: bool
    description: str


class Freshness(BaseModel):
    """The days that a table holds, and those on which the lake has something newer.

    Days are those of events; of snapshots and changes days of delivery.
    """

    oldest_day: date | None = Field(description="of events alone")
    newest_day: date | None
    stale_days: list[date] = Field(
        description=f"days that are behind the lake, {_MOST_STALE} at most, the newest first"
    )
    stale_days_count: int


class TableSummary(BaseModel):
    """What can be read under one name."""

    name: str = Field(examples=["streams"])
    kind: str = Field(examples=["events"], description="events, snapshot, changes or history")
    source: str = Field(examples=["streams"])
    description: str
    owner: str = Field(examples=["team:player"])
    rows_url: str = Field(examples=["/v1/tables/streams/rows"])


class TableDescription(TableSummary):
    """A table with its columns, its freshness and the number of its rows."""

    columns: list[ColumnDescription]
    key: list[str] = Field(description="the declared columns that identify a row", examples=[["movie_title"]])
    order: list[str] = Field(description="the columns by which pages are ordered", examples=[["event_day", "id"]])
    rows: int = Field(description="how many there are; of events as the ledger says")
    freshness: Freshness


class AnswerDescription(BaseModel):
    """An answer: what it says of each day or month."""

    name: str = Field(examples=["engaged_users"])
    description: str
    owner: str
    grain: str = Field(examples=["day"])
    reads: list[str] = Field(description="the sources that it is made from; whoever reads it may read all of them")
    question: str | None = Field(description="where it can be asked of any window of time")
    question_window: list[str] | None = Field(
        description="the parameters of the question that say from when to when", examples=[["from", "to"]]
    )
    rows_url: str = Field(examples=["/v1/answers/engaged_users"])
    columns: list[ColumnDescription]


def summarize(relation: Relation) -> dict[str, Any]:
    """The fields of a `TableSummary`."""
    assert isinstance(relation.of, Source)
    return {
        "name": relation.name,
        "kind": relation.kind,
        "source": relation.of.name,
        "description": relation.description,
        "owner": relation.of.owner,
        "rows_url": f"/v1/tables/{relation.name}/rows",
    }


def describe_table(connection: Connection, relation: Relation) -> TableDescription:
    """A table as it is now."""
    source = relation.of
    assert isinstance(source, Source)
    rows, oldest, newest = _extent(connection, relation, source)
    stale = sorted(find_stale_days(connection, source), reverse=True)
    return TableDescription(
        **summarize(relation),
        columns=describe_columns(relation),
        key=list(source.key),
        order=list(relation.order),
        rows=rows,
        freshness=Freshness(
            oldest_day=oldest, newest_day=newest, stale_days=stale[:_MOST_STALE], stale_days_count=len(stale)
        ),
    )


def _extent(connection: Connection, relation: Relation, source: Source) -> tuple[int, date | None, date | None]:
    """How many rows there are, and the first and the last day."""
    if isinstance(source, Events):
        counts = read_day_counts(connection, source, date.min, date.max)
        days = [day for day, _ in counts]
        return sum(count for _, count in counts), min(days, default=None), max(days, default=None)
    statement = f"SELECT count(*) FROM {relation.table} AS t WHERE {relation.condition}"  # noqa: S608
    [(rows,)] = execute(connection, statement)
    return int(rows), None, read_snapshot(connection, source).newest_day


def describe_columns(relation: Relation) -> list[ColumnDescription]:
    """The columns of a relation, in their order."""
    return [_describe(column, relation) for column in relation.columns.values()]


def _describe(column: Column, relation: Relation) -> ColumnDescription:
    return ColumnDescription(
        name=column.name,
        sql_type=column.sql_type,
        json_schema=json_schema(column),
        is_nullable=column.is_nullable,
        is_shown=column.name in relation.shown,
        can_be_filtered=not column.is_json,
        description=column.description,
    )
