"""What Prometheus is told, and that the rules and the dashboard ask for nothing else."""

import asyncio
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime

import httpx2
import pytest
import yaml
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families

from dataflow_assets.ledger.deliveries import record_delivery
from dataflow_assets.serving.http_metrics import HttpMetrics
from dataflow_assets.serving.principals import Role
from dataflow_assets.serving.state import ServingState
from dataflow_assets_tests.conftest import REPOSITORY
from dataflow_assets_tests.ledger.test_deliveries import MODIFIED, delivery, intake
from dataflow_assets_tests.serving.conftest import Headers
from dataflow_assets_tests.serving.reading.builders import load_rows, streams
from dataflow_assets_tests.warehouse.builders import DAY, STREAMS, ask

MONITORING = REPOSITORY / "deploy/monitoring"
MIDNIGHT = datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC).timestamp()
Samples = dict[str, dict[tuple[str, ...], float]]


def parse(text: str) -> Samples:
    """Every sample by its name and the values of its labels."""
    found: Samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
    return found


async def scrape(client: httpx2.AsyncClient, headers: Headers) -> Samples:
    answer = await client.get("/metrics", headers=headers)
    assert answer.status_code == 200, answer.text
    return parse(answer.text)


async def test_it_tells_what_the_records_say(client: httpx2.AsyncClient, state: ServingState, reader: Headers) -> None:
    url = state.database.url
    record_delivery(url, intake(delivery("a.csv"), 1, event_days=frozenset([DAY])))
    record_delivery(url, intake(delivery("b.csv"), 2, delivered=1, accepted=0, rejected=1, refusal="no header"))
    load_rows(url, STREAMS, streams(7))
    ask(url, "INSERT INTO ledger.answers VALUES ('engaged_users', %s, '{}')", DAY)
    ask(url, "CREATE TABLE runs (status text)")
    ask(url, "INSERT INTO runs VALUES ('FAILURE'), ('QUEUED'), ('QUEUED')")
    found = await scrape(client, reader)
    streams_only = {
        name: found[f"dataflow_{name}"]["streams",] for name in ("delivered_rows", "accepted_rows", "rejected_rows")
    }
    assert streams_only == {"delivered_rows": 6, "accepted_rows": 3, "rejected_rows": 3}
    objects = {state: found["dataflow_objects"]["streams", state] for state in ("accepted", "rejected", "quarantined")}
    assert objects == {"accepted": 1, "rejected": 1, "quarantined": 0}
    assert found["dataflow_newest_delivery_timestamp_seconds"] == {("streams",): MODIFIED.timestamp()}
    assert found["dataflow_table_rows"] == {("streams",): 7}
    assert found["dataflow_table_newest_day_timestamp_seconds"] == {("streams",): MIDNIGHT}
    assert found["dataflow_answer_newest_partition_timestamp_seconds"] == {("engaged_users",): MIDNIGHT}
    assert found["dataflow_runs"]["FAILURE",] == 1
    assert found["dataflow_runs"]["QUEUED",] == 2
    assert found["dataflow_runs"]["STARTED",] == 0
    assert found["dataflow_delivered_rows"]["movies",] == 0


async def test_what_was_measured_is_kept_for_a_while(
    client: httpx2.AsyncClient, state: ServingState, reader: Headers
) -> None:
    assert (await scrape(client, reader))["dataflow_delivered_rows"]["streams",] == 0
    record_delivery(state.database.url, intake(delivery()))
    found = await asyncio.gather(*(scrape(client, reader) for _ in range(20)))
    assert {one["dataflow_delivered_rows"]["streams",] for one in found} == {0}


async def test_who_may_not_read_all_sources_gets_none(
    client: httpx2.AsyncClient, headers_of: Callable[..., Headers]
) -> None:
    answer = await client.get("/metrics", headers=headers_of(Role.WRITER, ["movies"]))
    assert answer.status_code == 403
    assert "all sources" in answer.json()["detail"]


async def test_requests_are_counted_by_route_and_never_by_what_they_name(
    client: httpx2.AsyncClient, reader: Headers
) -> None:
    for path in ("/v1/tables/movies/rows", "/v1/tables/secret/rows", "/elsewhere/secret"):
        await client.get(path, headers=reader)
    await client.request("SECRET", "/health")
    answer = await client.get("/metrics", headers=reader)
    assert "ecret" not in answer.text.lower()
    found = parse(answer.text)["dataflow_http_requests_total"]
    assert found == {
        ("GET", "/v1/tables/{table}/rows", "200"): 1,
        ("GET", "/v1/tables/{table}/rows", "404"): 1,
        ("GET", "no route", "404"): 1,
        ("other", "/health", "405"): 1,
    }


def test_an_answer_that_was_broken_off_is_counted_whatever_its_status() -> None:
    metrics = HttpMetrics()
    metrics.count("GET", "/rows", 200, 1.5, is_whole=False)
    metrics.count("GET", "/rows", 200, 0.5, is_whole=True)
    sample = metrics.registry.get_sample_value
    assert sample("dataflow_http_broken_answers_total", {"route": "/rows"}) == 1
    assert sample("dataflow_http_request_seconds_sum", {"method": "GET", "route": "/rows"}) == 2


def asked_for() -> dict[str, set[str]]:
    """The names of metrics in each expression of the rules and the dashboard, by where it stands."""
    rules = yaml.safe_load((MONITORING / "alerts.yml").read_text())["groups"]
    dashboard = json.loads((MONITORING / "dashboard.json").read_text())["panels"]
    texts = {rule["alert"]: rule["expr"] for group in rules for rule in group["rules"]}
    texts |= {panel["title"]: " ".join(one["expr"] for one in panel["targets"]) for panel in dashboard}
    return {place: set(re.findall(r"\b(?:dataflow|process)_\w+|\bup\b", text)) for place, text in texts.items()}


async def test_rules_and_dashboard_ask_for_metrics_that_there_are(
    client: httpx2.AsyncClient, app: FastAPI, reader: Headers, state: ServingState
) -> None:
    ask(state.database.url, "CREATE TABLE runs (status text)")
    await client.get("/health")
    text = (await client.get("/metrics", headers=reader)).text
    known = {"up", *re.findall(r"^# TYPE (\S+) ", text, re.MULTILINE)}
    known |= {name + "_bucket" for name in re.findall(r"^# TYPE (\S+) histogram", text, re.MULTILINE)}
    assert {place: names - known for place, names in asked_for().items() if not names or names - known} == {}
    unused = {name for name in known if name.startswith("dataflow_")} - set().union(*asked_for().values())
    assert unused == {"dataflow_accepted_rows", "dataflow_http_request_seconds"}


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_the_rules_are_such_that_prometheus_takes_them() -> None:
    command = ["promtool", "check", "rules", str(MONITORING / "alerts.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
