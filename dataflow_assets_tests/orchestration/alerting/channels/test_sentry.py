"""Sentry over a real HTTP server: an event arrives, and one that was not taken says so."""

import json
from datetime import datetime

import pytest

from dataflow_assets.orchestration.alerting.alerts import Alert
from dataflow_assets.orchestration.alerting.channels import NotSentError
from dataflow_assets.orchestration.alerting.channels.sentry import Sentry
from dataflow_assets_tests.orchestration.alerting.conftest import HttpServer

ALERT = Alert(title="Run failed", assets=("lake/a", "lake/b"), partitions="2021-12-05", reason="é", link="http://ui/1")


def dsn(server: HttpServer) -> str:
    return server.url.replace("http://", "http://public-key@") + "/prefix/42"


def test_an_alert_is_one_event(http_server: HttpServer) -> None:
    Sentry(dsn(http_server)).send(ALERT)
    [body] = http_server.posted
    [path] = http_server.paths
    header, item, event = map(json.loads, body.splitlines())
    assert path == "/prefix/api/42/envelope/"
    assert "sentry_key=public-key" in http_server.headers[0]["X-Sentry-Auth"]
    assert item["type"] == "event"
    assert event["event_id"] == header["event_id"]
    assert datetime.fromisoformat(event["timestamp"]).tzinfo
    assert event["message"] == "Run failed: lake/a, lake/b 2021-12-05\né"
    assert event["fingerprint"] == ["Run failed", "lake/a", "lake/b"]


def test_equal_alerts_are_two_events(http_server: HttpServer) -> None:
    for _ in range(2):
        Sentry(dsn(http_server)).send(ALERT)
    assert len({json.loads(body.splitlines()[0])["event_id"] for body in http_server.posted}) == 2


@pytest.mark.parametrize("status", [302, 403, 413, 429, 500])
def test_a_server_that_refuses_did_not_take_the_alert(http_server: HttpServer, status: int) -> None:
    http_server.answers = [status]
    with pytest.raises(NotSentError, match=rf"^Sentry answered {status}\.$"):
        Sentry(dsn(http_server)).send(ALERT)
    assert not http_server.posted


def test_a_server_that_is_down_did_not_take_the_alert() -> None:
    with pytest.raises(NotSentError, match=r"^Sentry cannot be reached: ConnectionError\.$"):
        Sentry("http://public-key@127.0.0.1:9/1").send(ALERT)
