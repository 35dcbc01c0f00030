"""The pictures of docs and README, taken anew by one command, in a fresh home and a real browser:

    uv run python -m benchmarks.pictures

The demo runs, `dataflow up` starts, and each page is photographed, which needs `chromium`. Look at the pictures before
you commit them.

Here: which pages there are. Not here: what they show.
"""

import argparse
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

_DATAFLOW = str(Path(sys.executable).with_name("dataflow"))
_PICTURES = Path(__file__).parent.parent / "docs/pictures"
_FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync")
_SECONDS, _SETTLE = 180, 4.0
_WIDTH = 1280
_PASSWORD = "correct horse battery staple"
_OF_THE_API = {"page": (_WIDTH, "light"), "page-dark": (_WIDTH, "dark"), "page-phone": (390, "light")}  # width, colours
_PAGES = {  # by name: the path, and the height that holds what is of interest
    "asset": ("/assets/warehouse/streams?view=overview", 1500),
    "partitions": ("/assets/warehouse/streams?view=partitions", 640),
    "checks": ("/assets/warehouse/streams?view=checks", 640),
    "timeline": ("/overview/activity/timeline", 400),
    "automation": ("/automation", 760),
    "pools": ("/deployment/concurrency", 400),
}


def main() -> None:
    """Run the demo, start the platform, and take every picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, default=_PICTURES)
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="pictures-") as folder:
        environment = os.environ | {"DATAFLOW_HOME": f"{folder}/home"}
        report, api_port = Path(folder) / "report.html", _free_port()
        for arguments in (["demo"], ["report", "--out", str(report)]):
            subprocess.run([_DATAFLOW, *arguments], env=environment, check=True)
        adding = [_DATAFLOW, "user", "add", "ann"]
        subprocess.run(adding, env=environment, input=_PASSWORD, text=True, check=True)
        with _up(environment, api_port) as address, _browser(Path(folder)) as page:
            for name, (path, height) in _PAGES.items():
                _take(page, address + path, height, out / f"{name}.png")
            _take_plots(page, f"{address}/assets/warehouse/streams?view=overview", out / "plots.png")
            _take(page, report.as_uri(), 900, out / "report.png")
            for name, (width, colours) in _OF_THE_API.items():
                _take_page(page, f"http://127.0.0.1:{api_port}", width, colours, out / f"{name}.png")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _up(environment: dict[str, str], api_port: int) -> Iterator[str]:
    port = _free_port()
    command = [_DATAFLOW, "up", "--port", str(port), "--api-port", str(api_port)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        address, deadline = f"http://127.0.0.1:{port}", time.monotonic() + _SECONDS
        while not _answers(address):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.2)
        yield address
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(_SECONDS)


def _answers(address: str) -> bool:
    try:
        return bool(urllib.request.urlopen(f"{address}/server_info", timeout=5).status == 200)
    except OSError:
        return False


@contextmanager
def _browser(folder: Path) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch_persistent_context(
            folder / "browser", executable_path="/usr/bin/chromium", args=list(_FLAGS)
        )
        browser.set_default_timeout(_SECONDS * 1000)
        yield browser.new_page()
        browser.close()


def _take(page: Page, address: str, height: int, picture: Path) -> None:
    page.set_viewport_size({"width": _WIDTH, "height": height})
    page.goto(address)
    page.wait_for_timeout(_SETTLE * 1000)
    page.screenshot(path=picture)
    print(picture, flush=True)  # noqa: T201


def _take_page(page: Page, address: str, width: int, colours: str, picture: Path) -> None:
    """The page of the API, all of it, as somebody sees it who has logged in."""
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme="dark" if colours == "dark" else "light")
    page.goto(address)
    page.locator("#login:visible, #content:visible").wait_for()
    if page.get_by_label("Password").is_visible():
        page.get_by_label("Name").fill("ann")
        page.get_by_label("Password").fill(_PASSWORD)
        page.keyboard.press("Enter")
    page.locator("body[data-ready]").wait_for()
    page.screenshot(path=picture, full_page=width == _WIDTH)
    print(picture, flush=True)  # noqa: T201


def _take_plots(page: Page, address: str, picture: Path) -> None:
    page.set_viewport_size({"width": _WIDTH, "height": 1500})
    page.goto(address)
    page.get_by_role("button", name="Plots").click()
    page.wait_for_timeout(_SETTLE * 1000)
    page.screenshot(path=picture, clip={"x": 240, "y": 1000, "width": 720, "height": 500})
    print(picture, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
