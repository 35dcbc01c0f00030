"""Who asks, and whether they may: what a route declares to let somebody in.

A route takes `Reader`, `Writer` or `Admin`, and calls `require_source` for each source that it touches.

Here: reading tokens and API keys from a request, and refusing. Not here: making them (see `tokens` and `api_keys`).
"""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import APIKeyHeader, OAuth2PasswordBearer

from dataflow_assets.errors import NotFoundError
from dataflow_assets.serving.api_keys import is_key
from dataflow_assets.serving.principals import Principal, Role
from dataflow_assets.serving.refusals import NotAllowedError, NotAuthenticatedError
from dataflow_assets.serving.state import ServingState, State
from dataflow_assets.sources import Source, all_sources

__all__ = ["Admin", "Principal", "Reader", "Role", "Writer", "address_of", "require_source"]

_token = OAuth2PasswordBearer("/v1/token", auto_error=False, description="a token of /v1/token or a key, as `Bearer …`")
_api_key = APIKeyHeader(name="X-API-Key", auto_error=False, description="a key that `dataflow user key` made")


def address_of(request: Request) -> str:
    """The address that a request came from."""
    return request.client.host if request.client else "unknown"


async def _authenticate(
    request: Request,
    state: State,
    token: Annotated[str | None, Depends(_token)],
    key: Annotated[str | None, Depends(_api_key)],
) -> Principal:
    try:
        principal = await _identify(state, token, key)
    except NotAuthenticatedError:
        state.limits.count_request(f"from {address_of(request)}")
        raise
    request.scope["principal"] = principal.name
    state.limits.count_request(f"of {principal.name}")
    return principal


async def _identify(state: ServingState, token: str | None, key: str | None) -> Principal:
    if token is None and key is None:
        raise NotAuthenticatedError("Log in at /v1/token and send the token as a bearer, or send an X-API-Key.")
    if token is not None and is_key(token):  # of those who can send no other header, as MinIO
        found = await state.principals.of_key(token)
    elif token is not None:
        found = await state.principals.of_user(state.keys.verify(token))
    else:
        found = await state.principals.of_key(key or "")
    if found is None:
        raise NotAuthenticatedError("The user or the key is not known, has expired or is disabled.")
    return found


def _require(role: Role) -> Callable[[Principal], Awaitable[Principal]]:
    async def check(principal: Annotated[Principal, Depends(_authenticate)]) -> Principal:
        if principal.role < role:
            raise NotAllowedError(f"Only a {role.value} may do this; {principal.name} is a {principal.role.value}.")
        return principal

    return check


Reader = Annotated[Principal, Depends(_authenticate)]
Writer = Annotated[Principal, Depends(_require(Role.WRITER))]
Admin = Annotated[Principal, Depends(_require(Role.ADMIN))]


def require_source(principal: Principal, source: str, *, write: bool = False) -> Source:
    """The source of that name.

    Raises:
        NotFoundError: there is none.
        NotAllowedError: this principal may not read it, or not deliver to it.
    """
    found = next((each for each in all_sources() if each.name == source), None)
    if found is None:
        raise NotFoundError(
            f"There is no source {source!r}; the sources are {', '.join(s.name for s in all_sources())}."
        )
    if not (principal.may_write(source) if write else principal.may_read(source)):
        raise NotAllowedError(f"{principal.name} may not {'deliver to' if write else 'read'} {source}.")
    return found
