"""A project of Sentry.

Here: one alert as one event, by HTTP, because Sentry's own client loses an event without an error where the server is
down or refuses it. Not here: errors of the code, which nobody reports to Sentry.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import ClassVar
from urllib.parse import urlsplit
from uuid import uuid4

import requests

from dataflow_assets.orchestration.alerting.alerts import Alert
from dataflow_assets.orchestration.alerting.channels.base import NotSentError
from dataflow_assets.settings import Settings

_SECONDS = 10.0


@dataclass(frozen=True)
class Sentry:
    """The project that a DSN names."""

    dsn: str = field(repr=False)
    name: ClassVar[str] = "sentry"

    def send(self, alert: Alert) -> None:
        """Send the alert as an event; those of the same assets and kind are one issue.

        Raises:
            NotSentError: the server cannot be reached, or answered anything but success.
        """
        url, key = _endpoint(self.dsn)
        headers = {
            "Content-Type": "application/x-sentry-envelope",
            "X-Sentry-Auth": f"Sentry sentry_version=7, sentry_client=dataflow-assets, sentry_key={key}",
        }
        try:
            answer = requests.post(url, data=_envelope(alert), headers=headers, timeout=_SECONDS, allow_redirects=False)
        except requests.RequestException as error:
            raise NotSentError(f"Sentry cannot be reached: {type(error).__name__}.") from None
        if not 200 <= answer.status_code < 300:
            raise NotSentError(f"Sentry answered {answer.status_code}.")


def build_channels(settings: Settings) -> Iterator[Sentry]:
    """The channel of SENTRY_DSN."""
    if settings.sentry_dsn:
        yield Sentry(settings.sentry_dsn.get_secret_value())


def _endpoint(dsn: str) -> tuple[str, str]:
    """The URL that takes the project's envelopes, and the project's key."""
    parts = urlsplit(dsn)
    path, _, project = parts.path.rpartition("/")
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{path}/api/{project}/envelope/", parts.username or ""


def _envelope(alert: Alert) -> bytes:
    """An envelope of one event: its header, the item's header, the event; a line each."""
    event_id, now = uuid4().hex, datetime.now(UTC).isoformat()
    event = {
        "event_id": event_id,
        "timestamp": now,
        "platform": "python",
        "level": "error",
        "message": f"{alert.subject}\n{alert.reason}",
        "fingerprint": [alert.title, *alert.assets],
        "tags": {"assets": ", ".join(alert.assets), "partitions": alert.partitions},
        "extra": {"reason": alert.reason, "run": alert.link},
    }
    lines = ({"event_id": event_id, "sent_at": now}, {"type": "event", "content_type": "application/json"}, event)
    return "\n".join(json.dumps(line) for line in lines).encode()
