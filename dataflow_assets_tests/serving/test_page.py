"""The page: everybody may have its files, which hold no data; with a login it shows the answers, in a real browser."""

import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from dataflow_assets.serving.passwords import hash_password
from dataflow_assets.serving.principals import Role
from dataflow_assets.settings import Settings
from dataflow_assets.warehouse.bootstrap import open_warehouse
from dataflow_assets_tests.browser import Error, Locator, Page, Route, expect, needs_browser, open_page
from dataflow_assets_tests.serving.conftest import Headers
from dataflow_assets_tests.serving.factories import UserFactory
from dataflow_assets_tests.serving.live_server import serving
from dataflow_assets_tests.serving.reading.builders import load_rows, streams
from dataflow_assets_tests.warehouse.builders import STREAMS, ask

SESSIONS = "INSERT INTO analytics.average_session VALUES (%s, %s, %s)"
PASSWORD = "correct horse battery"


def add_answers(url: str) -> None:
    for day, seconds in enumerate((60.5, 90.0, 75.25), start=1):
        ask(url, SESSIONS, f"2021-12-{day:02}", 10 * day, seconds)


async def test_its_files_come_from_here_alone(client: httpx2.AsyncClient) -> None:
    page = await client.get("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]
    assert "http" not in page.text
    for name in ("/page.css", "/page.js"):
        assert f'"{name}"' in page.text
        assert (await client.get(name)).status_code == 200


async def test_charts_are_of_what_one_may_read(client: httpx2.AsyncClient, settings: Settings, reader: Headers) -> None:
    url = open_warehouse(settings)
    add_answers(url)
    charts: list[dict[str, Any]] = (await client.get("/v1/charts", headers=reader)).json()
    assert [chart["title"] for chart in charts] == [
        "average_session: sessions",
        "average_session: average_session_seconds",
    ]
    assert charts[0]["svg"].count("<circle") == 3
    newest = (await client.get("/v1/charts?days=1", headers=reader)).json()
    assert newest[0]["svg"].count("<circle") == 1
    assert (await client.get("/v1/charts?day=1", headers=reader)).status_code == 422


async def test_charts_are_of_any_window(client: httpx2.AsyncClient, settings: Settings, reader: Headers) -> None:
    add_answers(open_warehouse(settings))

    async def ask_for(query: str) -> int:
        """How many days are drawn, or the status."""
        answer = await client.get(f"/v1/charts?{query}", headers=reader)
        charts = answer.json()
        return answer.status_code if answer.status_code != 200 else charts[0]["svg"].count("<circle") if charts else 0

    assert await ask_for("from=2021-12-01&to=2021-12-03") == 2
    assert await ask_for("from=2021-12-03&to=2022-12-03") == 1
    assert await ask_for("from=2020-12-01&to=2021-12-01") == 0
    refused = (
        "from=2021-12-01",
        "from=2021-12-01&to=2021-12-03&days=1",
        "from=2021-12-03&to=2021-12-03",
        "from=0001-01-01&to=9999-12-31",
        "from=1&to=2",
    )
    assert {await ask_for(query) for query in refused} == {422}


async def test_a_chart_that_was_made_again_is_not_an_older_one(
    client: httpx2.AsyncClient, settings: Settings, reader: Headers
) -> None:
    url = open_warehouse(settings)
    assert (await client.get("/v1/charts", headers=reader)).json() == []
    add_answers(url)
    ask(url, "INSERT INTO ledger.answers (answer, partition, made_from) VALUES ('average_session', '2021-12-03', '{}')")
    assert len((await client.get("/v1/charts", headers=reader)).json()) == 2


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    with open_page(tmp_path, width=390, height=844, seconds=300) as page:
        yield page


@needs_browser
def test_the_api_is_described_without_a_file_from_elsewhere(settings: Settings, tmp_path: Path, page: Page) -> None:
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: asked.append(request.url))
    with serving(tmp_path / "log") as server:
        page.goto(f"{server.url}/docs")
        page.locator('[data-path="/v1/tables/streams/rows"]').click()
        expect(page.get_by_text("event_day.gte", exact=True).first).to_be_visible()
    assert said == []
    assert [address for address in asked if not address.startswith((server.url, "data:"))] == []


@pytest.fixture
def visit(settings: Settings, tmp_path: Path, page: Page) -> Iterator[Page]:
    """The page as somebody sees it who has logged in: ten days of one session each, and three of an answer."""
    url = open_warehouse(settings)
    add_answers(url)
    for number in range(10):
        load_rows(url, STREAMS, streams(1, date(2021, 12, 1) + timedelta(days=number)))
    UserFactory.create(url=url, name="ann", role=Role.READER, password=hash_password(PASSWORD))
    with serving(tmp_path / "log") as server:
        page.goto(server.url)
        page.get_by_label("Name").fill("ann")
        page.get_by_label("Password").fill(PASSWORD)
        page.keyboard.press("Enter")
        expect(page.locator("body[data-ready]")).to_be_visible()
        yield page
        page.goto("about:blank")  # nothing is asked any more


def sessions(page: Page) -> Locator:
    """The card of the question how many sessions there were."""
    card = page.locator("#questions .card").filter(has=page.get_by_text("Sessions", exact=True))
    return card.locator(".figure")


@needs_browser
def test_questions_and_charts_are_of_one_window_which_is_told(visit: Page) -> None:
    expect(sessions(visit)).to_have_text("10")
    expect(visit.locator("#shown")).to_have_text("Window: 2021-12-01 to 2021-12-10, both included.")
    visit.get_by_label("Last").select_option("7")
    expect(sessions(visit)).to_have_text("7")
    expect(visit.locator("#shown")).to_have_text("Window: 2021-12-04 to 2021-12-10, both included.")
    visit.get_by_label("or from").fill("2021-12-02")
    visit.get_by_label("to", exact=True).fill("2021-12-03")
    visit.get_by_role("button", name="Show").click()
    expect(sessions(visit)).to_have_text("2")
    expect(visit.locator("#answers svg circle")).to_have_count(4)
    expect(visit.locator("#shown")).to_have_text("Window: 2021-12-02 to 2021-12-03, both included.")


@needs_browser
def test_a_window_that_comes_late_does_not_take_the_place_of_a_newer_one(visit: Page) -> None:
    late: list[Route] = []

    def hold(route: Route) -> None:
        late.append(route)

    visit.route(re.compile(r"/v1/(charts|questions/average_session)\?(from=2021-12-01|days=30)"), hold)
    visit.get_by_label("or from").fill("2021-12-01")
    visit.get_by_label("to", exact=True).fill("2021-12-01")
    with visit.expect_request("**/v1/questions/average_session?from=2021-12-01*"):
        visit.get_by_role("button", name="Show").click()
    for section in ("#questions", "#answers"):
        expect(visit.locator(f"{section}[aria-busy=true]")).to_be_visible()
    visit.get_by_label("Last").select_option("30")
    visit.get_by_label("Last").select_option("7")
    for section in ("#questions", "#answers"):
        expect(visit.locator(f"{section}[aria-busy=false]")).to_be_visible()
    expect(sessions(visit)).to_have_text("7")
    assert len(late) >= 3
    for route in late:
        with suppress(Error):  # the page may have given it up
            route.continue_()
    visit.wait_for_load_state("networkidle")
    expect(sessions(visit)).to_have_text("7")
    expect(visit.locator("#answers svg circle")).to_have_count(6)
    expect(visit.locator("#shown")).to_have_text("Window: 2021-12-04 to 2021-12-10, both included.")
    expect(visit.get_by_role("alert")).to_be_hidden()


@needs_browser
def test_a_window_that_cannot_be_shown_leaves_no_figures_of_another_one(visit: Page) -> None:
    visit.get_by_label("or from").fill("2001-12-01")
    visit.get_by_label("to", exact=True).fill("2021-12-01")
    visit.get_by_role("button", name="Show").click()
    expect(visit.get_by_role("alert")).to_contain_text("from must be before to")
    expect(visit.locator("#answers svg")).to_have_count(0)
    expect(sessions(visit)).to_have_text("1")


@needs_browser
def test_who_logs_in_sees_the_answers(settings: Settings, tmp_path: Path, page: Page) -> None:
    url = open_warehouse(settings)
    add_answers(url)
    UserFactory.create(url=url, name="ann", role=Role.READER, password=hash_password(PASSWORD))
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: asked.append(request.url))
    with serving(tmp_path / "log") as server:
        page.goto(server.url)
        page.get_by_label("Name").fill("ann")
        page.get_by_label("Password").fill("wrong")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_have_text("The name or the password is wrong.")
        page.get_by_label("Password").fill(PASSWORD)
        page.keyboard.press("Enter")
        expect(page.locator("#answers svg")).to_have_count(2)
        expect(page.locator("#tables tbody tr")).to_have_count(6)
        expect(page.locator("#deliveries")).to_contain_text("Nothing has been delivered yet.")
        expect(page.get_by_role("alert")).to_be_hidden()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, "the page is wider than a phone"
        expect(page.locator("#answers svg circle")).to_have_count(6)
        expect(page.locator("#questions")).to_contain_text("Average session")
        page.get_by_label("or from").press_sequentially("12022021")  # month, day, year
        page.get_by_label("to", exact=True).press_sequentially("12032021")
        page.keyboard.press("Enter")
        expect(page.locator("#answers svg circle")).to_have_count(4)
        page.evaluate("accessToken = 'one that has expired'")
        page.get_by_label("Last").select_option("7")
        expect(page.locator("#answers svg circle")).to_have_count(6)
        expect(page.get_by_label("Password")).to_be_hidden()
        page.reload()
        expect(page.locator("#answers svg")).to_have_count(2)
        page.get_by_role("button", name="Log out").click()
        expect(page.get_by_label("Password")).to_be_visible()
        page.reload()
        expect(page.get_by_label("Password")).to_be_visible()
    assert [text for text in said if "401" not in text] == []
    assert [address for address in asked if not address.startswith((server.url, "data:"))] == []
