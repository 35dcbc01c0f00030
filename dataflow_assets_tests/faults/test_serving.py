"""The HTTP API while its database is restarted, and while it is away."""

import asyncio
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest

from dataflow_assets.landing.deliveries import Landing
from dataflow_assets.postgres.migrate import upgrade
from dataflow_assets.serving.app import build_app
from dataflow_assets.serving.principals import Role
from dataflow_assets.settings import load_settings
from dataflow_assets_tests.faults.postgres import FAST, IMMEDIATE, OwnServer
from dataflow_assets_tests.serving.factories import UserFactory

BODY = "title,duration_mins,original_language,size_mb\nRust,90,en,700\n"


async def test_a_restart_of_the_database_loses_nothing_and_its_absence_is_told(
    clean_environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with ExitStack() as running:
        server = OwnServer(tmp_path / "server")
        running.callback(server.stop)
        upgrade(server.url)
        clean_environment.setenv("DATABASE_URL", server.url)
        app = build_app(load_settings())
        state = app.state.serving
        UserFactory.create(url=server.url, name="player", role=Role.WRITER)
        headers = {"Authorization": f"Bearer {state.keys.sign('player')}", "Content-Type": "text/csv"}
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://test") as client:

            async def post(number: int) -> int:
                """Post until it is acknowledged; how often it was told to come again."""
                for tries in range(10_000):
                    keyed = headers | {"Idempotency-Key": f"post-{number}"}
                    answer = await client.post("/v1/sources/movies/records", content=BODY, headers=keyed)
                    if answer.status_code == 202:
                        return tries
                    assert answer.status_code in (409, 503), answer.text
                    assert answer.headers["Retry-After"]
                    await asyncio.sleep(0.05)
                raise AssertionError("never acknowledged")

            await asyncio.gather(*map(post, range(8)))
            for mode in (FAST, IMMEDIATE):
                restart = asyncio.to_thread(server.restart, mode)
                await asyncio.gather(restart, *map(post, range(8, 16)))
                await asyncio.gather(*map(post, range(16, 24)))
                assert (await client.get("/health")).status_code == 200
            landed = [delivery.object for delivery in Landing(state.storage).deliveries()]
            assert len(landed) == 24
            running.close()
            health = await client.get("/health")
            assert (health.status_code, health.headers["Retry-After"]) == (503, "5")
            assert health.json()["code"] == "warehouse_unavailable"
            assert str(server.port) not in health.text
