"""Connections, quoting, and what a failure tells a user."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from urllib.parse import urlsplit, urlunsplit

import pyarrow as pa
import pytest

from dataflow_assets.core.ports import free_port
from dataflow_assets.errors import WarehouseUnavailableError
from dataflow_assets.postgres.brief import connect_briefly
from dataflow_assets.postgres.connection import AdbcError, connect, transaction
from dataflow_assets.postgres.copy import copy_in, read
from dataflow_assets.postgres.failures import shown, unavailable
from dataflow_assets.postgres.locks import with_lock_retries
from dataflow_assets.postgres.migrate import require_current, upgrade
from dataflow_assets.postgres.sql import execute, identifier, literal
from dataflow_assets.warehouse.query import run_query
from dataflow_assets_tests.waiting import wait_until
from dataflow_assets_tests.warehouse.builders import ask

SECRET = "hunter2-not-to-be-seen"
NAMES = ['we"ird', "two words", "Déjà", "a.b", "semi;colon", "--", "$1"]


class StopError(Exception):
    """Ends a block."""


def open_and_close(url: str) -> None:
    with connect(url):
        pass


def with_port(url: str, port: int) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{parts.username}:{SECRET}@{parts.hostname}:{port}"))


@pytest.mark.parametrize("scheme", ["postgresql", "postgres"])
@pytest.mark.parametrize("use", [open_and_close, upgrade, require_current, lambda url: run_query(url, "SELECT 1")])
@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("wrong password", "password authentication failed"),
        ("closed port", "refused"),
        ("unknown database", 'database "nowhere" does not exist'),
    ],
)
def test_a_server_that_cannot_be_used_is_one_sentence(
    server: str, scheme: str, use: Callable[[str], object], fault: str, said: str
) -> None:
    url = {
        "wrong password": with_port(server, urlsplit(server).port or 0),
        "closed port": with_port(server, free_port()),
        "unknown database": server.rsplit("/", 1)[0] + "/nowhere",
    }[fault].replace("postgresql://", f"{scheme}://")
    password = urlsplit(url).password
    with pytest.raises(WarehouseUnavailableError) as caught:
        use(url)
    message = str(caught.value)
    assert said in message
    assert shown(url) in message
    assert password
    assert password not in message
    assert "\n" not in message
    assert "sqlalche" not in message


def test_a_password_that_the_driver_repeats_is_masked(server: str) -> None:
    url = server.replace(str(urlsplit(server).password), "100%zz")
    with pytest.raises(WarehouseUnavailableError) as caught:
        open_and_close(url)
    assert "100%zz" not in str(caught.value)
    assert "********" in str(caught.value)


def test_a_failure_without_words_still_has_a_reason() -> None:
    assert "(TimeoutError)" in str(unavailable("postgresql://h/d", TimeoutError()))


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("postgresql://me:secret@host:5433/db", "host:5433/db"),
        ("postgresql://me:se@cret@one:1,two:2/db?sslmode=require", "one:1,two:2/db"),
        ("postgresql:///db?host=/run&password=secret", "/db"),
    ],
)
def test_a_url_is_shown_without_its_user(url: str, place: str) -> None:
    assert shown(url) == place


def test_connections_work_again_after_the_server_ended_them_all(database_url: str) -> None:
    with connect(database_url) as connection:
        assert execute(connection, "SELECT 1") == [(1,)]
    others = "datname = current_database() AND pid <> pg_backend_pid()"
    ask(database_url, f"SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE {others}")
    with connect(database_url) as connection:
        assert execute(connection, "SELECT 2") == [(2,)]


def test_no_session_stays_of_connections_that_are_closed(database_url: str) -> None:
    open_and_close(database_url)
    open_and_close(database_url)
    sessions = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()"
    wait_until(lambda: ask(database_url, sessions, database_url.rsplit("/", 1)[1]) == [(0,)])


@pytest.mark.parametrize("connected", [connect, connect_briefly])
def test_a_server_without_a_connection_left_is_told_as_such(
    database_url: str, connected: Callable[[str], AbstractContextManager[object]]
) -> None:
    ask(database_url, f"ALTER DATABASE {database_url.rpartition('/')[2]} CONNECTION LIMIT 0")
    said = r"has no connection left \(.*\); try again, or raise"
    with pytest.raises(WarehouseUnavailableError, match=said), connected(database_url):
        pass


def test_no_session_stays_in_a_transaction(database_url: str) -> None:
    open_and_close(database_url)
    idle = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND state = 'idle in transaction'"
    wait_until(lambda: ask(database_url, idle, database_url.rsplit("/", 1)[1]) == [(0,)])


def test_a_transaction_that_fails_changes_nothing(database_url: str) -> None:
    with connect(database_url) as connection:
        with transaction(connection):
            execute(connection, "CREATE TABLE public.kept (n int)")
        with pytest.raises(AdbcError, match="division by zero"), transaction(connection):
            execute(connection, "INSERT INTO public.kept VALUES (1), (1 / 0)")
        with suppress(StopError), transaction(connection):
            execute(connection, "INSERT INTO public.kept VALUES (1)")
            raise StopError
        with transaction(connection):
            execute(connection, "INSERT INTO public.kept VALUES (2)")
    assert ask(database_url, "SELECT n FROM kept") == [(2,)]


def test_a_connection_whose_block_fails_commits_nothing(database_url: str) -> None:
    with suppress(StopError), connect(database_url) as connection:
        execute(connection, "CREATE TABLE public.gone (n int)")
        raise StopError
    assert ask(database_url, "SELECT to_regclass('gone')") == [(None,)]


def test_names_and_texts_are_quoted(database_url: str) -> None:
    with connect(database_url) as connection:
        for name in NAMES:
            table = identifier("public", name)
            execute(
                connection, f"CREATE TABLE {table} AS SELECT {literal(chr(39) + name + chr(92))} AS {identifier(name)}"
            )
            assert read(connection, f"SELECT * FROM {table}").to_dicts() == [{name: f"'{name}\\"}]


def test_a_change_that_fails_for_another_reason_says_it(database_url: str) -> None:
    with (
        connect(database_url) as connection,
        pytest.raises(AdbcError, match="division by zero"),
        transaction(connection),
    ):
        with_lock_retries(connection, "nothing", ["CREATE TABLE public.gone ()", "PERFORM 1 / 0"])
    assert ask(database_url, "SELECT to_regclass('gone')") == [(None,)]


def test_what_fails_in_the_making_of_a_copy_is_raised_as_it_is(empty_database_url: str) -> None:
    stop = StopError("midst")

    def tables() -> Iterator[pa.Table]:
        yield pa.table({"number": [1]})
        yield pa.table({"number": [2]})
        raise stop

    with connect(empty_database_url) as connection:
        execute(connection, "CREATE TABLE public.numbers (number bigint)")
        connection.commit()
        with pytest.raises(StopError) as caught, transaction(connection):
            copy_in(connection, "public", "numbers", tables())
        assert caught.value is stop
        assert execute(connection, "SELECT count(*) FROM public.numbers") == [(0,)]
