"""What a server of lineage is told, over HTTP: each run once and whole, also where the server was away."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from dataflow_assets.orchestration.openlineage.sensor import NotSentError
from dataflow_assets.settings import load_settings
from dataflow_assets_tests.orchestration import builders
from dataflow_assets_tests.orchestration.alerting.conftest import HttpServer, http_server
from dataflow_assets_tests.orchestration.builders import Platform, movies_csv, postgres

__all__ = ["http_server"]

DAY = "2021-12-05"
Event = dict[str, Any]


@dataclass
class Told:
    """A platform that tells a server, how far it has told, and what the server was told."""

    platform: Platform
    server: HttpServer
    cursor: str | None

    def tick(self) -> list[Event]:
        """Let the sensor look; the events that came."""
        before = len(self.server.posted)
        self.cursor = self.platform.tick("openlineage", self.cursor).cursor
        return [json.loads(body) for body in self.server.posted[before:]]


@pytest.fixture
def told(platform: Platform, clean_environment: pytest.MonkeyPatch, http_server: HttpServer) -> Iterator[Told]:
    clean_environment.setenv("OPENLINEAGE_URL", http_server.url)
    clean_environment.setenv("OPENLINEAGE_API_KEY", "key-of-lineage")
    with builders.platform(load_settings()) as working:
        found = Told(working, http_server, None)
        assert found.tick() == []
        yield found


def of_job(events: list[Event], job: str) -> dict[str, Event]:
    """The events of a job by their type."""
    return {event["eventType"]: event for event in events if event["job"]["name"] == job}


def test_a_run_is_told_with_what_it_read_wrote_and_checked(told: Told) -> None:
    told.platform.land("movies", DAY, movies_csv("Rust", "Iron"))
    assert told.platform.run("lake/movies", DAY).success
    assert told.platform.run("warehouse/movies", DAY).success
    events = told.tick()
    assert set(told.server.paths) == {"/api/v1/lineage"}
    assert {headers["Authorization"] for headers in told.server.headers} == {"Bearer key-of-lineage"}
    lake, table = of_job(events, "lake/movies")["COMPLETE"], of_job(events, "warehouse/movies")["COMPLETE"]
    home = told.platform.settings.home
    [landed], [rows] = lake["inputs"], lake["outputs"]
    assert (landed["namespace"], landed["name"]) == ("file", f"{home}/landing/movies")
    assert landed["inputFacets"]["inputStatistics"].items() >= {"rowCount": 2, "fileCount": 1}.items()
    assert rows["name"] == f"{home}/lake/movies"
    assert rows["outputFacets"]["outputStatistics"]["rowCount"] == 2
    [read], [written] = table["inputs"], table["outputs"]
    assert (read["namespace"], read["name"]) == (rows["namespace"], rows["name"])
    assert written["namespace"].startswith("postgres://127.0.0.1:")
    assert written["name"].endswith(".warehouse.movies")
    facets = written["facets"]
    assert {field["name"] for field in facets["schema"]["fields"]} >= {"title", "duration_mins"}
    [origin] = facets["columnLineage"]["fields"]["title"]["inputFields"]
    assert (origin["name"], origin["field"]) == (rows["name"], "title")
    [checked] = of_job(events, "warehouse/movies.checks")["COMPLETE"]["inputs"]
    assertions = checked["inputFacets"]["dataQualityAssertions"]["assertions"]
    assert {one["assertion"] for one in assertions if one["success"]} >= {"few_duplicates"}


def test_the_parts_of_a_run_name_it_and_every_part_begins_and_ends(told: Told) -> None:
    told.platform.land("movies", DAY, movies_csv("Rust"))
    run = told.platform.run("lake/movies", DAY).run_id
    events = told.tick()
    states: dict[str, list[str]] = {}
    for event in events:
        states.setdefault(event["run"]["runId"], []).append(event["eventType"])
    assert all(found == ["START", "COMPLETE"] for found in states.values())
    facets = [event["run"]["facets"] for event in events]
    parents = {facet["parent"]["run"]["runId"] for facet in facets if "parent" in facet}
    assert parents == {run}
    assert run in states


def test_a_server_that_was_away_is_told_all_of_it_later(told: Told) -> None:
    told.platform.land("movies", DAY, movies_csv("Rust"))
    run = told.platform.run("lake/movies", DAY).run_id
    told.server.answers.extend([503])
    with pytest.raises(NotSentError, match="OPENLINEAGE_URL answered 503"):
        told.tick()
    told.server.answers.extend([200, 200, 503])  # away again, in the middle of the run's end
    begun = told.tick()
    assert begun[0]["eventType"] == "START"
    assert begun[0]["run"]["runId"] == run
    told.server.answers.extend([302])  # which a client that follows it would take for an answer
    with pytest.raises(NotSentError):
        told.tick()
    events = told.tick()
    assert begun[0] not in events, "what was told whole is not told again"
    assert begun[1] in events, "what is told twice says the same"
    assert of_job(events, "lake/movies").keys() == {"START", "COMPLETE"}
    assert events[-1]["run"]["runId"] == run
    assert told.tick() == []


def test_an_event_that_a_server_refuses_holds_up_no_other(told: Told) -> None:
    told.platform.land("movies", DAY, movies_csv("Rust"))
    run = told.platform.run("lake/movies", DAY).run_id
    told.server.answers.extend([422])
    events = told.tick()
    assert events[-1]["run"]["runId"] == run
    assert told.tick() == []


def test_a_run_that_failed_says_why_without_secrets(told: Told) -> None:
    password = "correct-horse"
    told.platform.land("movies", DAY, movies_csv("Rust"))
    assert told.platform.run("lake/movies", DAY).success
    with postgres(told.platform.settings) as cursor:
        column = f"postgresql://ann:{password}@db.example/x"
        cursor.execute(f'ALTER TABLE warehouse.movies_history ADD COLUMN "{column}" text NOT NULL')
    told.tick()
    assert not told.platform.run("warehouse/movies", DAY).success
    [failed] = [event for event in told.tick() if event["eventType"] == "FAIL"]
    message = failed["run"]["facets"]["errorMessage"]["message"]
    assert "which is not declared" in message
    assert password not in json.dumps(failed)


def test_without_an_address_there_is_no_sensor(platform: Platform) -> None:
    assert "openlineage" not in {sensor.name for sensor in platform.definitions.sensors or ()}
