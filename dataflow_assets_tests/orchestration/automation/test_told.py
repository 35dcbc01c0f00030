"""The landing sensor with a queue of notifications: each object is taken once, nothing is lost, nothing is listed."""

import json
import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import dagster as dg
import obstore
import pytest

from dataflow_assets.landing.storage import Storage, open_storage
from dataflow_assets.ledger import pending
from dataflow_assets.orchestration.automation import told
from dataflow_assets.runtime.tags import STRETCHES
from dataflow_assets.settings import load_settings
from dataflow_assets_tests.landing.stores import Gate, gate, s3_storage, s3_url
from dataflow_assets_tests.landing.test_events import record
from dataflow_assets_tests.orchestration import builders
from dataflow_assets_tests.orchestration.automation.test_landing_sensor import execute
from dataflow_assets_tests.orchestration.builders import Platform, Tick, movies_csv, postgres, wanted
from dataflow_assets_tests.waiting import wait_until

__all__ = ["gate", "s3_storage", "s3_url"]


@dataclass
class Told:
    """A platform whose bucket tells a queue what lands; the first listing is over."""

    platform: Platform
    storage: Storage
    gate: Gate
    sqs: Any
    queue: str
    cursor: str | None = None

    def put(self, key: str, title: str = "Rust") -> str:
        obstore.put(self.storage.store, f"landing/{key}", movies_csv(title).encode())
        return f"landing/{key}"

    def tell(self, *keys: str) -> None:
        bucket = self.storage.uri.removeprefix("s3://")
        for key in keys:
            self.send(json.dumps({"Records": [record(key, bucket)]}))

    def send(self, body: str) -> None:
        self.sqs.send_message(QueueUrl=self.queue, MessageBody=body)

    def tick(self) -> Tick:
        found = self.platform.tick("landing_sensor", self.cursor)
        self.cursor = found.cursor
        return found

    def waiting(self) -> int:
        """How many messages the queue has, those that somebody took and did not delete with them."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=names)["Attributes"]
        return sum(int(found[name]) for name in names)

    def listed(self) -> list[str]:
        """The requests that listed landing; a Delta table lists its own log."""
        return [path for _, path, _ in self.gate.requests if "list-type=2" in path and "prefix=landing" in path]

    def pending(self) -> list[str]:
        return [key for (key,) in self.platform.query("SELECT object FROM ledger.pending ORDER BY object")]


@pytest.fixture
def notified(
    s3_storage: Storage, s3_url: str, gate: Gate, clean_environment: pytest.MonkeyPatch, database_url: str
) -> Iterator[Told]:
    sqs = boto3.client("sqs", "us-east-1", endpoint_url=s3_url, aws_access_key_id="test", aws_secret_access_key="test")
    made = sqs.create_queue(QueueName=uuid.uuid4().hex, Attributes={"VisibilityTimeout": "1"})["QueueUrl"]
    clean_environment.setenv("DATABASE_URL", database_url)
    clean_environment.setenv("S3_EVENTS_QUEUE_URL", made)
    settings = load_settings()
    with builders.platform(settings) as platform:
        found = Told(platform, open_storage(settings), gate, sqs, made)
        found.tick()
        gate.requests.clear()
        yield found


def test_each_object_is_asked_for_once_and_loaded_and_nothing_is_listed(notified: Told) -> None:
    keys = [notified.put(f"movies/2021-12-0{1 + number % 3}/{number}.csv", f"Rust {number}") for number in range(6)]
    said = [*keys, *keys[:2]]
    random.Random(1).shuffle(said)
    notified.tell(*said)
    asked = notified.tick().requests
    assert [wanted(request) for request in asked] == [("lake/movies", "2021-12-01", "2021-12-03")]
    assert asked[0].run_config["ops"]["lake__movies"]["config"]["objects"] == sorted(keys)
    assert notified.waiting() == 0
    assert execute(notified.platform, asked[0]).success
    notified.tell(*keys[:3])  # once more, late
    assert notified.tick().requests == []
    assert notified.pending() == []
    assert notified.platform.query("SELECT count(*), sum(accepted) FROM ledger.deliveries") == [(6, 6)]
    assert notified.listed() == []


def test_what_was_told_while_its_day_is_loaded_is_asked_for_afterwards(notified: Told) -> None:
    notified.tell(notified.put("movies/2021-12-01/a.csv"))
    (first,) = notified.tick().requests
    newer = notified.put("movies/2021-12-01/b.csv", "Heat")
    notified.tell(newer)
    run = notified.platform.instance.add_run(
        dg.DagsterRun(
            "lake",
            status=dg.DagsterRunStatus.STARTED,
            tags=first.tags,
            asset_selection=frozenset(first.asset_selection or ()),
        )
    )
    assert notified.tick().requests == []
    notified.platform.instance.delete_run(run.run_id)
    assert execute(notified.platform, first).success
    (second,) = notified.tick().requests
    assert second.run_config["ops"]["lake__movies"]["config"]["objects"] == [newer]


def test_a_message_stays_until_the_record_has_its_object(notified: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> int:
        raise ConnectionError("the database is away")

    notified.tell(notified.put("movies/2021-12-01/a.csv"))
    with monkeypatch.context() as broken:
        broken.setattr(told, "note_objects", fail)
        with pytest.raises(ConnectionError):
            notified.tick()
    assert (notified.waiting(), notified.pending()) == (1, [])
    notified.sqs.set_queue_attributes(QueueUrl=notified.queue, Attributes={"VisibilityTimeout": "0"})
    requests: list[dg.RunRequest] = []

    def are_asked_for() -> bool:
        requests.extend(notified.tick().requests)
        return bool(requests)

    wait_until(are_asked_for)  # the queue shows the message again
    assert [wanted(request) for request in requests] == [("lake/movies", "2021-12-01", "2021-12-01")]
    assert notified.waiting() == 0


def test_an_object_that_nobody_told_of_is_found_by_the_next_listing(notified: Told) -> None:
    notified.put("movies/2021-12-01/silent.csv")
    assert notified.tick().requests == []
    notified.cursor = None
    assert [wanted(request) for request in notified.tick().requests] == [("lake/movies", "2021-12-01", "2021-12-01")]
    assert notified.pending() == ["landing/movies/2021-12-01/silent.csv"], "the next tick does not list it"
    assert [wanted(request) for request in notified.tick().requests] == [("lake/movies", "2021-12-01", "2021-12-01")]


def test_what_is_gone_or_nobodys_waits_no_longer(notified: Told, capfd: pytest.CaptureFixture[str]) -> None:
    gone, strange = notified.put("movies/2021-12-01/gone.csv"), notified.put("payments/2021-12-01/a.csv")
    notified.tell(gone, strange, "landing/movies/2021-12-01/never.csv")
    assert len(notified.tick().requests) == 1
    assert "payments/2021-12-01/a.csv is of no known source" in capfd.readouterr().err
    obstore.delete(notified.storage.store, gone)
    with postgres(notified.platform.settings) as cursor:
        cursor.execute(f"UPDATE ledger.pending SET asked_at = asked_at - interval '{pending._OLD_SECONDS + 1} s'")
    assert (notified.tick().requests, notified.pending()) == ([], [])


def test_a_message_that_cannot_be_read_is_told_and_keeps_nothing_waiting(
    notified: Told, capfd: pytest.CaptureFixture[str]
) -> None:
    notified.send("no notification")
    notified.tell(notified.put("movies/2021-12-01/a.csv"))
    assert len(notified.tick().requests) == 1
    assert "It is left out: no notification" in capfd.readouterr().err
    assert notified.waiting() == 0


def test_a_backlog_of_one_day_keeps_no_other_day_waiting(notified: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(told, "_MANY_OBJECTS", 3)
    notified.tell(*(notified.put(f"movies/2021-12-01/{number}.csv") for number in range(5)))
    notified.tell(notified.put("movies/2021-12-05/a.csv"))
    (request,) = notified.tick().requests
    assert request.tags[STRETCHES] == "2021-12-01, 2021-12-05"
