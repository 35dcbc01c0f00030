"""The server is killed while records are posted: each that was acknowledged has landed once.

Here: one process after the other on one port, and clients that ask again until they are answered.
"""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2

from dataflow_assets.landing.deliveries import Landing
from dataflow_assets.landing.storage import open_storage
from dataflow_assets.serving.principals import Role
from dataflow_assets.settings import Settings
from dataflow_assets_tests.serving.factories import UserFactory, make_key
from dataflow_assets_tests.serving.live_server import start

POSTS, KILLS, CLIENTS = 100, 3, 4
TYPE = {"Content-Type": "text/csv"}


class Clients:
    """Clients that post until each post was acknowledged; `answers` are the acknowledgements, by key."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._changed = threading.Condition()
        self.answers: dict[str, str] = {}
        self.cut = 0
        self.url = ""

    def serve_at(self, url: str) -> None:
        """Ask there from now on."""
        with self._changed:
            self.url = url
            self._changed.notify_all()

    def wait_for(self, count: int) -> None:
        """Wait until so many posts were acknowledged."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.answers) >= count, timeout=300)

    def post(self, number: int) -> None:
        """Post one record until it is acknowledged."""
        while True:
            with self._changed:
                assert self._changed.wait_for(lambda: self.url, timeout=300)
                url = self.url
            try:
                answer = self.ask(url, number)
            except httpx2.TransportError:
                with self._changed:
                    self.cut += 1
                    if self.url == url:
                        self.url = ""  # until there is another server
                continue
            if answer.status_code == 202:
                with self._changed:
                    self.answers[str(number)] = answer.text
                    self._changed.notify_all()
                return
            assert answer.status_code in (409, 503), answer.text

    def ask(self, url: str, number: int) -> httpx2.Response:
        """Post one record."""
        body = f"title,duration_mins,original_language,size_mb\nMovie {number},90,en,{number}\n"
        headers = TYPE | {"X-API-Key": self._key, "Idempotency-Key": f"post-{number}"}
        return httpx2.post(f"{url}/v1/sources/movies/records", content=body, headers=headers, timeout=300)


def test_each_acknowledged_post_has_landed_once_and_a_repeat_is_answered_as_the_first(
    settings: Settings, tmp_path: Path
) -> None:
    assert settings.database_url
    url = settings.database_url.get_secret_value()
    UserFactory.create(url=url, name="player", role=Role.WRITER)
    clients, log = Clients(make_key(url, "player")), tmp_path / "log"
    server = start(log)
    try:
        with ThreadPoolExecutor(CLIENTS) as pool:
            posts = [pool.submit(clients.post, number) for number in range(POSTS)]
            clients.serve_at(server.url)
            for kill in range(1, KILLS + 1):
                clients.wait_for(kill * POSTS // (KILLS + 1))
                server.kill()
                server = start(log)
                clients.serve_at(server.url)
            for post in posts:
                post.result(timeout=300)
        assert clients.cut, "no post was cut off"
        repeated = {str(number): clients.ask(server.url, number).text for number in range(POSTS)}
    finally:
        server.kill()
    assert repeated == clients.answers
    landed = [delivery.object for delivery in Landing(open_storage(settings)).deliveries()]
    texts = sorted((settings.home / key).read_text().splitlines()[1] for key in landed)
    assert texts == sorted(f"Movie {number},90,en,{number}" for number in range(POSTS))
