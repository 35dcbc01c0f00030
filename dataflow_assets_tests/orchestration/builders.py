"""A whole platform in one process for the tests of orchestration, and small deliveries for it.

Here: landing texts, running assets, and looking at tables and at the instance's records. Not here: expectations.
"""

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from types import MappingProxyType
from typing import Any

import dagster as dg
import duckdb
import psycopg2

from dataflow_assets.definitions import build_definitions
from dataflow_assets.landing.deliveries import Delivery, Landing
from dataflow_assets.landing.storage import open_storage
from dataflow_assets.orchestration.runs.in_process import QUIET, Materializer
from dataflow_assets.runtime.tags import GOES_ON, RANGE_END, RANGE_START
from dataflow_assets.settings import Settings
from dataflow_assets_tests.instances import copy_records, empty_instance

_UNTABLED = {"event_days", "snapshots", "deliveries", "answers", "rejects"}  # they say which version or run it was


def key(asset: str) -> dg.AssetKey:
    return dg.AssetKey(asset.split("/"))


def session(start: str, *, hours: float = 1, movie: str = "Rust", user: str = "a@b.example") -> str:
    """One line of streams.csv; `start` is in UTC unless it says otherwise."""
    begin = datetime.fromisoformat(start if "+" in start else start + "+00:00")
    return f"{movie},{user},1000.0,{begin.isoformat()},{(begin + timedelta(hours=hours)).isoformat()}"


def streams_csv(*sessions: str) -> str:
    return "\n".join(["movie_title,user_email,size_mb,start_at,end_at", *sessions]) + "\n"


def movies_csv(*titles: str) -> str:
    return "\n".join(["title,duration_mins,original_language,size_mb", *(f"{title},90,,1" for title in titles)]) + "\n"


@dataclass(frozen=True)
class Tick:
    """What a sensor said: what it asks for, why it does not, and where it goes on."""

    requests: list[dg.RunRequest]
    reason: str | None
    cursor: str | None


@dataclass(frozen=True)
class Platform:
    settings: Settings
    definitions: dg.Definitions
    instance: dg.DagsterInstance

    def land(self, source: str, day: str, text: str, name: str = "file.csv", *, seconds_ago: float = 60) -> Delivery:
        path = self.settings.home / "incoming" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        landing = Landing(open_storage(self.settings))
        landed = self.settings.home / landing.put(source, date.fromisoformat(day), path).object
        written = landed.stat().st_mtime_ns - int(seconds_ago * 1e9)
        os.utime(landed, ns=(written, written))
        found = landing.current(str(landed.relative_to(self.settings.home)))
        assert found
        return found

    def materialize(self, *deliveries: Delivery) -> None:
        Materializer(self.settings, lambda: self.definitions, self.instance, lambda _: None).materialize(deliveries)

    def run(
        self,
        assets: str,
        first: str,
        last: str | None = None,
        config: Mapping[str, Any] | None = None,
        tags: Mapping[str, str] = MappingProxyType({}),
    ) -> dg.ExecuteInProcessResult:
        """Run assets (their keys, separated by blanks) in one run, which may fail."""
        return self.definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=self.instance,
            run_config={**QUIET, **(config or {})},
            asset_selection=[key(asset) for asset in assets.split()],
            tags={RANGE_START: first, RANGE_END: last or first, **tags},
            raise_on_error=False,
        )

    def tick(self, sensor: str, cursor: str | None = None) -> Tick:
        """Let a sensor look once."""
        (found,) = (known for known in self.definitions.sensors or () if known.name == sensor)
        assert isinstance(found, dg.SensorDefinition)
        with dg.build_sensor_context(
            self.instance, cursor=cursor, definitions=self.definitions, resources=self.resources_of(found)
        ) as context:
            said = found.evaluate_tick(context)
        return Tick(list(said.run_requests or ()), said.skip_message, said.cursor)

    def resources_of(self, asking: dg.SensorDefinition | dg.ScheduleDefinition) -> dict[str, Any]:
        """The resources that a sensor or a schedule needs, which Dagster's code server would give it."""
        return {name: (self.definitions.resources or {})[name] for name in asking.required_resource_keys}

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        with postgres(self.settings) as cursor:
            cursor.execute(statement)
            rows: list[tuple[Any, ...]] = cursor.fetchall()
            return rows

    def published(self, statement: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(self.settings.published_file, read_only=True) as connection:
            return connection.execute(statement).fetchall()

    def tables(self) -> dict[str, list[tuple[Any, ...]]]:
        """The rows of everything that people query, in some fixed order."""
        found = self.query(
            "SELECT table_schema || '.' || table_name FROM information_schema.tables "
            "WHERE table_schema IN ('warehouse', 'analytics')"
        )
        names = sorted(name for (name,) in found if name.split(".")[1] not in _UNTABLED)
        return {name: self.query(f"SELECT * FROM {name} AS t ORDER BY t::text") for name in names}

    def partitions(self, asset: str, runs: Iterable[dg.DagsterRun] | None = None) -> list[str]:
        """The partitions of an asset that were materialized, in order, once for each time."""
        wanted = None if runs is None else {run.run_id for run in runs}
        records = self.instance.fetch_materializations(key(asset), limit=1000).records
        kept = [record for record in records if wanted is None or record.run_id in wanted]
        return sorted(str(record.partition_key) for record in kept)

    def metadata(self, asset: str, partition: str) -> Mapping[str, Any]:
        """The metadata of the newest materialization of a partition."""
        wanted = dg.AssetRecordsFilter(key(asset), asset_partitions=[partition])
        record = self.instance.fetch_materializations(wanted, limit=1).records[0]
        assert record.asset_materialization
        return {name: value.value for name, value in record.asset_materialization.metadata.items()}


SENSORS = ("landing_sensor", "warehouse_sensor", "answers_sensor")


@dataclass
class Daemon:
    """What Dagster's daemon does, in this process: the sensors look in turn, and what they ask for is run at once."""

    platform: Platform
    _cursors: dict[str, str | None] = field(default_factory=dict)
    _asked: set[str | None] = field(default_factory=set)

    def settle(self) -> list[tuple[str, str, str]]:
        """Until no sensor asks for anything; what was run, as `wanted` says it."""
        ran: list[tuple[str, str, str]] = []
        while found := [ran_now for sensor in SENSORS for ran_now in self._look(sensor)]:
            ran += found
        return ran

    def _look(self, sensor: str) -> list[tuple[str, str, str]]:
        tick = self.platform.tick(sensor, self._cursors.get(sensor))
        self._cursors[sensor] = tick.cursor
        new = [request for request in tick.requests if request.run_key not in self._asked]
        for request in new:
            self._asked.add(request.run_key)
            assets, first, last = wanted(request)
            tags = {name: value for name, value in request.tags.items() if name != GOES_ON}
            result = self.platform.run(assets, first, last, request.run_config, tags)
            assert result.success, reasons(result)
        return [wanted(request) for request in new]


@contextmanager
def postgres(settings: Settings) -> Iterator[Any]:
    assert settings.database_url
    connection = psycopg2.connect(settings.database_url.get_secret_value())
    try:
        with connection, connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()


@contextmanager
def platform(settings: Settings) -> Iterator[Platform]:
    with empty_instance() as instance:
        yield Platform(settings, build_definitions(settings), instance)


@contextmanager
def copy_platform(original: Platform, settings: Settings) -> Iterator[Platform]:
    """A platform with what the home and the Dagster instance of another hold; its database is a copy already.

    What landed is left out: a copied file would be another version of its object, and without it nothing changes.
    """
    home = original.settings.home
    landed = {str(home): {"landing"}}
    shutil.copytree(home, settings.home, ignore=lambda folder, _: landed.get(folder, set()), dirs_exist_ok=True)
    with platform(settings) as working:
        copy_records(original.instance, working.instance)
        yield working


def wanted(request: dg.RunRequest) -> tuple[str, str, str]:
    """The assets that a request asks for, and the first and the last of their partitions."""
    assets = " ".join(asset.to_user_string() for asset in request.asset_selection or ())
    return assets, request.tags[RANGE_START], request.tags[RANGE_END]


def reasons(result: dg.ExecuteInProcessResult) -> str:
    """Why the steps of a run failed."""
    failures = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    return "\n".join(str(failure.error) for failure in failures)
