"""Where alerts go: one kind of channel per file of this package, found by itself.

Add a kind by adding a file with a `build_channels(settings)`; nothing here changes.
"""

import importlib
import pkgutil
from collections.abc import Iterator

from dataflow_assets.orchestration.alerting.channels.base import Channel, NotSentError
from dataflow_assets.settings import Settings

__all__ = ["Channel", "NotSentError", "build_channels"]


def build_channels(settings: Settings) -> Iterator[Channel]:
    """The channels that the settings name."""
    for found in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{found.name}")
        if hasattr(module, "build_channels"):
            yield from module.build_channels(settings)
