"""The app on a port of its own, as readers over a network meet it."""

import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import uvicorn
from fastapi import FastAPI

from dataflow_assets.postgres.connection import connect
from dataflow_assets.serving.accounts import add_user
from dataflow_assets.serving.app import build_app
from dataflow_assets.serving.principals import Role
from dataflow_assets.serving.server import configure
from dataflow_assets.serving.state import ServingState
from dataflow_assets.settings import Settings


@dataclass(frozen=True)
class Server:
    """A server that runs, its database, and the headers of a reader who may read everything."""

    app: FastAPI
    port: int
    database: str
    headers: dict[str, str]

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"


@pytest.fixture
def live(settings: Settings) -> Iterator[Server]:
    """The app over an empty platform of this test's own, served by a thread."""
    app = build_app(settings)
    state: ServingState = app.state.serving
    with connect(state.database.url) as connection:
        add_user(connection, "analyst", None, Role.READER, None)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()  # from now on clients can connect; they are answered when the server has started
        server = uvicorn.Server(configure(app))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        headers = {"Authorization": f"Bearer {state.keys.sign('analyst')}"}
        yield Server(app, listening.getsockname()[1], state.database.url, headers)
        server.should_exit = True
        thread.join(300)
    assert not thread.is_alive()
