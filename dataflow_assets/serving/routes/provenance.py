"""From which objects and days the rows of a key came.

Here: a route. Not here: finding out (see `warehouse.provenance`).
"""

from typing import Any

from fastapi import APIRouter, Request, Response

from dataflow_assets.core.formatting import plain, to_json
from dataflow_assets.errors import NotFoundError
from dataflow_assets.lake.delta.table import rejects_table, rows_table
from dataflow_assets.landing.storage import Storage
from dataflow_assets.serving.access import Reader, require_source
from dataflow_assets.serving.refusals import UnusableError
from dataflow_assets.serving.state import State
from dataflow_assets.sources import Source
from dataflow_assets.warehouse import provenance

router = APIRouter(prefix="/v1/explain", tags=["deliveries"])

_MOST_REJECTS = 10


@router.get("/{source}", response_class=Response)
async def explain(source: str, request: Request, state: State, reader: Reader) -> Response:
    """From which objects and days the rows of a key came, and which of them count.

    The key, or a part of it, is given as `column=value`. Where several keys match, they are listed; where none does,
    the rejected rows that hold the values are.
    """
    wanted = require_source(reader, source)
    given = request.query_params.multi_items()
    names = [name for name, _ in given]
    if not names or len(set(names)) < len(names) or set(names) - set(wanted.key):
        raise UnusableError(f"Give parts of the key of {source}, each once: {', '.join(wanted.key)}.")
    found = await state.rows.compute(lambda: _explain(state.storage, wanted, dict(given)))
    return Response(to_json(plain(found)), media_type="application/json")


def _explain(storage: Storage, source: Source, texts: dict[str, str]) -> dict[str, Any]:
    found = provenance.explain_newest(rows_table(storage, source), source, texts)
    rejects = []
    if not found.keys:
        rejects = provenance.rejects_with(rejects_table(storage).scan(), source, texts, _MOST_REJECTS)
        if not rejects:
            asked = ", ".join(f"{name} {text!r}" for name, text in texts.items())
            raise NotFoundError(f"No row of {source.name} has {asked}, nor does a rejected row hold it.")
    origins = [vars(origin) for origin in found.origins]
    return {"source": source.name, **vars(found), "origins": origins, "rejects": rejects}
