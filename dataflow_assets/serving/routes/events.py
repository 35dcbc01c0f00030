"""Notifications of an object store: told by MinIO, SeaweedFS or any that posts what S3 says.

Here: the route. Not here: what a notification says (see `landing.events`), and what follows from one (see the landing
sensor). Whatever it says, the store is asked what is there.
"""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from dataflow_assets.landing.events import read_notification
from dataflow_assets.ledger.pending import note_objects
from dataflow_assets.serving.access import Writer, require_source
from dataflow_assets.serving.parameters import NoParameters
from dataflow_assets.serving.refusals import UnusableError
from dataflow_assets.serving.state import State
from dataflow_assets.serving.uploads import receive

router = APIRouter(prefix="/v1/landing", tags=["landing"])

_LARGEST = 1_000_000  # bytes; SQS takes a quarter of it
_MOST = 1_000  # objects that one notification may name
_BODY = {
    "type": "object",
    "description": "a notification as S3 and MinIO (`Records`) or SeaweedFS (`event_type` and `key`) post it",
}


class Noted(BaseModel):
    """What a notification led to."""

    objects: int = Field(description="how many of its objects are in landing, and will be read if they are new")


@router.post(
    "/events",
    status_code=202,
    openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": _BODY}}}},
)
async def post_events(request: Request, state: State, principal: Writer, _: Annotated[NoParameters, Query()]) -> Noted:
    """Tell of objects that were written into landing by somebody else, so that nobody has to look for them."""
    async with receive(request, "notification", _LARGEST) as upload:
        text = upload.read()
    keys = read_notification(text, state.storage)
    if len(keys) > _MOST:
        raise UnusableError(f"It names {len(keys):,} objects; send {_MOST:,} at most.")
    for source in {key.split("/")[1] for key in keys} & set(state.sources):
        require_source(principal, source, write=True)
    noted = await state.database.write(lambda connection: note_objects(connection, state.storage, keys))
    return Noted(objects=noted)
