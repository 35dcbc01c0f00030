"""What is kept of answers: in Redis, which may go and come back at any time, and in the process."""

import logging
import socket

import pytest

from dataflow_assets.core.ports import free_port
from dataflow_assets.serving.reading import cache as cache_module
from dataflow_assets.serving.reading.cache import Cache
from dataflow_assets_tests.redis_server import redis


@pytest.fixture
def port() -> int:
    return free_port()


async def test_processes_share_what_is_in_redis_which_may_go_and_come_back(
    port: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(cache_module, "_PAUSE", 0.0)
    monkeypatch.setattr(cache_module, "_PATIENCE", 60.0)
    caplog.set_level(logging.INFO, cache_module.__name__)
    one, other = (Cache(f"redis://127.0.0.1:{port}/0") for _ in range(2))
    with redis(port):
        await one.put("a", b"1")
        assert await other.get("a") == b"1"
        assert (one.state, other.state) == ("redis", "redis")
    await one.put("b", b"2")
    assert await one.get("b") == b"2"
    assert await other.get("b") is None
    assert (one.state, other.state) == ("redis is away", "redis is away")
    with redis(port):
        await one.put("c", b"3")
        assert await other.get("c") == b"3"
        assert (one.state, other.state) == ("redis", "redis")
    for cache in (one, other):
        await cache.close()
    said = [record.message.partition(" (")[0] for record in caplog.records]
    assert (said.count("Redis is away"), said.count("Redis is back.")) == (2, 2)


async def test_redis_that_is_away_costs_time_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(cache_module, "_PAUSE", 600.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        cache = Cache(f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        await cache.put("a", b"1")
        assert await cache.get("a") == b"1"
        assert await cache.get("b") is None
        silent.setblocking(False)
        asked, _ = silent.accept()
        with asked, pytest.raises(BlockingIOError):
            silent.accept()
    assert cache.state == "redis is away"
    assert caplog.text.count("Redis is away") == 1
    await cache.close()


async def test_what_a_process_keeps_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "_MOST_BYTES", 10)
    cache = Cache(None)
    await cache.put("a", b"12345")
    await cache.put("b", b"12345")
    assert await cache.get("a") == b"12345"
    await cache.put("c", b"12345")
    assert [await cache.get(key) for key in "abc"] == [b"12345", None, b"12345"]
    assert cache.state == "in process"
