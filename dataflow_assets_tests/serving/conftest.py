"""The app over a real database and a real folder, in this process."""

from collections.abc import AsyncIterator, Callable, Collection

import httpx2
import pytest
from fastapi import FastAPI

from dataflow_assets.serving.app import build_app
from dataflow_assets.serving.principals import Role
from dataflow_assets.serving.state import ServingState
from dataflow_assets.settings import Settings
from dataflow_assets_tests.serving.factories import UserFactory

Headers = dict[str, str]


@pytest.fixture
def app(settings: Settings) -> FastAPI:
    """The app over an empty platform of this test's own."""
    return build_app(settings)


@pytest.fixture
def state(app: FastAPI) -> ServingState:
    """What the requests to the app share."""
    found = app.state.serving
    assert isinstance(found, ServingState)
    return found


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    """Asks the app."""
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://test") as asking:
        yield asking


@pytest.fixture
def headers_of(state: ServingState) -> Callable[..., Headers]:
    """The headers of a new user of a role, who may use every source unless some are named."""

    def make(role: Role, sources: Collection[str] | None = None) -> Headers:
        user = UserFactory.create(url=state.database.url, role=role, sources=sources)
        return {"Authorization": f"Bearer {state.keys.sign(user.name)}"}

    return make


@pytest.fixture
def reader(headers_of: Callable[..., Headers]) -> Headers:
    """The headers of a reader."""
    return headers_of(Role.READER)


@pytest.fixture
def writer(headers_of: Callable[..., Headers]) -> Headers:
    """The headers of a writer."""
    return headers_of(Role.WRITER)
