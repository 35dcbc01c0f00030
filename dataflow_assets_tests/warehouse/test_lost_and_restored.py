"""Random orders of loading, losing and restoring: in the end the tables are those of the lake's present files.

Of lake and database copies are made and put back, each without the other; the lake of another platform is put in
place; tables are restored to older versions; files are merged and deleted. What is refused is mended as its sentence
says. What lies in landing is then found again.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from dataflow_assets.errors import LakeMismatchError
from dataflow_assets.lake.delta.maintenance import delete_unused_files, merge_small_files
from dataflow_assets.lake.delta.table import rows_table
from dataflow_assets.landing.deliveries import Landing
from dataflow_assets.landing.storage import open_storage
from dataflow_assets.ledger.deliveries import find_unknown_versions
from dataflow_assets.ledger.lake import bind_lake, require_tables
from dataflow_assets.ledger.lost_rows import find_objects_with_other_rows
from dataflow_assets.postgres.connection import connect
from dataflow_assets.settings import Settings
from dataflow_assets.sources import all_sources, find_source
from dataflow_assets.warehouse.backup import back_up, restore
from dataflow_assets.warehouse.bootstrap import open_server_of, open_warehouse
from dataflow_assets.warehouse.rebuild import rebuild_warehouse
from dataflow_assets_tests.examples import examples
from dataflow_assets_tests.loading import Landed, ask, deliver, take_and_load
from dataflow_assets_tests.orchestration.builders import session, streams_csv

SOURCES = [find_source("streams"), find_source("users")]
TABLES = ["warehouse.streams", "warehouse.users_current", "warehouse.users_history"]
PRESENT = "SELECT object, accepted, rejected, state FROM ledger.deliveries WHERE state <> 'superseded' ORDER BY 1"


def streams_file(number: int, variant: int) -> Landed:
    """Each variant has another number of rows, on other days."""
    lines = [session(f"2021-12-{1 + variant + row:02}T10:00", movie=f"{number}-{row}") for row in range(variant + 1)]
    return Landed("streams", date(2021, 12, 20), f"{number}.csv", streams_csv(*lines))


def users_file(number: int, variant: int) -> Landed:
    lines = [f"u{row}@x,{number}{variant},X" for row in range(5 + variant)]
    return Landed("users", date(2021, 12, 1 + number), "u.csv", "\n".join(["email,first_name,last_name", *lines, ""]))


@dataclass
class World:
    """A platform, and the copies that somebody made of its parts."""

    settings: Settings
    fresh: Callable[[], Settings]
    lakes: int = 0
    databases: list[tuple[str, dict[Path, bytes]]] = field(default_factory=list)
    backups: list[Path] = field(default_factory=list)
    seen: dict[Path, bytes] = field(default_factory=dict)  # the newest commits that the database met

    def gate(self) -> None:
        """What every run does first and last: it lets no lake pass that lacks a commit which the database met."""
        self._pass_gate()
        log = self.settings.home / "lake"
        lost = [str(path) for path, text in self.seen.items() if not _holds(log / path, text)]
        assert not lost, f"a lake was let pass that has not the commits {lost}"
        self.seen = _newest_commits(log)

    def _pass_gate(self) -> None:
        url, storage = open_warehouse(self.settings), open_storage(self.settings)
        bind_lake(url, storage, self.settings.first_day)
        require_tables(url, storage, SOURCES)

    def rebuild(self) -> None:
        url, storage = open_server_of(self.settings), open_storage(self.settings)
        list(rebuild_warehouse(url, storage, all_sources(), self.settings.timezone, self.settings.first_day))
        self.seen = {}

    def mend(self) -> None:
        """Go on as the refusal says."""
        try:
            self.gate()
        except LakeMismatchError:
            self.rebuild()
            self.gate()

    def load(self, source: str, number: int, variant: int) -> None:
        file = streams_file(number, variant) if source == "streams" else users_file(number, variant)
        self.mend()
        deliver(lambda _: None, self.settings, [file])
        self.gate()

    def copy_lake(self) -> None:
        if (self.settings.home / "lake").exists():
            self.lakes += 1
            shutil.copytree(self.settings.home / "lake", self.settings.home / f"copy-{self.lakes}")

    def put_lake_back(self, which: int) -> None:
        if self.lakes:
            shutil.rmtree(self.settings.home / "lake")
            shutil.copytree(self.settings.home / f"copy-{1 + which % self.lakes}", self.settings.home / "lake")

    def meet_another_lake(self) -> None:
        other = World(self.fresh(), self.fresh)
        other.load("streams", 2, 2)
        for part in ("lake", "landing"):
            mine = self.settings.home / part
            if part == "lake":
                shutil.rmtree(mine)
            for path in (other.settings.home / part).rglob("*"):
                target = mine / path.relative_to(other.settings.home / part)
                if path.is_file() and not target.exists():
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(path, target)
        with pytest.raises(LakeMismatchError):
            self.gate()

    def restore_table(self, source: str, which: int) -> None:
        base = rows_table(open_storage(self.settings), find_source(source)).open()
        if base.version() > 1:
            base.restore(which % base.version(), ignore_missing_files=True)

    def housekeeping(self) -> None:
        self.mend()
        for source in SOURCES:
            table = rows_table(open_storage(self.settings), source)
            if table.is_made() and source.name == "streams":
                merge_small_files(table)
            if table.is_made():
                delete_unused_files(table, timedelta(days=1))

    def copy_database(self) -> None:
        self.databases.append((clone(self.settings), self.seen))

    def put_database_back(self, which: int) -> None:
        if self.databases:
            url, self.seen = self.databases[which % len(self.databases)]
            kept = self.settings.model_copy(update={"database_url": SecretStr(url)})
            self.settings = self.settings.model_copy(update={"database_url": SecretStr(clone(kept))})

    def back_up(self) -> None:
        self.mend()
        folder = self.settings.home / f"backup-{len(self.backups)}"
        back_up(open_server_of(self.settings), open_storage(self.settings), all_sources(), folder, lambda _: None)
        self.backups.append(folder)

    def restore(self, which: int) -> None:
        """Bring database and lake of one moment back, in place of both."""
        if self.backups:
            shutil.rmtree(self.settings.home / "lake")
            url = clone(self.settings, "template0")
            self.settings = self.settings.model_copy(update={"database_url": SecretStr(url)})
            folder = self.backups[which % len(self.backups)]
            restore(url, open_storage(self.settings), all_sources(), folder, lambda _: None)
            self.seen = {}
            self.gate()

    def find_again(self) -> None:
        """What the doctor and the landing sensor find."""
        self.mend()
        url, storage = open_warehouse(self.settings), open_storage(self.settings)
        if any(find_objects_with_other_rows(url, storage, source) for source in SOURCES):
            self.rebuild()
        landed = {delivery.id: delivery for delivery in Landing(storage).deliveries()}
        with connect(url) as connection:
            new = find_unknown_versions(connection, {key: (one.etag, one.size) for key, one in landed.items()})
        for delivery in sorted((landed[key] for key in new), key=lambda one: one.object):
            take_and_load(lambda _: None, self.settings, delivery.source, delivery.object)
        self.gate()


def _newest_commits(lake: Path) -> dict[Path, bytes]:
    """The newest commit of each table of a lake, by its path."""
    logs = {path.parent for path in lake.rglob("_delta_log/*.json")}
    newest = [max(log.glob("*.json")) for log in logs]
    return {path.relative_to(lake): path.read_bytes() for path in newest}


def _holds(path: Path, text: bytes) -> bool:
    return path.exists() and path.read_bytes() == text


def clone(settings: Settings, template: str | None = None) -> str:
    """Another database that holds the same, or what a template holds; its URL."""
    assert settings.database_url
    url = settings.database_url.get_secret_value()
    base, _, name = url.rpartition("/")
    copy = f"{name[:40]}_{next(_NUMBERS)}"
    with server(url) as cursor:
        cursor.execute(_END_SESSIONS, (name,))
        cursor.execute(f'DROP DATABASE IF EXISTS "{copy}"')
        cursor.execute(f'CREATE DATABASE "{copy}" TEMPLATE "{template or name}" STRATEGY FILE_COPY')
    return f"{base}/{copy}"


_NUMBERS = count(1)
_END_SESSIONS = """
    SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity
    WHERE datname = %s AND backend_type = 'client backend'"""


@contextmanager
def server(url: str) -> Iterator[Any]:
    connection = psycopg2.connect(url.rpartition("/")[0] + "/postgres")
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()


_numbers = st.integers(0, 2)
_sources = st.sampled_from(["streams", "streams", "users"])
STEPS = st.one_of(
    st.tuples(st.just("load"), _sources, _numbers, _numbers),
    st.tuples(st.just("copy_lake")),
    st.tuples(st.just("put_lake_back"), _numbers),
    st.tuples(st.just("meet_another_lake")),
    st.tuples(st.just("restore_table"), _sources, st.integers(0, 8)),
    st.tuples(st.just("housekeeping")),
    st.tuples(st.just("rebuild")),
    st.tuples(st.just("copy_database")),
    st.tuples(st.just("put_database_back"), _numbers),
    st.tuples(st.just("back_up")),
    st.tuples(st.just("restore"), _numbers),
)


@pytest.fixture
def fresh(settings: Settings) -> Callable[[], Settings]:
    """Makes settings with a database and a home of their own."""
    start = clone(settings)

    def make() -> Settings:
        copy = clone(settings.model_copy(update={"database_url": SecretStr(start)}))
        home = settings.home.with_name(f"home-{copy.rpartition('_')[2]}")
        home.mkdir()
        return settings.model_copy(update={"home": home, "database_url": SecretStr(copy)})

    return make


@examples(1 / 6)
@given(steps=st.lists(STEPS, min_size=3, max_size=10))
def test_whatever_was_lost_or_restored_the_tables_are_those_of_the_lake(
    fresh: Callable[[], Settings], steps: list[tuple[Any, ...]]
) -> None:
    world, anew = World(fresh(), fresh), World(fresh(), fresh)
    world.load("streams", 0, 0)
    for name, *arguments in steps:
        getattr(world, name)(*arguments)
    world.find_again()
    anew.settings = anew.settings.model_copy(update={"home": world.settings.home})
    anew.rebuild()
    for table in TABLES:
        rows = f"SELECT * FROM {table} AS t ORDER BY t::text"
        assert ask(world.settings, rows) == ask(anew.settings, rows), table
    assert ask(world.settings, PRESENT) == ask(anew.settings, PRESENT)
    lake = rows_table(open_storage(world.settings), SOURCES[0]).scan().collect()
    titles = ask(world.settings, "SELECT movie_title FROM warehouse.streams ORDER BY 1")
    assert titles == sorted(lake.select("movie_title").rows())
    landed = sorted(path.read_text() for path in (world.settings.home / "landing/streams").rglob("*.csv"))
    assert len(titles) == sum(len(text.splitlines()) - 1 for text in landed), "all that lies in landing is there"
