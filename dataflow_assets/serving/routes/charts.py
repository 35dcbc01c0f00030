"""The answers as drawings: what the page shows, and any other page may.

Here: a route. Not here: which charts there are (see `analytics.charts`), and how they are drawn (see `report`).
"""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from dataflow_assets.core.formatting import to_json
from dataflow_assets.report import draw
from dataflow_assets.serving.access import Reader
from dataflow_assets.serving.state import State
from dataflow_assets.warehouse.charts import DAYS, read_charts

router = APIRouter(prefix="/v1/charts", tags=["answers"])


class ChartParameters(BaseModel):
    """How much is drawn."""

    model_config = ConfigDict(extra="forbid")

    days: int = Field(DAYS, ge=1, le=3660, description="days up to the newest partition of each answer")


class Drawing(BaseModel):
    """A chart of an answer."""

    title: str = Field(examples=["average_session: seconds"])
    about: str
    svg: str = Field(description="with the classes grid, line and mark")


@router.get("", response_model=list[Drawing])
async def read_drawings(
    request: Request, state: State, reader: Reader, parameters: Annotated[ChartParameters, Query()]
) -> Response:
    """The charts of the answers that you may read."""
    answers = [answer for answer in state.answers.values() if all(map(reader.may_read, answer.reads))]

    def compute() -> bytes:
        charts = read_charts(state.database.url, answers, parameters.days)
        return to_json([{"title": chart.title, "about": chart.about, "svg": draw(chart)} for chart in charts]).encode()

    asked = ("charts", [answer.name for answer in answers], parameters.days)
    return await state.rows.respond_once(request, asked, answers, compute)
