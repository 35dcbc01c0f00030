"""A person in a browser: sees the five layers, materializes one day of one asset, and its rows are in."""

import http.client
import json
import os
import shutil
import socket
import subprocess
import sysconfig
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from playwright.sync_api import Page, expect, sync_playwright

from dataflow_assets.landing.deliveries import Landing
from dataflow_assets.landing.storage import open_storage
from dataflow_assets.settings import load_settings
from dataflow_assets.warehouse import embedded
from dataflow_assets_tests.orchestration.made import movies_csv
from dataflow_assets_tests.processes import kill_all, wait_until_gone

_CHROMIUM = shutil.which("chromium")
_FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]
_STOP_SENSOR = """
mutation { stopSensor(id: "%s") { __typename } }"""
_SENSOR = """
{ sensorsOrError(repositorySelector: {repositoryName: "__repository__", repositoryLocationName: "dataflow_assets"}) {
    ... on Sensors { results { sensorState { id } } } } }"""
_RUNS = """
{ runsOrError { ... on Runs { results { runId status assetSelection { path } } } } }"""
_EVENTS = """
query Events($run: ID!) { logsForRun(runId: $run) { ... on EventConnection { events {
    ... on MessageEvent { message }
    ... on MaterializationEvent { assetKey { path } partition metadataEntries { label ... on IntMetadataEntry {
        intValue } } } } } } }"""

pytestmark = pytest.mark.skipif(_CHROMIUM is None, reason="there is no chromium on this machine")


@dataclass(frozen=True)
class Running:
    """A platform that `dataflow up` runs, with an empty landing and today as its first day."""

    home: Path
    port: int
    day: date

    def ask(self, query: str, **variables: str) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        body = json.dumps({"query": query, "variables": variables})
        connection.request("POST", "/graphql", body, {"Content-Type": "application/json"})
        answer = json.loads(connection.getresponse().read())
        connection.close()
        return answer["data"]

    def wait_for_run(self, seconds: float = 60) -> dict[str, Any]:
        """The only run, once it has ended."""
        deadline = time.monotonic() + seconds
        while True:
            runs = self.ask(_RUNS)["runsOrError"]["results"]
            if runs and runs[0]["status"] in ("SUCCESS", "FAILURE", "CANCELED"):
                (run,) = runs
                assert isinstance(run, dict)
                return run
            assert time.monotonic() < deadline, f"no run ended: {runs}"
            time.sleep(0.2)

    def events(self, run: str) -> list[dict[str, Any]]:
        return list(self.ask(_EVENTS, run=run)["logsForRun"]["events"])


@pytest.fixture
def running(clean_environment: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Running]:
    day = datetime.now(UTC).date()
    clean_environment.setenv("DATAFLOW_FIRST_DAY", day.isoformat())
    settings = load_settings()
    embedded.acquire(settings.home, durable=False).close()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    process = subprocess.Popen(
        [Path(sysconfig.get_path("scripts")) / "dataflow", "up", "--port", str(port)],
        stdout=subprocess.PIPE,
        stderr=(tmp_path / "stderr").open("w"),
        text=True,
        cwd=tmp_path,
        env=dict(os.environ),
    )
    try:
        assert process.stdout
        assert f":{port}" in process.stdout.readline(), (tmp_path / "stderr").read_text()
        yield Running(settings.home, port, day)
        process.terminate()
        process.communicate(timeout=30)
        assert process.returncode == 0, (tmp_path / "stderr").read_text()
        assert wait_until_gone(tmp_path, 10) == {}
    finally:
        kill_all(tmp_path)


@pytest.fixture
def page(running: Running, tmp_path: Path) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch_persistent_context(
            tmp_path / "browser", executable_path=_CHROMIUM, args=_FLAGS, viewport={"width": 1600, "height": 900}
        )
        browser.set_default_timeout(30_000)
        page = browser.new_page()
        yield page
        browser.close()


def test_one_day_of_an_asset_is_materialized_from_the_browser(running: Running, page: Page) -> None:
    _stop_sensor(running)
    _land(running)
    site = f"http://127.0.0.1:{running.port}"
    page.goto(f"{site}/asset-groups")
    for group in ("landing", "lake", "warehouse", "analytics", "published"):
        expect(page.get_by_text(group, exact=True).first).to_be_visible(timeout=30_000)

    page.goto(f"{site}/assets/lake/movies")
    page.get_by_role("button", name="Materialize").first.click()
    choice = page.get_by_role("dialog").get_by_role("textbox").first
    choice.fill(running.day.isoformat())
    choice.press("Enter")
    page.get_by_role("button", name="Launch 1 run").click()

    run = running.wait_for_run()
    assert run["status"] == "SUCCESS"
    assert run["assetSelection"] == [{"path": ["lake", "movies"]}]
    events = running.events(run["runId"])
    assert any("Started process for run" in event["message"] for event in events), "no worker of its own made this run"
    assert _row_count(events, "lake/movies", running.day) == 2
    assert _recorded(running) == [("movies", 2, 2, 0)]


def _row_count(events: list[dict[str, Any]], asset: str, day: date) -> int:
    """What a run's events say of a partition that it materialized."""
    wanted = (asset.split("/"), day.isoformat())
    (event,) = (
        found for found in events if "assetKey" in found and (found["assetKey"]["path"], found["partition"]) == wanted
    )
    figures = {entry["label"]: entry.get("intValue") for entry in event["metadataEntries"]}
    return int(figures["dagster/partition_row_count"])


def _stop_sensor(running: Running) -> None:
    """Keep the sensor from loading what is about to be landed."""
    (sensor,) = running.ask(_SENSOR)["sensorsOrError"]["results"]
    stopped = running.ask(_STOP_SENSOR % sensor["sensorState"]["id"])
    assert stopped["stopSensor"]["__typename"] == "StopSensorMutationResult"


def _land(running: Running) -> None:
    file = running.home / "movies.csv"
    file.write_text(movies_csv("Rust", "Heat"))
    Landing(open_storage(load_settings())).put("movies", running.day, file)


def _recorded(running: Running) -> list[tuple[Any, ...]]:
    with embedded.acquire(running.home) as lease:
        connection = psycopg2.connect(lease.url)
        with connection.cursor() as cursor:
            cursor.execute("SELECT source, delivered, accepted, rejected FROM warehouse.deliveries")
            rows: list[tuple[Any, ...]] = cursor.fetchall()
        connection.close()
    return rows
