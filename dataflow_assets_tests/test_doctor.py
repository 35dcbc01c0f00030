"""What is broken is found, said in one line with what to do, and keeps nothing else from being looked at."""

import json
import os
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

import boto3
import dagster as dg
import dataframely as dy
import obstore
import pytest
from dagster._daemon.types import DaemonHeartbeat
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

from dataflow_assets import doctor
from dataflow_assets.core.ports import free_port
from dataflow_assets.doctor import Finding, databases, examine, processes, stores
from dataflow_assets.lake.delta.table import rows_table
from dataflow_assets.landing.storage import Storage, open_storage
from dataflow_assets.postgres import embedded
from dataflow_assets.postgres.embedded import locks
from dataflow_assets.runtime.instance import open_instance
from dataflow_assets.settings import Settings, load_settings
from dataflow_assets.sources import find_source
from dataflow_assets.sources.base import Events
from dataflow_assets.warehouse.bootstrap import open_warehouse
from dataflow_assets_tests.landing.stores import land, s3_storage, serve_s3
from dataflow_assets_tests.loading import take_and_load
from dataflow_assets_tests.orchestration.ticks import fail_ticks
from dataflow_assets_tests.runtime.tiny_definitions import defs
from dataflow_assets_tests.warehouse.builders import ask
from dataflow_assets_tests.warm import run_dataflow

__all__ = ["s3_storage"]

EVERYTHING = [
    *("settings", "disk", "object store", "database", "tables"),
    *("time zone", "lake", "columns", "clocks", "deliveries", "runs", "daemon", "sensors"),
]


@pytest.fixture(scope="module")
def s3_url() -> Iterator[str]:
    """The URL of an S3 server of this process, with whose buckets one in front of it can be careless."""
    with serve_s3() as url:
        yield url


def found(name: str) -> Finding:
    """What the doctor finds of one thing."""
    (finding,) = [finding for finding in examine(load_settings()) if finding.name == name]
    return finding


def database_url(settings: Settings) -> str:
    assert settings.database_url
    return settings.database_url.get_secret_value()


def test_a_platform_that_is_well(settings: Settings) -> None:
    open_warehouse(settings)
    findings = list(examine(load_settings()))
    assert [finding.name for finding in findings] == EVERYTHING
    assert {finding.name for finding in findings if finding.state != "ok"} == {"daemon"}
    assert sorted(path.name for path in settings.home.iterdir()) == ["dagster"], "the probe is left behind"


def test_a_wrong_setting_is_all_that_can_be_said(clean_environment: pytest.MonkeyPatch) -> None:
    clean_environment.setenv("DATAFLOW_TIMEZONE", "Nowhere")
    done = run_dataflow(["doctor", "--json"], os.environ)
    [finding] = json.loads(done.stdout)
    assert (done.returncode, finding["name"], finding["state"]) == (1, "settings", "problem")
    assert "DATAFLOW_TIMEZONE='Nowhere' is not usable" in finding["sentence"]


def test_a_new_home_gets_no_database(clean_environment: pytest.MonkeyPatch) -> None:
    findings = list(examine(load_settings()))
    assert {finding.state for finding in findings} == {"ok"}
    assert findings[-1].name == "database"
    assert not list(load_settings().home.iterdir())


def test_a_disk_without_space(settings: Settings) -> None:
    assert stores.disk(settings).state == "ok"
    assert stores.disk(settings, least_free=1 << 60).state == "warning"


def test_a_home_that_is_no_folder(clean_environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    clean_environment.setenv("DATAFLOW_HOME", str(tmp_path / "file" / "home"))
    finding = found("object store")
    assert finding.state == "problem"
    assert "set DATAFLOW_HOME" in finding.advice


def test_a_bucket_that_is_there(s3_storage: Storage) -> None:
    assert found("object store").state == "ok"
    assert s3_storage.store.list(chunk_size=10).collect() == []


def test_a_queue_of_notifications(s3_storage: Storage, s3_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S3_EVENTS_QUEUE_URL", f"{s3_url}/123456789012/none")
    missing = found("event queue")
    assert (missing.state, "cannot be used: " in missing.sentence) == ("problem", True)
    sqs = boto3.client("sqs", "us-east-1", endpoint_url=s3_url, aws_access_key_id="test", aws_secret_access_key="test")
    monkeypatch.setenv("S3_EVENTS_QUEUE_URL", sqs.create_queue(QueueName="doctor")["QueueUrl"])
    assert found("event queue") == Finding("event queue", "ok", "About 0 notifications wait.")


def test_a_bucket_that_is_missing(s3_storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S3_BUCKET", "missing-bucket")
    finding = found("object store")
    assert finding.state == "problem"
    assert finding.sentence.startswith("s3://missing-bucket at http://127.0.0.1:")
    assert "S3_BUCKET" in finding.advice


@pytest.mark.parametrize("command", ["rejects", "deliveries"])  # one asks Delta Lake, the other the store
def test_a_command_that_needs_a_bucket_that_is_missing_says_so(
    s3_storage: Storage, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    done = run_dataflow((command,), {**os.environ, "S3_BUCKET": "missing-bucket"})
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "s3://missing-bucket at http://127.0.0.1:" in done.stderr
    assert "mend S3_BUCKET, AWS_ENDPOINT_URL or the credentials." in done.stderr


def test_an_object_that_is_gone_is_no_failure_of_its_bucket(s3_storage: Storage) -> None:
    with pytest.raises(FileNotFoundError) as gone:
        obstore.get(s3_storage.store, "lake/movies/part-1.parquet")
    assert stores.explain_failure(load_settings(), gone.value) is None


def test_an_s3_server_that_is_stopped(s3_storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert found("object store").state == "problem"


@contextmanager
def careless_s3(change: Callable[[WSGIEnvironment], None], rewrite: Callable[[bytes], bytes] = bytes) -> Iterator[str]:
    """The URL of an S3 server that does not see all of a request, or does not give all of an answer."""
    inner = DomainDispatcherApplication(create_backend_app)

    def application(environment: WSGIEnvironment, respond: StartResponse) -> Iterable[bytes]:
        change(environment)
        said: list[Any] = []
        answer = b"".join(inner(environment, lambda status, headers, *_: said.extend((status, headers))))
        if environment["REQUEST_METHOD"] == "GET":
            answer = rewrite(answer)
            said[1] = [(name, value) for name, value in said[1] if name.lower() != "content-length"]
            said[1].append(("Content-Length", str(len(answer))))
        respond(*said)
        return [answer]

    server = make_server("127.0.0.1", 0, application, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()


def forget(header: str) -> Callable[[WSGIEnvironment], None]:
    return lambda environment: environment.pop(header, None)


def lose_one_key(page: bytes) -> bytes:
    return re.sub(rb"<Contents>(?:(?!</Contents>).)*/a-b</Key>.*?</Contents>", b"", page, flags=re.DOTALL)


def lose_etags(page: bytes) -> bytes:
    return re.sub(rb"<ETag>.*?</ETag>", b"<ETag>&quot;other&quot;</ETag>", page)


@pytest.mark.parametrize(
    ("change", "rewrite", "cost"),
    [
        pytest.param(forget("HTTP_IF_NONE_MATCH"), bytes, "lose each other's rows", id="overwrites"),
        pytest.param(forget("HTTP_IF_MATCH"), bytes, "taken for the one before", id="gives any version"),
        pytest.param(lambda _: None, lose_etags, "taken in again at each look", id="another etag in the listing"),
        pytest.param(lambda _: None, lose_one_key, "files could be missed", id="loses a key"),
    ],
)
def test_a_store_that_breaks_a_rule(
    s3_storage: Storage,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[WSGIEnvironment], None],
    rewrite: Callable[[bytes], bytes],
    cost: str,
) -> None:
    with careless_s3(change, rewrite) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        finding = found("object store")
    assert finding.state == "problem"
    assert cost in finding.sentence
    assert finding.sentence.count("breaks the rule") == 1
    assert s3_storage.store.list(chunk_size=10).collect() == []


def test_a_database_server_that_is_stopped(clean_environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with embedded.acquire(tmp_path / "server", durable=False) as lease:
        url = lease.url
    clean_environment.setenv("DATABASE_URL", url)
    findings = list(examine(load_settings()))
    assert [(finding.name, finding.state) for finding in findings] == [
        ("settings", "ok"),
        ("disk", "ok"),
        ("object store", "ok"),
        ("database", "problem"),
    ]
    assert "cannot be reached" in findings[-1].sentence
    assert url.split(":")[2].split("@")[0] not in findings[-1].sentence


def test_no_failure_shows_a_secret(clean_environment: pytest.MonkeyPatch) -> None:
    clean_environment.setenv("DATABASE_URL", "postgresql://me:hid%25den@127.0.0.1:1/nothing")

    def leak() -> Finding:
        raise ValueError("of hid%25den and hid%den")

    finding = doctor._found("leak", leak, load_settings())
    assert finding == Finding("leak", "problem", "It could not be looked at: ValueError: of ******** and ********.")


def test_a_server_that_is_too_old(settings: Settings) -> None:
    assert databases.database(settings).state == "ok"
    assert databases.database(settings, oldest=99).advice == "Use PostgreSQL 99 or a later one."


def test_a_server_without_room_for_the_locks_of_all_days(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(database_url(settings), "CREATE TABLE days (day date) PARTITION BY LIST (day)")
    ask(database_url(settings), "CREATE TABLE first_day PARTITION OF days FOR VALUES IN ('2021-12-01')")
    assert databases.database(settings).state == "ok"
    monkeypatch.setattr(databases, "_LOCKS_OF_A_PART", 100_000)
    finding = databases.database(settings)
    assert (finding.state, finding.advice) == (
        "warning",
        "Raise max_locks_per_transaction, as to 1024, and restart the server.",
    )
    assert "A statement over all 1 days and months of a table takes 100,000 of the" in finding.sentence


def test_a_server_that_lets_us_have_few_connections(settings: Settings) -> None:
    url = database_url(settings)
    ask(url, f"ALTER DATABASE {url.rpartition('/')[2]} CONNECTION LIMIT 17")
    finding = databases.database(settings)
    assert (finding.state, finding.advice) == (
        "warning",
        "Raise max_connections, or the limit of the role or database, to 20 or more.",
    )
    assert "It lets us have 17 connections" in finding.sentence


def test_a_database_without_the_tables(clean_environment: pytest.MonkeyPatch, empty_database_url: str) -> None:
    clean_environment.setenv("DATABASE_URL", empty_database_url)
    *_, finding = examine(load_settings())
    assert (finding.name, finding.state) == ("tables", "problem")
    assert "run `dataflow init-db` first" in finding.sentence
    [(tables,)] = ask(empty_database_url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
    assert tables == 0


def test_another_time_zone(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert found("time zone").sentence == "The warehouse is new."
    assert ask(database_url(settings), "SELECT * FROM ledger.identity") == [], "the doctor decided on a time zone"
    open_warehouse(settings)
    monkeypatch.setenv("DATAFLOW_TIMEZONE", "Europe/Paris")
    finding = found("time zone")
    assert finding.state == "problem"
    assert "was made with DATAFLOW_TIMEZONE=UTC, not Europe/Paris" in finding.sentence


def test_tables_of_a_build_with_others_under_the_same_revision(settings: Settings) -> None:
    url = open_warehouse(settings)
    ask(url, "DROP TABLE ledger.pending")
    ask(url, "ALTER TABLE serving.users DROP COLUMN delivers_to")
    ask(url, "ALTER TABLE ledger.deliveries ALTER size TYPE integer")
    finding = found("tables")
    differing = "ledger.deliveries.size, ledger.pending, serving.users.delivers_to"
    assert finding.sentence == f"They are not as this version of the program has them: {differing}."
    assert (finding.state, "make the database anew" in finding.advice) == ("problem", True)


def test_columns_that_somebody_altered(settings: Settings) -> None:
    ask(database_url(settings), "ALTER TABLE warehouse.streams DROP COLUMN size_mb")
    ask(database_url(settings), "ALTER TABLE warehouse.users_history ALTER last_name SET NOT NULL")
    finding = found("columns")
    assert finding.state == "problem"
    assert "warehouse.streams has no column size_mb" in finding.sentence
    assert "warehouse.users_history requires a value of last_name" in finding.sentence
    assert found("daemon").state == "warning", "what comes after it is looked at too"


def test_a_lake_that_does_not_fit_the_declarations(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    storage, streams, users = open_storage(settings), find_source("streams"), find_source("users")
    assert isinstance(streams, Events)
    text = "movie_title,user_email,size_mb,start_at,end_at\nA,a@x,1,2021-12-01T10:00:00Z,2021-12-01T11:00:00Z\n"
    take_and_load(lambda _: None, settings, "streams", land(storage, streams, "a.csv", text).object)
    rows_table(storage, users).open()
    assert found("columns").state == "ok"
    numbered = type("Numbered", (users.schema,), {"last_name": dy.Int64()})
    changed = [replace(streams, event_time="end_at", end_time=None, longest=None), replace(users, schema=numbered)]
    monkeypatch.setattr(databases, "all_sources", lambda: changed)
    finding = found("columns")
    assert finding.state == "problem"
    assert "streams holds each event by the date of start_at, and" in finding.sentence
    assert "users holds the column last_name as string" in finding.sentence


def test_days_that_were_loaded_by_another_key(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    storage, streams, users = open_storage(settings), find_source("streams"), find_source("users")
    head, row = (
        "movie_title,user_email,size_mb,start_at,end_at\n",
        "A,a@x,1,2021-12-{0}T10:00:00Z,2021-12-{0}T11:00:00Z\n",
    )
    files = {"streams": head + row.format("01") + row.format("03"), "users": "email,first_name,last_name\na@x,A,Aa\n"}
    for name, text in files.items():
        landed = land(storage, name, "a.csv", text, date(2021, 12, 5))
        take_and_load(lambda _: None, settings, name, landed.object)
    assert found("columns").state == "ok"
    assert isinstance(streams, Events)
    changed = replace(streams, key=("movie_title", "start_at"))
    monkeypatch.setattr(databases, "all_sources", lambda: [changed, users])
    ask(database_url(settings), "UPDATE ledger.snapshots SET declaration = 'of another key'")
    finding = found("columns")
    assert finding.state == "warning"
    assert "2 days from 2021-12-01 to 2021-12-03 of warehouse/streams" in finding.sentence
    assert "1 day from 2021-12-05 to 2021-12-05 of warehouse/users" in finding.sentence
    assert "`dataflow backfill --asset … --from … --to … --only-missing`" in finding.advice


@pytest.mark.parametrize(("seconds", "side"), [(600, "behind"), (-600, "ahead of")])
def test_clocks_that_are_minutes_off(
    settings: Settings, s3_storage: Storage, monkeypatch: pytest.MonkeyPatch, seconds: int, side: str
) -> None:
    assert found("clocks").state == "ok"
    right = time.time
    monkeypatch.setattr(time, "time", lambda: right() + seconds)  # this machine's
    finding = found("clocks")
    assert finding.state == "warning"
    said = re.findall(r"The ([a-z ]+)'s clock is (?:59|60)\d s (.+?) this machine's\.", finding.sentence)
    assert said == [("database", side), ("object store", side)]
    assert s3_storage.store.list(chunk_size=10).collect() == [], "the probe is left behind"


def test_a_delivery_that_was_refused(settings: Settings) -> None:
    key = land(open_storage(settings), "users", "u.csv", "no\nusers\n").object
    take_and_load(lambda _: None, settings, "users", key)
    finding = found("deliveries")
    assert (finding.state, finding.sentence) == ("warning", "1 rejected.")


def start_run(settings: Settings, **tags: str) -> str:
    """A run that was started and never ended; its id."""
    with open_instance(settings) as instance:
        run = instance.create_run_for_job(defs.resolve_job_def("quick_job"), tags=tags)
        started = dg.DagsterEvent(dg.DagsterEventType.PIPELINE_START.value, "quick_job", message="")
        instance.report_dagster_event(started, run.run_id)
    return run.run_id


def test_a_run_whose_process_is_gone(settings: Settings) -> None:
    assert found("runs").sentence == "0 are under way."
    run = start_run(settings, **{".dagster/grpc_info": json.dumps({"host": "127.0.0.1", "port": 1})})
    finding = found("runs")
    assert finding.state == "problem"
    assert run in finding.sentence


def test_a_run_that_takes_very_long(settings: Settings) -> None:
    run = start_run(settings)
    assert found("runs") == Finding("runs", "ok", "1 are under way.")
    ask(database_url(settings), "UPDATE runs SET start_time = start_time - 7 * 3600 WHERE run_id = %s", run)
    finding = found("runs")
    assert (finding.state, finding.sentence) == ("warning", f"Under way for more than 6 hours: the run {run}.")


def beat(settings: Settings, instant: datetime, leave_out: str = "") -> None:
    """Heartbeats of the daemon's parts, as it sends them."""
    with open_instance(settings) as instance:
        for part in set(instance.get_required_daemon_types()) - {leave_out}:
            instance.add_daemon_heartbeat(DaemonHeartbeat(instant.timestamp(), part, "made up"))


def test_a_daemon_that_does_not_run(settings: Settings) -> None:
    assert found("daemon").sentence == "It does not run: no file is taken in by itself."
    beat(settings, datetime(2021, 12, 1, 6, tzinfo=UTC))
    finding = found("daemon")
    assert (finding.state, finding.sentence[:39]) == ("warning", "It does not run since 2021-12-01 06:00 ")
    beat(settings, datetime.now(UTC), leave_out="SENSOR")
    finding = found("daemon")
    assert (finding.state, finding.sentence) == ("problem", "Parts of it do not run: SENSOR.")
    beat(settings, datetime.now(UTC) - timedelta(seconds=100))
    assert found("daemon").sentence.startswith("It does not run since"), "Dagster's own tolerance is half an hour"
    beat(settings, datetime.now(UTC))
    assert found("daemon").state == "ok"


def test_a_platform_of_this_machine_that_was_stopped_a_moment_ago(settings: Settings) -> None:
    beat(settings, datetime.now(UTC))
    embedded_server = settings.model_copy(update={"database_url": None})  # its daemon can be on this machine alone
    finding = processes.daemon(embedded_server)
    assert (finding.state, finding.sentence[:28]) == ("warning", "`dataflow up` does not run, ")
    lock = locks.lock(settings.home / "up.lock", time.monotonic())
    assert processes.daemon(embedded_server).state == "ok"
    locks.unlock(lock)
    assert processes.daemon(embedded_server).state == "warning"


def test_a_sensor_whose_last_tick_failed(settings: Settings) -> None:
    assert found("sensors").state == "ok"
    with open_instance(settings) as instance:
        fail_ticks(instance, "landing_sensor", 2)
    finding = found("sensors")
    assert (finding.state, finding.sentence) == ("problem", "landing_sensor failed, 2 times by now: a link to itself")
    with open_instance(settings) as instance:
        fail_ticks(instance, "landing_sensor", 0)
    assert found("sensors").state == "ok"


def test_without_redis_no_run_is_launched(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    open_warehouse(settings)
    monkeypatch.setenv("REDIS_URL", f"redis://127.0.0.1:{free_port()}/0")
    finding = found("workers")
    assert finding.state == "problem"
    assert finding.sentence.startswith("Redis does not answer: ")
