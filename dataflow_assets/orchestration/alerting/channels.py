"""Where alerts go: a webhook, e-mail, Sentry.

Here: one class for each, which sends one alert or says why it could not. Not here: what an alert says (see `alerts`),
and which were sent (see `alert_sensors`).
"""

import smtplib
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import ClassVar, Protocol
from urllib.parse import SplitResult, unquote, urlsplit

import requests

from dataflow_assets.errors import DataFlowError
from dataflow_assets.orchestration.alerting.alerts import Alert
from dataflow_assets.settings import Settings

_SECONDS = 10.0


class NotSentError(DataFlowError):
    """An alert could not be sent; it is tried again."""

    code: ClassVar[str] = "not_sent"


class Channel(Protocol):
    """A way to tell somebody."""

    @property
    def name(self) -> str:
        """What it is called in the names of sensors."""

    def send(self, alert: Alert) -> None:
        """Send one alert.

        Raises:
            NotSentError: it may not have arrived.
        """


def configured(settings: Settings) -> Iterator[Channel]:
    """The channels that the settings name."""
    if settings.alert_webhook:
        yield Webhook(settings.alert_webhook.get_secret_value())
    if settings.alert_email and settings.smtp_url:
        yield Mail(settings.smtp_url.get_secret_value(), settings.alert_email)
    if settings.sentry_dsn:
        yield Sentry(settings.sentry_dsn.get_secret_value())


@dataclass(frozen=True)
class Webhook:
    """A URL that takes messages as JSON, as Slack, Mattermost and others do."""

    url: str = field(repr=False)
    name: ClassVar[str] = "webhook"

    def send(self, alert: Alert) -> None:
        """Post the alert as `{"text": …}`, in Slack's markup."""
        text = f"*{_escaped(alert.subject)}*\n{_escaped(alert.reason)}\n<{alert.link}|The run in Dagster>"
        try:
            answer = requests.post(self.url, json={"text": text}, timeout=_SECONDS, allow_redirects=False)
        except requests.RequestException as error:
            raise NotSentError(f"The webhook cannot be reached: {type(error).__name__}.") from None  # it names the URL
        if not answer.ok or answer.is_redirect:
            raise NotSentError(f"The webhook answered {answer.status_code}.")


def _escaped(text: str) -> str:
    """The text, as Slack asks for it: https://docs.slack.dev/messaging/formatting-message-text#escaping."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


@dataclass(frozen=True)
class Mail:
    """E-mail by an SMTP server: `smtp://`, with STARTTLS where the server offers it, or `smtps://`."""

    url: str = field(repr=False)
    to: str
    name: ClassVar[str] = "email"

    def send(self, alert: Alert) -> None:
        """Send the alert as a text to all recipients, from the user of the server where that is an address."""
        parts = urlsplit(self.url)
        user, recipients = unquote(parts.username or ""), [address.strip() for address in self.to.split(",")]
        message = EmailMessage()
        message["Subject"] = " ".join(alert.subject.split())
        message["From"] = user if "@" in user else recipients[0]
        message["To"] = ", ".join(recipients)
        message.set_content(f"{alert.subject}\n\n{alert.reason}\n\n{alert.link}\n")
        try:
            with _connected(parts) as server:
                if user:
                    server.login(user, unquote(parts.password or ""))
                refused = server.send_message(message)
        except (OSError, smtplib.SMTPException) as error:
            raise NotSentError(f"The mail server did not take the message: {error}.") from None
        if refused:
            raise NotSentError(f"The mail server refused {', '.join(refused)}.")


def _connected(parts: SplitResult) -> smtplib.SMTP:
    context, host = ssl.create_default_context(), parts.hostname or ""
    if parts.scheme == "smtps":
        return smtplib.SMTP_SSL(host, parts.port or 465, timeout=_SECONDS, context=context)
    server = smtplib.SMTP(host, parts.port or 587, timeout=_SECONDS)
    server.ehlo()
    if server.has_extn("starttls"):
        server.starttls(context=context)
    return server


@dataclass(frozen=True)
class Sentry:
    """A project of Sentry; the client retries by itself, and does not say whether it arrived."""

    dsn: str = field(repr=False)
    name: ClassVar[str] = "sentry"

    def send(self, alert: Alert) -> None:
        """Capture the alert as an event; those of the same assets and kind are one issue."""
        import sentry_sdk  # noqa: PLC0415, half a second for those who do not use it

        client = sentry_sdk.Client(self.dsn, default_integrations=False, server_name="")
        try:
            client.capture_event(
                {
                    "message": f"{alert.subject}\n{alert.reason}",
                    "level": "error",
                    "fingerprint": [alert.title, *alert.assets],
                    "tags": {"assets": ", ".join(alert.assets), "partitions": alert.partitions},
                    "extra": {"reason": alert.reason, "run": alert.link},
                }
            )
        finally:
            client.close(timeout=_SECONDS)
