"""The answers as drawings: what the page shows, and any other page may.

Here: a route. Not here: which charts there are and how they are drawn (see `analytics.charts` and `analytics.drawing`).
"""

from datetime import date
from typing import Annotated, Self

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from dataflow_assets.analytics.charts import Chart
from dataflow_assets.analytics.drawing import draw, round_for_people
from dataflow_assets.core.formatting import to_json
from dataflow_assets.serving.access import Reader
from dataflow_assets.serving.reading.questions import MOST_DAYS
from dataflow_assets.serving.state import State
from dataflow_assets.setting_values import parse_date
from dataflow_assets.warehouse.charts import DAYS, read_charts

Day = Annotated[date, BeforeValidator(parse_date)]

router = APIRouter(prefix="/v1/charts", tags=["answers"])


class ChartParameters(BaseModel):
    """How much is drawn."""

    model_config = ConfigDict(extra="forbid")

    days: int = Field(DAYS, ge=1, le=MOST_DAYS, description="days up to the newest partition of each answer")
    first: Day | None = Field(None, alias="from", description="the first day, in place of `days`; `to` belongs to it")
    end: Day | None = Field(None, alias="to", description="the first day that is not drawn")

    @model_validator(mode="after")
    def _is_window(self) -> Self:
        if (self.first is None) != (self.end is None):
            raise ValueError("from and to belong together")
        if self.first and "days" in self.model_fields_set:
            raise ValueError("days is a window, and so are from and to: give one of them")
        if self.first and self.end and not 0 < (self.end - self.first).days <= MOST_DAYS:
            raise ValueError(f"from must be before to, by {MOST_DAYS} days at most")
        return self

    @property
    def window(self) -> tuple[int, date | None]:
        """How many days are drawn, and the first one after them; None: up to the newest."""
        if self.first is None or self.end is None:
            return self.days, None
        return (self.end - self.first).days, self.end


class Drawing(BaseModel):
    """A chart of an answer."""

    title: str = Field(examples=["average_session: seconds"])
    about: str
    newest: str = Field(
        description="the number of the newest partition, where there is one a partition", examples=["82"]
    )
    svg: str = Field(description="with the classes grid, line, area, mark and heat")


@router.get("", response_model=list[Drawing])
async def read_drawings(
    request: Request, state: State, reader: Reader, parameters: Annotated[ChartParameters, Query()]
) -> Response:
    """The charts of the answers that you may read."""
    answers = [answer for answer in state.answers.values() if all(map(reader.may_read, answer.reads))]

    def compute() -> bytes:
        charts = read_charts(state.database.url, answers, *parameters.window)
        return to_json([_drawing(chart).model_dump() for chart in charts]).encode()

    asked = ("charts", [answer.name for answer in answers], parameters.window)
    return await state.rows.respond_once(request, asked, answers, compute)


def _drawing(chart: Chart) -> Drawing:
    newest = round_for_people(chart.values[-1]) if chart.is_series else ""
    return Drawing(title=chart.title, about=chart.about, newest=newest, svg=draw(chart))
