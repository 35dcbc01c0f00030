"""Which failures are tried again: the words and codes are those that real servers and libraries gave."""

import os
import signal
import threading
import time

import dagster as dg
import psycopg2
import pytest
from obstore.exceptions import GenericError, PermissionDeniedError

from dataflow_assets.errors import SchemaMismatchError, WarehouseRefusedError
from dataflow_assets.orchestration import retries
from dataflow_assets.orchestration.retries import is_transient
from dataflow_assets.orchestration.runs.failures import was_interrupted
from dataflow_assets.postgres.connection import AdbcError, connect
from dataflow_assets.postgres.failures import unavailable
from dataflow_assets.postgres.sql import execute

# Delta Lake and Polars hand on the words of the object store, coloured and over several lines.
STORE = (
    "Kernel error -> Generic S3 error\n    \x1b[31m↳\x1b[0m Error performing GET http://h/b/_delta_log/0.json in 4ms, "
)
RETRIES = "after 10 retries, max_retries\n \x1b[31m↳\x1b[0m 10, retry_timeout\n  \x1b[31m↳\x1b[0m 180s - "
STATUS = "Server returned non-2xx status code\n \x1b[31m↳\x1b[0m "
PASSING = [
    OSError(f"{STORE}{RETRIES}{STATUS}500 Internal Server Error"),
    OSError(f"{STORE}{STATUS}503 Service Unavailable"),
    OSError(f"{STORE}HTTP error\n \x1b[31m↳\x1b[0m request or response body error"),
    OSError(f"{STORE}HTTP error\n \x1b[31m↳\x1b[0m error sending request\n \x1b[31m↳\x1b[0m operation timed out"),
    OSError("[libpq] Execution error [PGRES_FATAL_ERROR]: FATAL:  terminating connection due to administrator command"),
    GenericError(
        "Generic S3 error: Error performing GET http://h/b/k in 2s - Server returned non-2xx status code: 429 "
    ),
    ConnectionResetError(104, "Connection reset by peer"),
]
STAYING = [
    OSError(f"The operation lacked the necessary privileges\n{RETRIES}{STATUS}403 Forbidden"),
    OSError(28, "No space left on device"),
    PermissionDeniedError("Server returned non-2xx status code: 403 Forbidden"),
    SchemaMismatchError("other columns"),
    ValueError("connection reset"),
    KeyError("x"),
]


@pytest.mark.parametrize("error", PASSING, ids=range(len(PASSING)))
def test_what_a_server_does_for_a_moment_may_pass(error: Exception) -> None:
    assert is_transient(error)


@pytest.mark.parametrize("error", STAYING, ids=range(len(STAYING)))
def test_what_another_try_finds_again_does_not(error: Exception) -> None:
    assert not is_transient(error)


@pytest.mark.parametrize(
    ("code", "passes"),
    [
        *((code, True) for code in ("40001", "40P01", "55P03", "57P01", "57P05", "25P03", "53300", "08006")),
        *((code, False) for code in ("22P02", "23505", "42501", "53100", "28P01")),
    ],
)
def test_the_codes_of_postgresql(database_url: str, code: str, passes: bool) -> None:
    with connect(database_url) as connection:
        with pytest.raises(Exception, match="made up") as caught:
            execute(connection, f"DO $$ BEGIN RAISE EXCEPTION 'made up' USING ERRCODE = '{code}'; END $$")
        connection.rollback()
    assert is_transient(caught.value) is passes


_CANCELED = "DO $$ BEGIN RAISE query_canceled USING MESSAGE = '%s'; END $$"


@pytest.mark.parametrize(
    ("statement", "passes"),
    [
        ("SELECT pg_sleep(60)", True),
        (_CANCELED % "storniere Anfrage wegen Zeitüberschreitung der Anfrage", True),  # where lc_messages is de_DE
        (_CANCELED % "canceling statement due to user request", False),
    ],
)
def test_a_timeout_of_the_role_may_pass_and_who_cancels_means_it(
    database_url: str, statement: str, passes: bool
) -> None:
    with connect(database_url) as connection:
        execute(connection, "SET statement_timeout = '100ms'")
        with pytest.raises(AdbcError) as caught:
            execute(connection, statement)
        connection.rollback()
    assert is_transient(caught.value) is passes


@pytest.mark.parametrize(
    ("said", "passes"),
    [
        ("FATAL:  the database system is starting up", True),
        ("FATAL:  sorry, too many clients already", True),
        ("connection refused", True),
        ('FATAL:  password authentication failed for user "u"', False),
        ('FATAL:  database "d" does not exist', False),
        ('FATAL:  no pg_hba.conf entry for host "h"', False),
        ('FATAL:  role "u" is not permitted to log in', False),
        ("FATAL:  unsupported startup parameter: options", False),
        ("FATAL:  zu viele Verbindungen für Datenbank »d«", True),  # where lc_messages is de_DE
        ("FATAL:  le système de bases de données se lance", True),
    ],
)
def test_a_server_that_lets_nobody_in(said: str, passes: bool) -> None:
    error = unavailable("postgresql://u@h/d", psycopg2.OperationalError(f"connection to server failed: {said}"))
    assert is_transient(error) is passes
    assert isinstance(error, WarehouseRefusedError) is not passes


def test_who_stops_a_run_does_not_wait_for_its_next_try(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "RETRIES", dg.RetryPolicy(max_retries=1, delay=600))

    @dg.asset
    def table(context: dg.AssetExecutionContext) -> None:
        with retries.retry_transient(context):
            threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
            raise ConnectionResetError(104, "Connection reset by peer")

    job = dg.Definitions(assets=[table]).resolve_implicit_global_asset_job_def()
    started = time.monotonic()
    result = job.execute_in_process(raise_on_error=False)
    assert was_interrupted(result.all_events)
    assert time.monotonic() < started + 300
