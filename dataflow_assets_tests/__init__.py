"""The tests, which mirror the tree of the package.

Here: what must be settled before the first module of the package is imported. Not here: fixtures (see `conftest`).
"""

import contextlib
import sys
from typing import Any


def _let_modules_change(measuring: Any) -> None:
    """Let slipcover take out what it put into lines that were seen, though another thread changes a module meanwhile.

    It walks through all modules for that, on Python 3.11; what it did not reach it takes out the next time.
    """
    take_out = measuring.deinstrument_seen

    def take_out_what_is_reached() -> None:
        with contextlib.suppress(RuntimeError):
            take_out()

    measuring.deinstrument_seen = take_out_what_is_reached


_measuring = getattr(sys.modules.get("slipcover.pytest_plugin"), "_slipcover_instance", None)
if hasattr(_measuring, "deinstrument_seen"):
    _let_modules_change(_measuring)
