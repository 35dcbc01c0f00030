"""The answers: which there are, and their rows, by day or month.

Here: routes. Not here: questions about any window of time (see `questions`), and how rows are read (see `reading`).
"""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from dataflow_assets.analytics.base import Answer
from dataflow_assets.analytics.questions import options_of
from dataflow_assets.errors import NotFoundError
from dataflow_assets.serving.access import Reader, require_source
from dataflow_assets.serving.parameters import NoParameters
from dataflow_assets.serving.reading.describe import AnswerDescription, describe_columns
from dataflow_assets.serving.state import ServingState, State

router = APIRouter(prefix="/v1/answers", tags=["answers"])


@router.get("")
async def list_answers(state: State, reader: Reader, _: Annotated[NoParameters, Query()]) -> list[AnswerDescription]:
    """The answers that you may read: what they say, and their columns."""
    return [_describe(state, answer) for answer in state.answers.values() if all(map(reader.may_read, answer.reads))]


@router.get("/{answer}", response_class=Response)
async def read_answer(answer: str, request: Request, state: State, reader: Reader) -> Response:
    """Rows of an answer, filtered and ordered as those of a table."""
    if answer not in state.answers:
        raise NotFoundError(f"There is no answer {answer!r}; the answers are {', '.join(state.answers)}.")
    for source in state.answers[answer].reads:
        require_source(reader, source)
    return await state.rows.respond(request, state.answer_tables[answer], reader)


def _describe(state: ServingState, answer: Answer) -> AnswerDescription:
    return AnswerDescription(
        name=answer.name,
        description=answer.description,
        owner=answer.owner,
        grain=answer.grain,
        reads=list(answer.reads),
        question=f"/v1/questions/{answer.name}" if answer.question else None,
        question_window=[option.name for option in options_of(answer)[:2]] if answer.question else None,
        rows_url=f"/v1/answers/{answer.name}",
        columns=describe_columns(state.answer_tables[answer.name]),
    )
