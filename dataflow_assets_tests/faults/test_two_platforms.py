"""A second `dataflow up` by mistake: from another home, or on another machine, on the same database."""

import os
import subprocess
import sys
from contextlib import closing

import psycopg2
import pytest

from dataflow_assets.errors import DataFlowError
from dataflow_assets.runtime import only_one
from dataflow_assets.runtime.only_one import only_database
from dataflow_assets.settings import Settings
from dataflow_assets_tests.waiting import wait_until
from dataflow_assets_tests.warehouse.builders import ask

_UP = """
from dataflow_assets.errors import DataFlowError
from dataflow_assets.runtime import only_one, up
from dataflow_assets.settings import load_settings

only_one._EARLIER_SECONDS = 0.2
try:
    up.up(load_settings(), 0)
except DataFlowError as error:
    print(error)
    raise SystemExit(1) from None
"""


def test_a_second_one_on_the_same_database_is_refused(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    other = settings.model_copy(update={"home": settings.home.with_name("other")})
    with only_database(settings):
        second = subprocess.run(  # a process of its own, as it forks
            [sys.executable, "-c", _UP],
            check=False,
            capture_output=True,
            text=True,
            env=os.environ | {"DATAFLOW_HOME": str(other.home)},
            timeout=300,
        )
        assert (second.returncode, second.stdout[:57]) == (
            1,
            "`dataflow up` already runs for the database at 127.0.0.1:",
        )
    monkeypatch.setattr(only_one, "_EARLIER_SECONDS", 300.0)  # the server lets the lock go soon after the first one
    with only_database(other):
        pass


def test_a_server_that_ends_idle_sessions_lets_no_second_one_in(
    settings: Settings, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(only_one, "_EARLIER_SECONDS", 0.2)
    ask(database_url, f"ALTER DATABASE {database_url.rpartition('/')[2]} SET idle_session_timeout = '3s'")
    with only_database(settings), closing(psycopg2.connect(database_url)) as idle_for_less:
        sessions = f"SELECT 1 FROM pg_stat_activity WHERE pid = {idle_for_less.info.backend_pid}"
        wait_until(lambda: not ask(database_url, sessions))
        with pytest.raises(DataFlowError, match="already runs"), only_database(settings):
            pass
