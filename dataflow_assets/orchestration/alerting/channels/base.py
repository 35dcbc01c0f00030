"""What every channel is.

Here: the contract between a channel and its sensor. Not here: a channel.
"""

from typing import ClassVar, Protocol

from dataflow_assets.errors import DataFlowError
from dataflow_assets.orchestration.alerting.alerts import Alert


class NotSentError(DataFlowError):
    """A channel did not take an alert; it is sent again at the next tick."""

    code: ClassVar[str] = "not_sent"


class Channel(Protocol):
    """A way to tell somebody."""

    @property
    def name(self) -> str:
        """The name of its sensor after `alerts_by_`: letters, digits and underscores, no secret."""

    def send(self, alert: Alert) -> None:
        """Send one alert.

        Raises:
            NotSentError: the alert may not have arrived. The message has no secret.
        """
