"""Events whose key happens once, by runs of Dagster: a corrected time has both days made again, and no others."""

import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from dataflow_assets import sources
from dataflow_assets.postgres.schema import build_metadata
from dataflow_assets.settings import Settings
from dataflow_assets_tests.orchestration import builders
from dataflow_assets_tests.orchestration.builders import Daemon, Platform
from dataflow_assets_tests.warehouse.test_moved_events import ORDERS

_DECLARED = "from dataflow_assets_tests.warehouse.test_moved_events import ORDERS as SOURCE\n"


@pytest.fixture
def platform(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Platform]:
    """A platform with one more source, whose key happens once."""
    (tmp_path / "orders.py").write_text(_DECLARED)
    assert settings.database_url
    engine = sa.create_engine(settings.database_url.get_secret_value())
    with engine.begin() as connection:
        build_metadata([ORDERS], {}).create_all(connection)
    engine.dispose()
    with monkeypatch.context() as patch:
        patch.setattr(sources, "__path__", [*sources.__path__, str(tmp_path)])
        sources.all_sources.cache_clear()
        with builders.platform(settings) as working:
            yield working
        sys.modules.pop(f"{sources.__name__}.orders", None)
    sources.all_sources.cache_clear()


def _land(platform: Platform, day: str, name: str, *orders: str) -> None:
    platform.land("orders", day, "\n".join(["number,placed_at,cents", *orders]) + "\n", name)


def test_a_corrected_time_has_the_day_that_a_row_left_and_the_one_it_came_to_made_again(platform: Platform) -> None:
    daemon = Daemon(platform)
    first = ("1,2021-12-01T10:00:00Z,100", "2,2021-12-01T11:00:00Z,200", "3,2021-12-05T11:00:00Z,300")
    _land(platform, "2021-12-06", "a.csv", *first)
    daemon.settle()
    assert platform.partitions("warehouse/orders") == ["2021-12-01", "2021-12-05"]
    _land(platform, "2021-12-07", "b.csv", "1,2021-12-02T10:00:00Z,100")
    daemon.settle()
    assert platform.partitions("warehouse/orders") == ["2021-12-01", "2021-12-01", "2021-12-02", "2021-12-05"]
    assert platform.query("SELECT number, placed_at, event_day FROM warehouse.orders ORDER BY 1") == [
        (1, datetime(2021, 12, 2, 10, tzinfo=UTC), date(2021, 12, 2)),
        (2, datetime(2021, 12, 1, 11, tzinfo=UTC), date(2021, 12, 1)),
        (3, datetime(2021, 12, 5, 11, tzinfo=UTC), date(2021, 12, 5)),
    ]
