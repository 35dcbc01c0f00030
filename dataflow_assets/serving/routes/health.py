"""Whether the server can answer.

Here: one route, open to everybody, which tells nothing else. Not here: whether the data are as they should be (see
`dataflow doctor`).
"""

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from dataflow_assets.postgres.sql import execute
from dataflow_assets.serving.state import State

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """All is well; otherwise the answer is a problem."""

    status: Literal["ok"] = "ok"
    answers_kept: str = Field(
        description="where answers are kept: in process, or redis; if redis is away, the API goes on without",
        examples=["in process"],
    )


@router.get("/health")
async def read_health(state: State) -> Health:
    """Whether the server and its database can answer."""
    await state.database.read(lambda connection: execute(connection, "SELECT 1"))
    return Health(answers_kept=state.rows.cache.state)
