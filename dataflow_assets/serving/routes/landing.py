"""Landed objects: putting one, and asking what became of it.

The URL of an object is its key: to put the same bytes there again changes nothing.

Here: the routes, and the checks before a byte is read. Not here: receiving (see `uploads`), and landing (see the
package of that name).
"""

from datetime import date, timedelta
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import BaseModel, Field
from pydantic.json_schema import SkipJsonSchema

from dataflow_assets.core.files import explain_full_disk
from dataflow_assets.errors import NotFoundError
from dataflow_assets.landing.deliveries import Delivery, Landing
from dataflow_assets.ledger.delivery_reports import read_version
from dataflow_assets.postgres.connection import Connection
from dataflow_assets.postgres.sql import execute
from dataflow_assets.serving.access import Reader, Writer, require_source
from dataflow_assets.serving.parameters import Day, NoParameters, ObjectName, SourceName
from dataflow_assets.serving.refusals import AlreadyThereError, BusyError, UnsupportedBodyError
from dataflow_assets.serving.state import ServingState, State
from dataflow_assets.serving.uploads import Upload, is_gzip, receive

router = APIRouter(prefix="/v1/landing", tags=["landing"])

_TRY_LOCK = "SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0))"
_BINARY = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}


class Landed(BaseModel):
    """A version of an object that has landed."""

    source: str
    day: date
    name: str
    etag: str = Field(description="of this version")
    size: int = Field(description="bytes")
    url: str = Field(description="where its state stands")


class Outcome(BaseModel):
    """What became of the present version of an object; the counts are null until it was read."""

    source: str
    day: date
    name: str
    etag: str
    size: int
    state: Literal["landed", "accepted", "rejected", "quarantined"]
    delivered: int | None = None
    accepted: int | None = None
    rejected: int | None = None
    reason: str | None = Field(None, description="why it was rejected as a whole, or is quarantined")


@router.put(
    "/{source}/{day}/{name:path}",
    responses={200: {"model": Landed, "description": "These bytes were there."}, 201: {"model": Landed}},
    status_code=201,
    openapi_extra={"requestBody": {"required": False, "content": _BINARY}},
)
async def put_object(
    request: Request,
    response: Response,
    state: State,
    principal: Writer,
    source: SourceName,
    day: Day,
    name: ObjectName,
    _: Annotated[NoParameters, Query()],
    if_none_match: Annotated[
        Literal["*"] | SkipJsonSchema[None], Header(description="only where nothing is there")
    ] = None,
) -> Landed:
    """Land a file, whole; other bytes than before are a new version of it."""
    require_source(principal, source, write=True)
    _require_partition(state, day)
    key = f"landing/{source}/{day}/{name}"
    if is_gzip(request) and not name.endswith(".gz"):
        raise UnsupportedBodyError("A file that is packed by gzip stays packed: give it a name that ends in .gz.")
    if if_none_match:
        await state.database.in_thread(lambda: _require_nothing(state, key))
    async with receive(request, "upload", state.settings.largest_upload_mb * 1_000_000) as upload:
        is_new, found = await state.database.write(
            lambda connection: _land(connection, state, key, upload, only_new=bool(if_none_match))
        )
    response.status_code = 201 if is_new else 200
    response.headers["ETag"] = found.etag
    response.headers["Location"] = url_of(source, day, name)
    return Landed(source=source, day=day, name=name, etag=found.etag, size=found.size, url=url_of(source, day, name))


@router.get("/{source}/{day}/{name:path}")
async def read_object(
    state: State, principal: Reader, source: SourceName, day: Day, name: ObjectName, _: Annotated[NoParameters, Query()]
) -> Outcome:
    """What became of a landed file: its state, and how many of its rows were accepted and rejected."""
    require_source(principal, source)
    landing = Landing(state.storage)
    found = await state.database.in_thread(lambda: landing.current(f"landing/{source}/{day}/{name}"))
    if found is None:
        raise NotFoundError(f"Nothing has landed at {url_of(source, day, name)}.")
    recorded = await state.database.read(lambda connection: read_version(connection, found))
    return Outcome(source=source, day=day, name=name, etag=found.etag, size=found.size, **_outcome(recorded))


def url_of(source: str, day: date, name: str) -> str:
    """Where the state of an object stands."""
    return f"/v1/landing/{source}/{day}/{quote(name)}"


def _require_partition(state: ServingState, day: date) -> None:
    first, last = state.settings.first_day, state.settings.today + timedelta(days=1)
    if not first <= day <= last:
        raise NotFoundError(f"{day} has no partition: days of delivery go from {first} to tomorrow.")


def _require_nothing(state: ServingState, key: str) -> None:
    if Landing(state.storage).current(key):
        raise AlreadyThereError(f"{key} is there already.")


def _land(
    connection: Connection, state: ServingState, key: str, upload: Upload, *, only_new: bool
) -> tuple[bool, Delivery]:
    """Whether the bytes are new there, and the version that has them."""
    if not execute(connection, _TRY_LOCK, key)[0][0]:
        raise BusyError(f"{key} is being delivered at this moment; ask again.", {"Retry-After": "1"})
    landing = Landing(state.storage)
    found = landing.current(key)
    if found and only_new:
        raise AlreadyThereError(f"{key} is there already.")
    if found and found.size == upload.size and landing.digest(found) == upload.digest():
        return False, found
    _, source, day, name = key.split("/", 3)
    with explain_full_disk(state.settings.home):
        return True, upload.land(landing, source, date.fromisoformat(day), name)


def _outcome(recorded: dict[str, Any] | None) -> dict[str, Any]:
    if recorded is None:
        return {"state": "landed"}
    counts = {name: recorded[name] for name in ("state", "delivered", "accepted", "rejected")}
    return {**counts, "reason": recorded["refusal"] or recorded["quarantine_reason"]}
