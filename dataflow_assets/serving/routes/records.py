"""Records that are posted to a source: landed as a file of their own, to be read like any other.

Here: the route, and how the file is called. Not here: repeats (see `posted`), receiving (see `uploads`), and reading
records (see `lake`).
"""

import hashlib
import secrets
from datetime import UTC, date, datetime
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from dataflow_assets.core.files import explain_full_disk
from dataflow_assets.core.formatting import plain
from dataflow_assets.errors import FormatError
from dataflow_assets.lake.known import event_bounds
from dataflow_assets.lake.preview import preview
from dataflow_assets.landing.deliveries import Landing
from dataflow_assets.postgres.connection import Connection
from dataflow_assets.serving.access import Principal, Writer, require_source
from dataflow_assets.serving.parameters import SourceName
from dataflow_assets.serving.posted import Post, land_once
from dataflow_assets.serving.refusals import UnsupportedBodyError, UnusableError
from dataflow_assets.serving.routes.landing import url_of
from dataflow_assets.serving.state import ServingState, State
from dataflow_assets.serving.uploads import Upload, is_gzip, receive
from dataflow_assets.sources import Source

router = APIRouter(prefix="/v1/sources", tags=["sources"])

_TYPES = {  # the media types of each format, by the suffix of its files
    ".avro": ("application/avro", "application/vnd.apache.avro"),
    ".csv": ("text/csv",),
    ".fwf": ("text/plain",),
    ".json": ("application/json",),
    ".jsonl": ("application/x-ndjson", "application/jsonl", "application/jsonlines"),
    ".parquet": ("application/vnd.apache.parquet",),
    ".tsv": ("text/tab-separated-values",),
    ".xlsx": ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",),
}
_MOST_PREVIEWED = 10_000_000  # bytes: it is read in this process, and the beginning of a file tells as much
_BODY = {
    kind: {"schema": {"type": "string", "format": "binary", "minLength": 1}}
    for kinds in _TYPES.values()
    for kind in kinds
}

IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=200,
        pattern="^[!-~]+$",
        description="names these records, so that a repeat lands nothing",
    ),
]


class RecordsQuery(BaseModel):
    """What is done with the records."""

    model_config = ConfigDict(extra="forbid")

    preview: bool = Field(False, description="say what would be accepted, and write nothing")


class Accepted(BaseModel):
    """Records that have landed; whether they are accepted is told at `url` when they have been read."""

    source: str
    day: date
    name: str = Field(description="of the file that they are")
    size: int = Field(description="bytes")
    url: str = Field(description="where their state stands, and how many were accepted and rejected")


class RejectedRecord(BaseModel):
    """A record that would be rejected."""

    line: int | None
    code: str
    message: str
    raw: str = Field(description="its text as it was sent")


class Previewed(BaseModel):
    """What would become of the records: delivered = accepted + rejected."""

    delivered: int = 0
    accepted: int = 0
    rejected: int = 0
    codes: dict[str, int] = Field({}, description="how many would be rejected, by reason")
    rejects: list[RejectedRecord] = Field([], description="the first of them")
    rows: list[dict[str, Any]] = Field([], description="the first that would be accepted, as typed")
    undeclared_columns: list[str] = []
    missing_columns: list[str] = []
    sentences: list[str] = []
    refusal: str | None = Field(None, description="why all of it would be refused, unread")


@router.post(
    "/{source}/records",
    status_code=202,
    response_model=Accepted,
    responses={200: {"model": Previewed, "description": "A preview; nothing was written."}},
    openapi_extra={"requestBody": {"required": True, "content": _BODY}},
)
async def post_records(
    request: Request,
    response: Response,
    state: State,
    principal: Writer,
    source: SourceName,
    query: Annotated[RecordsQuery, Query()],
    idempotency_key: IdempotencyKey = None,
) -> Accepted | JSONResponse:
    """Deliver records, as a file of the format that the source has; one post is one delivery."""
    wanted = require_source(principal, source, write=True)
    suffix = _suffix_of(request, wanted)
    most = state.settings.largest_upload_mb * 1_000_000
    most = min(most, _MOST_PREVIEWED) if query.preview else most
    async with receive(request, f"records{suffix}", most) as upload:
        if not upload.size:
            raise UnusableError("There is nothing in the body.")
        if query.preview:
            found = await to_thread.run_sync(_preview, state, wanted, upload, limiter=state.previews)
            return JSONResponse(found.model_dump(mode="json"))
        post = Post(source, state.settings.today, _name(principal.name, idempotency_key, suffix))
        if idempotency_key is None:
            await state.database.in_thread(lambda: _land(state, post, upload))
        else:
            key = idempotency_key
            post = await state.database.write(
                lambda connection: _land_once(connection, state, principal, key, post, upload)
            )
    url = url_of(post.source, post.day, post.name)
    response.headers["Location"] = url
    return Accepted(source=post.source, day=post.day, name=post.name, size=upload.size, url=url)


def _suffix_of(request: Request, source: Source) -> str:
    """The suffix of the file that a body is, which must have the format of its source."""
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    taken = _TYPES.get(source.reader.suffix, ())
    if kind not in taken:
        said = f"not {kind}" if kind else "and the request has no Content-Type"
        raise UnsupportedBodyError(f"{source.name} takes {' or '.join(taken)}, {said}.")
    return source.reader.suffix + (".gz" if is_gzip(request) else "")


def _name(user: str, key: str | None, suffix: str) -> str:
    """The name of the file; of two rows of a key the one in the later file counts, so it begins with the time."""
    unique = hashlib.blake2b(f"{user}\0{key}".encode(), digest_size=8).hexdigest() if key else secrets.token_hex(8)
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}Z-{unique}{suffix}"


def _land(state: ServingState, post: Post, upload: Upload) -> None:
    with explain_full_disk(state.settings.home):
        upload.land(Landing(state.storage), post.source, post.day, post.name)


def _land_once(
    connection: Connection, state: ServingState, principal: Principal, key: str, post: Post, upload: Upload
) -> Post:
    def land(post: Post) -> None:
        found = Landing(state.storage).current(f"landing/{post.source}/{post.day}/{post.name}")
        if found is None or found.size != upload.size:
            _land(state, post, upload)

    return land_once(connection, principal.name, key, post, upload.digest(), land, state.settings.keep_days)


def _preview(state: ServingState, source: Source, upload: Upload) -> Previewed:
    settings = state.settings
    bounds = event_bounds(source, settings.today, settings.timezone, settings.first_day)
    try:
        with upload.as_file() as path:
            found = preview(path, source, settings.timezone, most=10, bounds=bounds)
    except FormatError as error:
        return Previewed(refusal=str(error))
    return Previewed(
        delivered=found.delivered,
        accepted=found.accepted,
        rejected=found.rejected,
        codes=dict(found.codes),
        rejects=[
            RejectedRecord(line=each.line, code=each.code, message=each.message, raw=each.raw) for each in found.rejects
        ],
        rows=plain(found.rows.to_dicts()),
        undeclared_columns=found.undeclared_columns,
        missing_columns=found.missing_columns,
        sentences=list(found.sentences()),
    )
