"""A real browser.

Here: opening a page in it. Not here: what is looked at.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

try:
    from playwright.sync_api import Error, Locator, Page, Route, expect, sync_playwright
except ModuleNotFoundError:  # it is large, and in the group `ci` alone
    Error = Locator = Page = Route = expect = sync_playwright = None  # type: ignore[assignment,misc]

__all__ = ["Error", "Locator", "Page", "Route", "expect", "needs_browser", "open_page"]

_CHROMIUM = shutil.which("chromium")
_FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]

needs_browser = pytest.mark.skipif(
    _CHROMIUM is None or sync_playwright is None,
    reason="there is no chromium on this machine, or no Playwright (uv sync --group ci)",
)


@contextmanager
def open_page(folder: Path, *, width: int, height: int, seconds: float) -> Iterator[Page]:
    """A new page of that size, which waits so long for anything; the browser keeps its files in the folder."""
    expect.set_options(timeout=seconds * 1_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch_persistent_context(
            folder / "browser",
            executable_path=_CHROMIUM,
            args=_FLAGS,
            timeout=seconds * 1_000,
            viewport={"width": width, "height": height},
        )
        browser.set_default_timeout(seconds * 1_000)
        yield browser.new_page()
        browser.close()
