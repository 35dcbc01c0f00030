"""Objects that a queue of notifications tells of: each asked for once, and by how many requests.

    python -m benchmarks.events --objects 100000

A server of moto, in a process of its own, has the bucket and the queue: a notification for each object, one of a
hundred twice, in any order, one to a message as S3 sends them. They come as fast as they are taken, for moto looks
through all that wait at each request. The landing sensor ticks until nothing waits; what it asks for is recorded as
taken, without a run. The server counts the requests. Seconds are those of the ticks, by the clock and of this process's
processor time; the server of moto takes most of the clock.
"""

import argparse
import json
import multiprocessing
import os
import random
import threading
import time
from collections import Counter, deque
from collections.abc import Iterable
from datetime import date, timedelta
from multiprocessing.connection import Connection
from typing import Any
from urllib.parse import quote_plus
from wsgiref.types import StartResponse, WSGIEnvironment

import psycopg2

from benchmarks import common
from dataflow_assets.lake.ingest import Intake
from dataflow_assets.landing.deliveries import Delivery
from dataflow_assets.landing.discovery import DiscoveryCursor
from dataflow_assets.ledger.deliveries import build_row
from dataflow_assets.postgres.statements import as_json
from dataflow_assets.settings import load_settings
from dataflow_assets_tests.orchestration import builders

_BUCKET, _ACCOUNT = "events", "123456789012"
_FIRST, _DAYS = date(2021, 12, 1), 30
_MOST_WAITING = 160


def main() -> None:
    """Fill bucket and queue, tick, and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--objects", type=int, default=10_000)
    arguments = parser.parse_args()
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(there, arguments.objects), daemon=True)
    process.start()
    url, notifications = here.recv()
    with common.server() as (home, database):
        common.empty_warehouse(database)
        os.environ |= {
            "DATAFLOW_HOME": str(home),
            "DATABASE_URL": database,
            "S3_BUCKET": _BUCKET,
            "AWS_ENDPOINT_URL": url,
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "S3_EVENTS_QUEUE_URL": f"{url}/{_ACCOUNT}/{_BUCKET}",
        }
        found = _tick_until_quiet(database)
    here.send("end")
    requests = here.recv()
    process.join(60)
    result = {**vars(arguments), "notifications": notifications, **found, "requests": requests, "cores": os.cpu_count()}
    print(json.dumps(result, indent=2))  # noqa: T201


def _tick_until_quiet(database: str) -> dict[str, Any]:
    """What was asked for until nothing waited, and what it took."""
    asked, objects = Counter[str](), list[str]()
    seconds, processor, ticks = 0.0, 0.0, 0
    cursor: str | None = str(DiscoveryCursor(at=time.time()))  # landing was listed just now
    with builders.platform(load_settings()) as platform:
        while not ticks or objects:
            clock, used = time.perf_counter(), time.process_time()
            found = platform.tick("landing_sensor", cursor)
            seconds, processor = seconds + time.perf_counter() - clock, processor + time.process_time() - used
            cursor, ticks = found.cursor, ticks + 1
            configs = [request.run_config["ops"]["lake__movies"]["config"] for request in found.requests]
            objects = [key for config in configs for key in config["objects"]]
            asked.update(objects)
            _take(database, objects)
    return {
        "objects_asked_for": len(asked),
        "asked_for_twice": sum(count > 1 for count in asked.values()),
        "ticks": ticks,
        "seconds_per_1000": round(1000 * seconds / len(asked), 3),
        "processor_seconds_per_1000": round(1000 * processor / len(asked), 3),
    }


def _take(url: str, objects: list[str]) -> None:
    """Record the objects as a run would."""
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        columns = "source, day, object, etag, size, last_modified"
        cursor.execute(f"SELECT {columns} FROM ledger.pending WHERE object = ANY(%s)", (objects,))
        taken = [Delivery(**dict(zip(columns.split(", "), row, strict=True))) for row in cursor.fetchall()]
        rows = [build_row(Intake(delivery=one, version=1, delivered=0, accepted=0, rejected=0)) for one in taken]
        if rows:
            names = ", ".join(rows[0])
            cursor.execute(
                f"INSERT INTO ledger.deliveries ({names}) "
                f"SELECT {names} FROM json_populate_recordset(NULL::ledger.deliveries, %s)",
                (as_json(rows),),
            )
    connection.close()


def _serve(told: Connection, objects: int) -> None:
    """Serve a bucket and a queue that are full, until told to end; say the address, and at the end the requests."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app  # noqa: PLC0415
    from werkzeug.serving import WSGIRequestHandler, make_server  # noqa: PLC0415

    counts, notifications, lock = Counter[str](), _fill_bucket(objects), threading.Lock()
    moto = DomainDispatcherApplication(create_backend_app)

    def application(environment: WSGIEnvironment, respond: StartResponse) -> Iterable[bytes]:
        kind = _kind(environment)
        with lock:
            counts[kind] += 1
            if kind == "ReceiveMessage":
                _fill_queue(notifications)
        answer: Iterable[bytes] = moto(environment, respond)
        return answer

    class Quiet(WSGIRequestHandler):
        def log(self, *_: Any) -> None:
            """Say nothing."""

    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=Quiet)
    told.send((f"http://127.0.0.1:{server.server_port}", len(notifications)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    told.recv()
    told.send(dict(counts))


def _kind(environment: WSGIEnvironment) -> str:
    action = environment.get("HTTP_X_AMZ_TARGET", "")
    if action:
        return str(action).removeprefix("AmazonSQS.")
    is_list = "list-type=2" in environment.get("QUERY_STRING", "")
    return "LIST" if is_list else str(environment["REQUEST_METHOD"])


def _fill_bucket(objects: int) -> deque[str]:
    """Make the queue, and the bucket with its objects; of which keys to tell, some twice, in any order."""
    from moto.backends import get_backend  # noqa: PLC0415

    s3 = get_backend("s3")[_ACCOUNT]["aws"]
    s3.create_bucket(_BUCKET, "us-east-1")
    sqs = get_backend("sqs")[_ACCOUNT]["us-east-1"]
    sqs.create_queue(_BUCKET, {"VisibilityTimeout": "600"})
    # Whether a message is older than days: to know, moto counts all that wait, for each that it gives.
    sqs.is_message_valid_based_on_retention_period = lambda *_: True  # type: ignore[method-assign]
    keys = [f"landing/movies/{_FIRST + timedelta(days=number % _DAYS)}/{number}.csv" for number in range(objects)]
    for key in keys:
        s3.put_object(_BUCKET, key, b"x")
    told = keys + keys[::100]
    random.Random(1).shuffle(told)
    return deque(told)


def _fill_queue(left: deque[str]) -> None:
    """Let some more notifications come, if few wait."""
    from moto.backends import get_backend  # noqa: PLC0415

    sqs = get_backend("sqs")[_ACCOUNT]["us-east-1"]
    while left and len(sqs.get_queue(_BUCKET)._messages) < _MOST_WAITING:
        place = {"bucket": {"name": _BUCKET}, "object": {"key": quote_plus(left.popleft(), safe="/")}}
        sqs.send_message(_BUCKET, json.dumps({"Records": [{"eventName": "ObjectCreated:Put", "s3": place}]}))


if __name__ == "__main__":
    main()
