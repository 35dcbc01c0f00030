"""Logging in: tokens for a password, new ones for a refresh token, and an end to them.

Here: the routes. Not here: passwords, tokens and refresh tokens themselves (see the modules of these names).
"""

from typing import Annotated, Literal

from fastapi import APIRouter, Form, Request, Response
from pydantic import BaseModel, Field, SecretStr

from dataflow_assets.serving import refresh_tokens
from dataflow_assets.serving.access import Reader, address_of
from dataflow_assets.serving.accounts import find_user
from dataflow_assets.serving.bodies import FormRoute
from dataflow_assets.serving.passwords import LONGEST
from dataflow_assets.serving.refusals import NotAuthenticatedError
from dataflow_assets.serving.state import ServingState, State
from dataflow_assets.serving.tokens import LIFETIME

router = APIRouter(prefix="/v1", tags=["login"], route_class=FormRoute)


class TokenForm(BaseModel):
    """A password grant of OAuth 2, or a refresh; `scope` and the client's own fields are not looked at."""

    grant_type: Literal["password", "refresh_token"] = "password"
    username: Annotated[str, Field(max_length=100, examples=["ann"])] = ""
    password: Annotated[SecretStr, Field(max_length=LONGEST)] = SecretStr("")
    refresh_token: Annotated[SecretStr, Field(max_length=100)] = SecretStr("")


class RevokeForm(BaseModel):
    """A refresh token that is to hold no longer (RFC 7009)."""

    token: Annotated[SecretStr, Field(min_length=1, max_length=100)]


class Tokens(BaseModel):
    """What a login gives; `refresh_token` is good for one more such answer, instead of a password."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105
    expires_in: int = Field(int(LIFETIME.total_seconds()), description="seconds")
    refresh_token: str


class Me(BaseModel):
    """Who asks."""

    name: str
    role: Literal["reader", "writer", "admin"]
    sources: list[str] | None = Field(description="the sources that they may use; null: all")
    delivers_to: list[str] | None = Field(description="those of them that a writer may deliver to; null: all of them")


@router.post("/token")
async def log_in(request: Request, state: State, form: Annotated[TokenForm, Form()]) -> Tokens:
    """Log in with a name and a password, or go on with a refresh token."""
    if form.grant_type == "refresh_token":
        name, refresh = await _refresh(state, address_of(request), form.refresh_token.get_secret_value())
    else:
        name = await _check_password(state, address_of(request), form.username, form.password.get_secret_value())
        refresh = await state.database.write(lambda connection: refresh_tokens.issue(connection, name))
    request.scope["principal"] = name
    return Tokens(access_token=state.keys.sign(name), refresh_token=refresh)


@router.post("/token/revoke", status_code=204)
async def log_out(request: Request, state: State, form: Annotated[RevokeForm, Form()]) -> Response:
    """End the login that a refresh token belongs to; access tokens hold until they expire."""
    state.limits.count_request(f"from {address_of(request)}")
    token = form.token.get_secret_value()
    await state.database.write(lambda connection: refresh_tokens.revoke(connection, token))
    return Response(status_code=204)


@router.get("/me")
async def read_me(principal: Reader) -> Me:
    """Who asks, and what they may."""
    sources, delivers_to = (names and sorted(names) for names in (principal.sources, principal.delivers_to))
    return Me(name=principal.name, role=principal.role.value, sources=sources, delivers_to=delivers_to)


async def _check_password(state: ServingState, address: str, name: str, password: str) -> str:
    state.limits.count_login(address, name)
    account = await state.database.read(lambda connection: find_user(connection, name))
    known = account.password if account and not account.is_disabled else None
    if not await state.passwords.is_right(password, known):
        raise NotAuthenticatedError("The name or the password is wrong.")
    return name


async def _refresh(state: ServingState, address: str, token: str) -> tuple[str, str]:
    state.limits.count_request(f"from {address}")
    found = await state.database.write(lambda connection: refresh_tokens.rotate(connection, token))
    if found is None or await state.principals.of_user(found[0]) is None:
        raise NotAuthenticatedError("The refresh token is not good any more; log in again.")
    return found
