"""Apprise over real servers: an alert arrives as text, and one that was not taken says so without a secret."""

import json
from dataclasses import replace

import pytest
from apprise.plugins.slack import NotifySlack

from dataflow_assets.orchestration.alerting.alerts import Alert
from dataflow_assets.orchestration.alerting.channels import NotSentError, build_channels
from dataflow_assets.orchestration.alerting.channels.services import Service
from dataflow_assets.settings import load_settings
from dataflow_assets_tests.orchestration.alerting.conftest import HttpServer, MailServer

NAME = "<img src=x> & <@here> *bold*.csv"
ALERT = Alert(
    title="Check rows failed",
    assets=("lake/movies",),
    partitions="2021-12-05",
    reason=f"{NAME} has 2 rows\nof 3",
    link="http://dagster.example:3000/runs/1",
)


def webhook(server: HttpServer) -> Service:
    return Service("json", server.url.replace("http://", "json://") + "/hook?token=hook-secret-1")


def mail(server: MailServer, password: str = "p%40ss-word") -> Service:
    people = "from=dataflow@mail.example&to=a@mail.example,b@mail.example"
    return Service("mailto", f"mailto://dataflow:{password}@127.0.0.1:{server.port}?{people}")


def test_a_webhook_gets_the_alert_as_it_is(http_server: HttpServer) -> None:
    webhook(http_server).send(ALERT)
    assert http_server.texts == [
        f"Check rows failed: lake/movies 2021-12-05\n{NAME} has 2 rows\nof 3\n\nhttp://dagster.example:3000/runs/1"
    ]


def test_mail_is_plain_text(mail_server: MailServer) -> None:
    mail(mail_server).send(ALERT)
    assert [recipients for recipients, _ in mail_server.taken] == [["a@mail.example"], ["b@mail.example"]]
    for _, message in mail_server.taken:
        assert message.get_content_type() == "text/plain"
        assert message["Subject"] == "Check rows failed: lake/movies 2021-12-05"
        body = message.get_payload(decode=True)
        assert isinstance(body, bytes)
        assert body.decode().splitlines()[:2] == [f"{NAME} has 2 rows", "of 3"]


def test_a_name_of_a_file_is_no_markup_for_slack(http_server: HttpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NotifySlack, "webhook_url", http_server.url)
    Service("slack", "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#general").send(ALERT)
    [sent] = [json.loads(body)["attachments"][0] for body in http_server.posted]
    assert "&lt;img src=x&gt; &amp; &lt;@here&gt;" in sent["text"]
    assert "<" not in sent["text"] + sent["title"]


def test_a_subject_of_two_lines_adds_no_header(mail_server: MailServer) -> None:
    mail(mail_server).send(replace(ALERT, assets=("lake/movies\r\nBcc: c@mail.example",)))
    assert {message["Bcc"] for _, message in mail_server.taken} == {None}
    assert {recipients[0] for recipients, _ in mail_server.taken} == {"a@mail.example", "b@mail.example"}


@pytest.mark.parametrize("status", [302, 403, 429, 500])
def test_a_webhook_that_refuses_did_not_take_the_alert(http_server: HttpServer, status: int) -> None:
    http_server.answers = [status]
    with pytest.raises(NotSentError, match=rf"^json did not take the alert: .*{status}") as caught:
        webhook(http_server).send(ALERT)
    assert "hook-secret-1" not in str(caught.value)
    assert not http_server.posted


def test_a_server_that_is_down_did_not_take_the_alert() -> None:
    for service in (webhook(HttpServer("http://127.0.0.1:9")), mail(MailServer(9))):
        with pytest.raises(NotSentError, match="did not take the alert") as caught:
            service.send(ALERT)
        assert "secret" not in str(caught.value)
        assert "ss-word" not in str(caught.value)


def test_a_mail_server_that_refuses_the_login_did_not_take_the_alert(mail_server: MailServer) -> None:
    with pytest.raises(NotSentError, match="mailto did not take the alert") as caught:
        mail(mail_server, "wrong-password").send(ALERT)
    assert "wrong-password" not in str(caught.value)
    assert not mail_server.taken


def test_a_service_does_not_show_its_url() -> None:
    assert "secret" not in repr(Service("json", "json://host.example/secret"))


def test_each_url_is_a_channel_named_after_its_scheme(clean_environment: pytest.MonkeyPatch) -> None:
    clean_environment.setenv(
        "DATAFLOW_ALERT_URLS",
        "json://a.example/secret-1, mailtos://u:p@b.example?to=c@d.example,e@f.example JSON://g.example;jsons://h.example",
    )
    clean_environment.setenv("SENTRY_DSN", "https://key@sentry.example/1")
    names = [channel.name for channel in build_channels(load_settings())]
    assert sorted(names) == ["json", "json_2", "jsons", "mailtos", "sentry"]
