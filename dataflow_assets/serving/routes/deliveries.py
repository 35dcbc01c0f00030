"""What became of what was delivered: every version of every landed object, and the rows that were rejected.

Here: routes. Not here: sending something in, and how rows are read (see `reading`).
"""

from fastapi import APIRouter, Request, Response

from dataflow_assets.serving.access import Reader
from dataflow_assets.serving.state import State

router = APIRouter(prefix="/v1", tags=["deliveries"])


@router.get("/deliveries", response_class=Response)
async def read_deliveries(request: Request, state: State, reader: Reader) -> Response:
    """What became of every version of every landed object of the sources that you may read."""
    return await state.rows.respond(request, state.ledger_tables["deliveries"], reader)


@router.get("/rejects", response_class=Response)
async def read_rejects(request: Request, state: State, reader: Reader) -> Response:
    """Every rejected row of the sources that you may read: its text, where it stood, and why it was rejected."""
    return await state.rows.respond(request, state.ledger_tables["rejects"], reader)
