"""`dataflow up` at work, seen from outside: an object becomes answers without a hand, and a person in a browser
materializes one day of one asset.

Here: what needs the real daemon, code server and UI. They are started once: the tests do not touch the same sources.
Not here: how they start and stop (see `test_platform`), and what the sensors ask for (see their own tests).
"""

import http.client
import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from dataflow_assets.definitions import build_definitions
from dataflow_assets.orchestration.automation.jobs import UNFINISHED
from dataflow_assets.orchestration.resources import OBJECT_STORE
from dataflow_assets.runtime.instance import forget_future_ticks, open_instance
from dataflow_assets.runtime.tags import IN_PROCESS, PART_OF, RANGE_START
from dataflow_assets.settings import load_settings, variable_names
from dataflow_assets_tests import waiting
from dataflow_assets_tests.browser import Page, expect, needs_browser, open_page
from dataflow_assets_tests.live_platform import up
from dataflow_assets_tests.orchestration.builders import Platform, movies_csv, postgres, session, streams_csv
from dataflow_assets_tests.processes import kill
from dataflow_assets_tests.warehouse.builders import ask

_STOP_SENSOR = """
mutation { stopSensor(id: "%s") { __typename } }"""
_SENSORS = """
{ sensorsOrError(repositorySelector: {repositoryName: "__repository__", repositoryLocationName: "dataflow_assets"}) {
    ... on Sensors { results { sensorState { id } } } } }"""


@dataclass(frozen=True)
class Running:
    """A platform that `dataflow up` runs, which knows one book and the movie made of it, and no session."""

    platform: Platform
    port: int
    api_port: int

    def ask(self, query: str) -> Any:
        """What the UI's server answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        body = json.dumps({"query": query})
        connection.request("POST", "/graphql", body, {"Content-Type": "application/json"})
        answer = json.loads(connection.getresponse().read())
        connection.close()
        return answer["data"]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, module_database_url: str) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("up")
    with pytest.MonkeyPatch.context() as environment:
        for name in variable_names():
            environment.delenv(name, raising=False)
        environment.setenv("DATAFLOW_HOME", str(folder / "home"))
        environment.setenv("DATABASE_URL", module_database_url)
        _limit_connections(module_database_url, CONNECTIONS)
        settings = load_settings()
        with open_instance(settings) as instance:
            platform = Platform(settings, build_definitions(settings), instance)
            _make_known(platform)
            with up(folder) as (port, api_port):
                yield Running(platform, port, api_port)


def _limit_connections(url: str, most: int) -> None:
    ask(url, f"ALTER DATABASE {url.rpartition('/')[2]} CONNECTION LIMIT {most}")


def _make_known(platform: Platform) -> None:
    """Take in an author, the book, and the review that ties it to the movie; there is nothing to answer yet."""
    rows: dict[str, Any] = {
        "authors": {"metadata": {"name": "Ada"}, "nationalities": [{"slug": "danes"}]},
        "books": {"name": "Rust", "author": "Ada"},
        "reviews": {
            "content": {"text": "good"},
            "rating": {"rate": 5},
            "movies": [{"title": "Rust"}],
            "books": [{"metadata": {"title": "Rust"}}],
        },
    }
    landed = [platform.land(name, "2021-12-30", json.dumps([row]), f"{name}.json") for name, row in rows.items()]
    platform.materialize(*landed)


wait_until = partial(waiting.wait_until, seconds=600)  # how soon it is, `benchmarks.latency` says

CONNECTIONS = 17  # as many as a server whose max_connections is 20 leaves to a plain role
LOADED = "SELECT count(*) FROM warehouse.streams"
DAILY = "SELECT sessions FROM analytics.average_session WHERE day = '2021-12-05'"
WINDOWED = "SELECT sum(sessions) FROM analytics.sessions_in_progress"
MONTHLY = "SELECT nationality, movies FROM analytics.movies_by_author_nationality WHERE month = '2021-12-01'"
WINDOW = [f"2021-12-{day:02}" for day in range(5, 14)]
REACHED = {
    "average_session": WINDOW[:1],
    "median_session_size": WINDOW[:1],
    "book_based_share": WINDOW[:1],
    "sessions_in_progress": WINDOW[:3],
    "engaged_users": WINDOW,
    "movies_by_author_nationality": ["2021-12-01"],
}
RUNS = Counter({"lake": 2})  # what follows is made by the first of them
FOLLOWED = 5  # the warehouse, three of daily answers, one of monthly ones


def test_the_http_api_answers_too_and_lets_nobody_in(running: Running) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", running.api_port, timeout=300)
    statuses = []
    for path in ("/health", "/v1/me"):
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        statuses.append(answer.status)
    connection.close()
    assert statuses == [200, 401]


def test_an_object_is_in_the_answers_of_its_days_and_of_no_others(running: Running) -> None:
    platform = running.platform
    _drop_session(platform)
    wait_until(lambda: platform.query(LOADED) == [(1,)])
    _drop_session(platform)
    wait_until(lambda: platform.query(DAILY) == [(1,)])
    wait_until(lambda: platform.query(WINDOWED) == [(1,)])
    wait_until(lambda: platform.query(MONTHLY) == [("danes", 1)])
    wait_until(lambda: _succeeded(platform) == RUNS)
    wait_until(lambda: _have_looked(platform, _last_end(platform, "lake")))
    assert _succeeded(platform) == RUNS
    assert len([run for run in platform.instance.get_runs() if PART_OF in run.tags and run.is_success]) == FOLLOWED
    assert platform.instance.get_runs(dg.RunsFilter(statuses=UNFINISHED)) == []
    assert platform.partitions("warehouse/streams") == WINDOW[:1]
    for layer in ("analytics", "published"):
        assert {answer: platform.partitions(f"{layer}/{answer}") for answer in REACHED} == REACHED


def _drop_session(platform: Platform) -> None:
    platform.land("streams", "2021-12-31", streams_csv(session("2021-12-05T10:00")), seconds_ago=0)


def _succeeded(platform: Platform) -> Counter[str]:
    """How many runs of each job that the daemon started have succeeded."""
    runs = platform.instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.SUCCESS]))
    return Counter(run.job_name for run in runs if IN_PROCESS not in run.tags)


def _last_end(platform: Platform, job: str) -> float:
    """When the newest run of a job ended."""
    (record,) = platform.instance.get_run_records(dg.RunsFilter(job_name=job), limit=1)
    assert record.end_time
    return record.end_time


def _have_looked(platform: Platform, since: float) -> bool:
    """Whether the warehouse sensor looked after an instant, and the answers sensor after that."""
    looks: dict[str, Any] = {state.name: state.instigator_data for state in platform.instance.all_instigator_state()}
    looked = looks["warehouse_sensor"].last_tick_timestamp
    return bool(since < (looked or 0) < (looks["answers_sensor"].last_tick_timestamp or 0))


def test_sensors_go_on_after_the_clock_was_set_back(running: Running) -> None:
    """To them it is as if their last tick were of the future, and they wait for that."""
    instance, now = running.platform.instance, time.time()
    for state in instance.all_instigator_state():
        data: Any = state.instigator_data
        if "sensor" in state.name:
            ahead = data._replace(last_tick_timestamp=now + 3600, last_tick_start_timestamp=now + 3600)
            instance.update_instigator_state(state.with_data(ahead))
    forget_future_ticks(instance)
    wait_until(lambda: _have_looked(running.platform, now))


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    with open_page(tmp_path, width=1600, height=900, seconds=300) as page:
        yield page


def test_a_run_whose_process_is_killed_is_made_again_once(running: Running) -> None:
    platform, lake = running.platform, dg.RunsFilter(job_name="lake", tags={RANGE_START: "2021-12-20"})
    # A run that kept its slot would keep the next one from it.
    platform.instance.event_log_storage.set_concurrency_slots(OBJECT_STORE, 1)

    def worker() -> int | None:
        started = (entry.message for run in platform.instance.get_runs(lake) for entry in _engine_events(platform, run))
        return next((int(found[1]) for message in started if (found := _WORKER.search(message))), None)

    with _no_delivery_recorded(platform):
        platform.land("movies", "2021-12-20", movies_csv("Solaris"))
        wait_until(lambda: worker() is not None)
        kill(worker() or 0)
    wait_until(lambda: platform.instance.get_runs_count(lake) == 2)
    wait_until(lambda: platform.partitions("lake/movies").count("2021-12-20") == 1)
    wait_until(lambda: platform.instance.get_runs(dg.RunsFilter(statuses=UNFINISHED)) == [])
    retry, killed = platform.instance.get_runs(lake)
    assert (killed.status, retry.status) == (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.SUCCESS)
    assert retry.parent_run_id == killed.run_id
    said = [entry.message for entry in _engine_events(platform, killed)]
    assert any("SIGKILL" in message for message in said), said
    platform.instance.event_log_storage.delete_concurrency_limit(OBJECT_STORE)


@contextmanager
def _no_delivery_recorded(platform: Platform) -> Iterator[None]:
    """Let no run come to its end until the block does, by a session beside those of the platform."""
    assert platform.settings.database_url
    url = platform.settings.database_url.get_secret_value()
    _limit_connections(url, CONNECTIONS + 1)
    with postgres(platform.settings) as cursor:
        cursor.execute("LOCK TABLE ledger.deliveries IN EXCLUSIVE MODE")
        yield
    _limit_connections(url, CONNECTIONS)


_WORKER = re.compile(r"Started process for run \(pid: (\d+)\)")


def _engine_events(platform: Platform, run: dg.DagsterRun) -> list[dg.EventLogEntry]:
    return list(platform.instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT))


@needs_browser
def test_one_day_of_an_asset_is_materialized_from_the_browser(running: Running, page: Page) -> None:
    _stop_sensors(running)
    day = datetime.now(UTC).date().isoformat()
    users = "email,first_name,last_name\na@b.example,A,B\nc@d.example,C,D\n"
    # A sensor that still looks leaves alone what was written a moment ago.
    running.platform.land("users", day, users, seconds_ago=0)
    site = f"http://127.0.0.1:{running.port}"
    page.goto(f"{site}/asset-groups")
    for group in ("landing", "lake", "warehouse", "analytics", "published"):
        expect(page.get_by_text(group, exact=True).first).to_be_visible(timeout=300_000)

    _materialize(page, f"{site}/assets/lake/users", day)

    platform = running.platform
    wait_until(lambda: platform.partitions("lake/users") != [])
    assert platform.partitions("lake/users") == [day]
    assert platform.metadata("lake/users", day)["dagster/partition_row_count"] == 2
    (run,) = [run for run in platform.instance.get_runs() if run.asset_selection == {dg.AssetKey(["lake", "users"])}]
    messages = [entry.message for entry in platform.instance.all_logs(run.run_id)]
    assert any("Started process for run" in message for message in messages), "no worker of its own made this run"
    wait_until(lambda: platform.instance.get_runs(dg.RunsFilter(statuses=UNFINISHED)) == [])
    recorded = "SELECT delivered, accepted, rejected FROM ledger.deliveries WHERE source = 'users'"
    assert platform.query(recorded) == [(2, 2, 0)]


def _materialize(page: Page, asset: str, partition: str) -> None:
    """Choose one partition in the dialog on the page of an asset, and launch its run."""
    page.goto(asset)
    page.get_by_role("button", name="Materialize").first.click()
    choice = page.get_by_role("dialog").get_by_role("textbox").first
    choice.fill(partition)
    choice.press("Enter")
    page.get_by_role("button", name="Launch 1 run").click()


def _stop_sensors(running: Running) -> None:
    """Keep the sensors from loading what is about to be landed."""
    for sensor in running.ask(_SENSORS)["sensorsOrError"]["results"]:
        stopped = running.ask(_STOP_SENSOR % sensor["sensorState"]["id"])
        assert stopped["stopSensor"]["__typename"] == "StopSensorMutationResult"
    # A tick that waits for news when its sensor is stopped goes on to its end.
    instance = running.platform.instance
    states = instance.all_instigator_state
    wait_until(lambda: not any(_is_ticking(instance, state) for state in states()))


def _is_ticking(instance: dg.DagsterInstance, state: Any) -> bool:
    ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1)
    return any(tick.status.name == "STARTED" for tick in ticks)
