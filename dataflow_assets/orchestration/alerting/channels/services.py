"""Chats, mail servers, webhooks and the other services that apprise knows, one channel for each URL.

Here: one alert to one URL of DATAFLOW_ALERT_URLS. Not here: which URLs are usable (see `settings`).
"""

import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from dataflow_assets.orchestration.alerting.alerts import Alert
from dataflow_assets.orchestration.alerting.channels.base import NotSentError
from dataflow_assets.setting_values import split_alert_urls
from dataflow_assets.settings import Settings, mask_secrets


@dataclass(frozen=True)
class Service:
    """A URL that apprise can notify."""

    name: str
    url: str = field(repr=False)

    def send(self, alert: Alert) -> None:
        """Send the alert as plain text; the service's own markup is escaped.

        Raises:
            NotSentError: the service did not take it.
        """
        from apprise import Apprise, AppriseAsset, NotifyFormat, NotifyType  # noqa: PLC0415, slow, and not always used
        from apprise import AppriseResultStatus as Status  # noqa: PLC0415

        # A redirected POST becomes a GET, which a login page answers with 200.
        asset = AppriseAsset(app_id="DataFlow Assets", async_mode=False, http_redirects=False)
        service = Apprise(self.url, asset=asset)
        result = service.notify(
            title=" ".join(alert.subject.split()),
            body=f"{alert.reason}\n\n{alert.link}",
            body_format=NotifyFormat.TEXT,
            notify_type=NotifyType.FAILURE,
            log_level=logging.WARNING,
        )
        with result:
            if result.status is not Status.SUCCESS:
                why = "; ".join(entry.message for entry in result.logs()) or "it did not say why"
                raise NotSentError(f"{self.name} did not take the alert: {mask_secrets(why, self.url)}")


def build_channels(settings: Settings) -> Iterator[Service]:
    """A channel for each URL, named after its scheme; the second of a scheme is `<scheme>_2`."""
    if settings.alert_urls is None:
        return
    seen: Counter[str] = Counter()
    for url in split_alert_urls(settings.alert_urls.get_secret_value()):
        scheme = url.partition("://")[0].lower()
        seen[scheme] += 1
        yield Service(scheme if seen[scheme] == 1 else f"{scheme}_{seen[scheme]}", url)
