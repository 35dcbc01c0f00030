"""The tables of the sources: which there are, what they look like, and their rows.

Here: routes. Not here: how rows are read (see `reading`).
"""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from dataflow_assets.errors import NotFoundError
from dataflow_assets.serving.access import Principal, Reader, require_source
from dataflow_assets.serving.parameters import NoParameters
from dataflow_assets.serving.reading.describe import TableDescription, TableSummary, describe_table, summarize
from dataflow_assets.serving.reading.relations import Relation
from dataflow_assets.serving.state import ServingState, State

router = APIRouter(prefix="/v1/tables", tags=["tables"])


@router.get("")
async def list_tables(state: State, reader: Reader, _: Annotated[NoParameters, Query()]) -> list[TableSummary]:
    """The tables that you may read."""
    tables = state.tables.values()
    return [TableSummary(**summarize(table)) for table in tables if all(map(reader.may_read, table.sources))]


@router.get("/{table}")
async def read_table(table: str, state: State, reader: Reader, _: Annotated[NoParameters, Query()]) -> TableDescription:
    """A table: its columns and their types, its key, how fresh it is and how many rows it has."""
    found = _find(state, table, reader)
    return await state.rows.read(lambda session: describe_table(session, found))


@router.get("/{table}/rows", response_class=Response)
async def read_rows(table: str, request: Request, state: State, reader: Reader) -> Response:
    """Rows of a table: all of them in one stream, or with a limit as pages.

    Filters are columns: `name=value`, `name.gte=`, `name.lt=`, and `name.in=`, which may be repeated.
    """
    return await state.rows.respond(request, _find(state, table, reader), reader)


def _find(state: ServingState, name: str, reader: Principal) -> Relation:
    if name not in state.tables:
        known = ", ".join(table for table, found in state.tables.items() if all(map(reader.may_read, found.sources)))
        raise NotFoundError(f"There is no table {name!r}; you may read {known or 'none'}.")
    for source in state.tables[name].sources:
        require_source(reader, source)
    return state.tables[name]
