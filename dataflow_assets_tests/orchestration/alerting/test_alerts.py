"""Alerts over real servers: each failure is told once, by each channel, with asset, partition, reason and link."""

import gzip
import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import dagster as dg
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from dataflow_assets.orchestration.alerting import sensor
from dataflow_assets.orchestration.automation.landing_sensor import VERSIONS
from dataflow_assets.settings import load_settings
from dataflow_assets_tests.orchestration import builders
from dataflow_assets_tests.orchestration.builders import Platform, movies_csv

UI = "http://dagster.example:3000"


@dataclass
class HttpServer:
    """What was posted to it, and what it answers."""

    url: str = ""
    posted: list[bytes] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)

    @property
    def texts(self) -> list[str]:
        return [json.loads(body)["text"] for body in self.posted]


@pytest.fixture
def http_server() -> Iterator[HttpServer]:
    state = HttpServer()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            status = state.answers.pop(0) if state.answers else 200
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if status == 200:
                state.posted.append(gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: Any) -> None:
            """It is silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        state.url = f"http://127.0.0.1:{server.server_port}"
        yield state
        server.shutdown()
        thread.join()


@dataclass
class MailServer:
    """What it took, and from whom it takes it."""

    port: int = 0
    taken: list[tuple[list[str], Message]] = field(default_factory=list)

    async def handle_DATA(  # noqa: N802, so the server calls it
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        assert isinstance(envelope.content, bytes)
        self.taken.append((envelope.rcpt_tos, message_from_bytes(envelope.content)))
        return "250 OK"

    def authenticate(self, *arguments: Any) -> AuthResult:
        found = arguments[-1]
        return AuthResult(success=found == LoginPassword(b"dataflow@mail.example", b"p@ss"))


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        state = MailServer(probe.getsockname()[1])
    controller = Controller(
        state,
        hostname="127.0.0.1",
        port=state.port,
        authenticator=state.authenticate,
        auth_required=True,
        auth_require_tls=False,
    )
    controller.start()
    yield state
    controller.stop()


@pytest.fixture
def with_channels(
    platform: Platform, clean_environment: pytest.MonkeyPatch, http_server: HttpServer, mail_server: MailServer
) -> Iterator[Platform]:
    """A platform on the test's database that knows a webhook, a mail server and Sentry."""
    clean_environment.setenv("DATAFLOW_ALERT_WEBHOOK", f"{http_server.url}/hook?token=secret")
    clean_environment.setenv("DATAFLOW_ALERT_EMAIL", "a@mail.example, b@mail.example")
    clean_environment.setenv("SMTP_URL", f"smtp://dataflow%40mail.example:p%40ss@127.0.0.1:{mail_server.port}")
    clean_environment.setenv("SENTRY_DSN", http_server.url.replace("http://", "http://public@") + "/1")
    clean_environment.setenv("DATAFLOW_UI_URL", UI)
    with builders.platform(load_settings()) as working:
        yield working


def fail(platform: Platform, day: str) -> str:
    """Let a run fail; its number."""
    result = platform.run("warehouse/movies", day)
    assert not result.success
    return result.run_id


@pytest.fixture
def broken(with_channels: Platform) -> Platform:
    """A platform in which `warehouse/movies` cannot be loaded."""
    with_channels.land("movies", "2021-12-05", movies_csv("Rust"))
    assert with_channels.run("lake/movies", "2021-12-05").success
    with builders.postgres(with_channels.settings) as cursor:
        cursor.execute("ALTER TABLE warehouse.movies_history ADD COLUMN extra text NOT NULL")
    return with_channels


def test_a_failed_run_is_told_once_with_what_why_and_where(broken: Platform, http_server: HttpServer) -> None:
    start = broken.tick("alerts_by_webhook")
    run = fail(broken, "2021-12-05")
    told = broken.tick("alerts_by_webhook", start.cursor)
    again = broken.tick("alerts_by_webhook", told.cursor)
    [text] = http_server.texts
    assert text.startswith("*Run failed: warehouse/movies 2021-12-05*\n")
    assert "requires a column extra, which is not declared" in text
    assert text.endswith(f"<{UI}/runs/{run}|The run in Dagster>")
    assert (told.reason, again.reason) == ("Sent 1.", "Nothing to tell.")


@pytest.mark.parametrize("tags", [{VERSIONS: "a.csv of 6 o'clock"}, {"dagster/will_retry": "true"}])
def test_a_run_that_is_made_again_and_again_is_told_at_most_once(
    broken: Platform, http_server: HttpServer, tags: dict[str, str]
) -> None:
    start = broken.tick("alerts_by_webhook")
    for _ in range(3):
        assert not broken.run("warehouse/movies", "2021-12-05", tags=tags).success
    told = broken.tick("alerts_by_webhook", start.cursor)
    assert not broken.run("warehouse/movies", "2021-12-05", tags=tags).success
    assert broken.tick("alerts_by_webhook", told.cursor).reason == "Nothing to tell."
    assert len(http_server.posted) == (1 if VERSIONS in tags else 0)


def test_what_failed_before_a_channel_was_known_is_not_told(broken: Platform, http_server: HttpServer) -> None:
    fail(broken, "2021-12-05")
    start = broken.tick("alerts_by_webhook")
    assert broken.tick("alerts_by_webhook", start.cursor).reason == "Nothing to tell."
    assert not http_server.posted


def test_mail_goes_to_every_recipient_by_a_login(broken: Platform, mail_server: MailServer) -> None:
    start = broken.tick("alerts_by_email")
    run = fail(broken, "2021-12-05")
    broken.tick("alerts_by_email", start.cursor)
    [(recipients, message)] = mail_server.taken
    assert recipients == ["a@mail.example", "b@mail.example"]
    assert (message["From"], message["Subject"]) == (
        "dataflow@mail.example",
        "Run failed: warehouse/movies 2021-12-05",
    )
    text = str(message.get_payload())
    assert "requires a column extra" in text
    assert f"{UI}/runs/{run}" in text


def test_sentry_gets_an_event(broken: Platform, http_server: HttpServer) -> None:
    start = broken.tick("alerts_by_sentry")
    run = fail(broken, "2021-12-05")
    broken.tick("alerts_by_sentry", start.cursor)
    [envelope] = http_server.posted
    event = json.loads(envelope.splitlines()[2])
    assert event["tags"] == {"assets": "warehouse/movies", "partitions": "2021-12-05"}
    assert event["fingerprint"] == ["Run failed", "warehouse/movies"]
    assert event["extra"]["run"] == f"{UI}/runs/{run}"
    assert "requires a column extra" in event["message"]


def test_a_channel_that_fails_is_tried_again_and_repeats_nothing(broken: Platform, http_server: HttpServer) -> None:
    start = broken.tick("alerts_by_webhook")
    runs = [fail(broken, f"2021-12-0{day}") for day in (5, 6, 7)]
    http_server.answers = [500]
    with pytest.raises(Exception, match="The webhook answered 500"):
        broken.tick("alerts_by_webhook", start.cursor)
    http_server.answers = [200, 503]
    partly = broken.tick("alerts_by_webhook", start.cursor)
    assert partly.reason == "Sent 1."
    assert broken.tick("alerts_by_webhook", partly.cursor).reason == "Sent 2."
    assert [run for text in http_server.texts for run in runs if run in text] == runs


def test_a_storm_is_told_a_few_at_a_time(
    broken: Platform, http_server: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sensor, "_MOST_SENT", 2)
    tick = broken.tick("alerts_by_webhook")
    for day in (5, 6, 7):
        fail(broken, f"2021-12-0{day}")
    told = []
    for _ in range(3):
        tick = broken.tick("alerts_by_webhook", tick.cursor)
        told.append(len(http_server.posted))
    assert told == [2, 3, 3]


def evaluate(platform: Platform, day: int, why: str, *, passed: bool, severity: dg.AssetCheckSeverity) -> None:
    evaluation = dg.AssetCheckEvaluation(
        asset_key=builders.key("lake/movies"),
        check_name="rows",
        passed=passed,
        severity=severity,
        description=why,
        partition=f"2021-12-0{day}",
        metadata={},
    )
    platform.instance.report_runless_asset_event(evaluation)


def test_a_check_that_fails_is_told_and_one_that_warns_is_not(with_channels: Platform, http_server: HttpServer) -> None:
    start = with_channels.tick("alerts_by_webhook")
    evaluate(with_channels, 3, "all is well", passed=True, severity=dg.AssetCheckSeverity.ERROR)
    evaluate(with_channels, 4, "a little off", passed=False, severity=dg.AssetCheckSeverity.WARN)
    evaluate(with_channels, 5, "2 rows < 3 & nobody knows why", passed=False, severity=dg.AssetCheckSeverity.ERROR)
    with_channels.tick("alerts_by_webhook", start.cursor)
    [text] = http_server.texts
    assert text == (
        "*Check rows failed: lake/movies 2021-12-05*\n2 rows &lt; 3 &amp; nobody knows why\n<"
        + UI
        + "|The run in Dagster>"
    )


def test_what_is_held_back_is_told_though_it_only_warns(with_channels: Platform, http_server: HttpServer) -> None:
    for day, titles in ((4, ("Rust", "Heat", "Alien")), (5, ("Rust",))):
        with_channels.land("movies", f"2021-12-0{day}", movies_csv(*titles))
    start = with_channels.tick("alerts_by_webhook")
    assert with_channels.run("lake/movies warehouse/movies", "2021-12-04", "2021-12-05").success
    with_channels.tick("alerts_by_webhook", start.cursor)
    [text] = http_server.texts
    assert text.startswith(
        "*Check snapshots_complete failed: warehouse/movies 2021-12-05*\nmovies of 2021-12-05 is quarantined"
    )
    assert "dataflow release --source movies --day 2021-12-05" in text


def test_no_secret_is_shown_where_a_server_is_gone(
    with_channels: Platform, http_server: HttpServer, mail_server: MailServer, clean_environment: pytest.MonkeyPatch
) -> None:
    clean_environment.setenv("DATAFLOW_ALERT_WEBHOOK", "http://127.0.0.1:9/hook?token=secret")
    clean_environment.setenv("SMTP_URL", f"smtp://dataflow%40mail.example:wrong-secret@127.0.0.1:{mail_server.port}")
    with builders.platform(load_settings()) as platform:
        cursors = {name: platform.tick(f"alerts_by_{name}").cursor for name in ("webhook", "email")}
        evaluate(platform, 5, "lost", passed=False, severity=dg.AssetCheckSeverity.ERROR)
        for name, cursor in cursors.items():
            with pytest.raises(Exception, match=r"cannot be reached|did not take") as caught:
                platform.tick(f"alerts_by_{name}", cursor)
            assert "secret" not in str(caught.value)
    assert not mail_server.taken


def test_without_a_channel_there_is_no_sensor(platform: Platform) -> None:
    assert not [sensor for sensor in platform.definitions.sensors or () if sensor.name.startswith("alerts")]
