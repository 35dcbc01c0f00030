"""The questions of the answers over any window of time, as `dataflow answers` asks them.

Here: a route. Not here: what they say (see `analytics`).
"""

from fastapi import APIRouter, Request, Response

from dataflow_assets.analytics.questions import sources_read
from dataflow_assets.core.formatting import to_json
from dataflow_assets.errors import NotFoundError
from dataflow_assets.serving.access import Reader, require_source
from dataflow_assets.serving.reading.questions import ask, parse_options
from dataflow_assets.serving.state import State

router = APIRouter(prefix="/v1/questions", tags=["answers"])


@router.get("/{answer}", response_class=Response)
async def ask_question(answer: str, request: Request, state: State, reader: Reader) -> Response:
    """What the question of an answer is answered over a window of time.

    Times are in ISO 8601; one without an offset, and a date, are those of the business time zone.
    """
    known = {name: found for name, found in state.answers.items() if found.question}
    if answer not in known:
        raise NotFoundError(f"There is no question {answer!r}; the questions are {', '.join(known)}.")
    asked = known[answer]
    sources = [require_source(reader, source) for source in sorted(sources_read(asked))]
    options = parse_options(asked, request.query_params.multi_items())
    settings, url = state.settings, state.database.url

    def compute() -> bytes:
        return to_json(ask(url, settings.timezone, asked, state.sources, options)).encode()

    return await state.rows.respond_once(request, (answer, sorted(options.items())), sources, compute)
