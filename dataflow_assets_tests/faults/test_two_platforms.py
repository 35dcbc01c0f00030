"""A second `dataflow up` by mistake: from another home, or on another machine, on the same database."""

import pytest

from dataflow_assets.errors import DataFlowError
from dataflow_assets.runtime import only_one
from dataflow_assets.runtime.only_one import only_database
from dataflow_assets.runtime.up import up
from dataflow_assets.settings import Settings
from dataflow_assets_tests.warehouse.builders import ask


def test_a_second_one_on_the_same_database_is_refused(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(only_one, "_EARLIER_SECONDS", 0.2)
    other = settings.model_copy(update={"home": settings.home.with_name("other")})
    with only_database(settings), pytest.raises(DataFlowError, match=r"already runs for the database at 127\.0\.0\.1"):
        up(other, 0)
    with only_database(other):
        pass


def test_a_server_that_ends_idle_sessions_lets_no_second_one_in(
    settings: Settings, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(only_one, "_EARLIER_SECONDS", 0.2)
    ask(database_url, f"ALTER DATABASE {database_url.rpartition('/')[2]} SET idle_session_timeout = '1s'")
    with only_database(settings):
        ask(database_url, "SELECT pg_sleep(2)")
        with pytest.raises(DataFlowError, match="already runs"), only_database(settings):
            pass
