"""What tests of every layer share: a real PostgreSQL, an empty home, the reference data.

Here: fixtures that more than one folder uses. Not here: made-up data.
"""

import gc
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from multiprocessing.util import Finalize
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2
import psycopg2.errors
import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from dataflow_assets.postgres import embedded
from dataflow_assets.postgres.migrate import upgrade
from dataflow_assets.settings import Settings, load_settings, variable_names
from dataflow_assets_tests.waiting import wait_until

REPOSITORY = Path(__file__).parents[1]
MEMORY, MEMORY_BYTES = Path("/dev/shm"), 8 << 30  # Linux's folder in memory, and how much must be free
Run = Callable[..., object]

# A busy machine is no fault of a test: no example has a time limit, neither to be made nor to be run.
hypothesis_settings.register_profile(
    "any-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=30
)
hypothesis_settings.register_profile("nightly", hypothesis_settings.get_profile("any-machine"), max_examples=500)
hypothesis_settings.load_profile("any-machine")

gc.disable()  # until all is imported

# What a test needs, and so how it is marked: by a fixture that it uses, by where it stands, or by its name.
MARKS_OF_FIXTURES = {"server": "database", "page": "browser", "demonstrated": "slow", "deployed": "process"}
MARKS_OF_PLACES = {
    "collectors/test_crashes.py": ("process", "slow"),
    "collectors/test_kafka_killed.py": ("process", "slow"),
    "faults": ("process", "slow"),
    "io_managers/test_foreign_project.py": ("process", "slow"),
    "runtime": ("process",),
    "postgres/test_embedded.py": ("process",),
    "warehouse/test_concurrent_processes.py": ("process", "slow"),
    "warehouse/test_crashes.py": ("process",),
    "warehouse/test_bootstrap.py": ("process",),
    "orchestration/automation/test_late.py": ("slow",),
    "orchestration/checks/test_quarantine.py": ("slow",),
    "orchestration/maintenance": ("slow",),
    "orchestration/runs": ("slow",),
    "serving/reading/test_document.py": ("process", "slow"),
    "serving/test_http_api_page.py": ("process",),
    "serving/test_killed.py": ("process", "slow"),
    "serving/test_openapi.py": ("process", "slow"),
    "serving/test_server.py": ("process",),
    "test_collect.py": ("process", "slow"),
    "test_examples.py": ("process",),
    "test_new_source.py": ("process", "slow"),
    "test_permissions.py": ("process", "slow"),
    "test_readme.py": ("process", "slow"),
    "test_terminal.py": ("process", "slow"),
    "test_tutorial.py": ("process", "slow"),
    "test_wheel.py": ("process",),
}

# Those that take longest, with all their parameters: three seconds and more beside others.
SLOW_TESTS = frozenset(Path(__file__).with_name("slow_tests.txt").read_text().split())

# Others run the same lines, and to trace what Dagster and hypothesis do between them costs up to three quarters more.
NOT_MEASURED = {
    "io_managers/test_postgres_partitions.py",
    "lake/readers/test_bounded_memory.py",
    "lake/readers/test_damage.py",
    "lake/readers/test_round_trips.py",
    "lake/validation/test_repeated_hour.py",
    "orchestration/assets/test_answers_from_the_lake.py",
    "orchestration/assets/test_assets.py",
    "orchestration/assets/test_sql_answer.py",
    "orchestration/assets/test_warehouse_inputs.py",
    "orchestration/automation/test_answers_sensor.py",
    "orchestration/automation/test_warehouse_sensor.py",
    "orchestration/checks/test_checks.py",
    "orchestration/checks/test_references.py",
    "orchestration/test_deliveries_record.py",
    "postgres/test_source_names.py",
    "warehouse/test_any_order.py",
    "warehouse/test_lost_and_restored.py",
}


def pytest_configure() -> None:
    """Let everything temporary be in memory, unless `TMPDIR` says where: databases come and go by the thousand.

    On a disk a third of the time goes into finding places for their files.
    """
    if "TMPDIR" in os.environ or not MEMORY.is_dir() or shutil.disk_usage(MEMORY).free < MEMORY_BYTES:
        return
    folder = tempfile.mkdtemp(prefix="pytest-", dir=MEMORY)
    Path(folder).chmod(0o711)  # servers that root starts belong to another user
    os.environ["TMPDIR"] = tempfile.tempdir = folder
    # Last of all: multiprocessing has a folder in it.
    Finalize(None, shutil.rmtree, (folder, True), exitpriority=-200)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Run the whole suite on every processor, and tests that are named in this process, which starts sooner."""
    if config.args_source is pytest.Config.ArgsSource.ARGS:
        return 0
    return len(os.sched_getaffinity(0)) + 2  # some tests wait


def pytest_collection_finish() -> None:
    """Let garbage be looked for among what tests make, and no longer among all that was imported."""
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)
    gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test by what it needs, so that `-m` can choose those of a minute; begin with files that take long."""
    long = set()
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        marks = {mark for fixture, mark in MARKS_OF_FIXTURES.items() if fixture in fixtures}
        of_place = _marks_of_place(item)
        if _name(item) in SLOW_TESTS:
            marks.add("slow")
        for mark in sorted(marks | of_place):
            item.add_marker(mark)
        if of_place or _place(item).as_posix() in NOT_MEASURED or _is_made_elsewhere_too(item):
            item.add_marker("no_cover")
        if (marks | of_place) & {"process", "slow"}:
            long.add(item.path)
    items.sort(key=lambda item: item.path not in long)


def _is_made_elsewhere_too(item: pytest.Item) -> bool:
    """Whether it is the same test in a bucket that another one is in a folder."""
    parameters = getattr(item, "callspec", None)
    return parameters is not None and "s3" in parameters.id.split("-")


def _place(item: pytest.Item) -> Path:
    return item.path.relative_to(Path(__file__).parent)


def _name(item: pytest.Item) -> str:
    """The test with its file, without its parameters."""
    return f"{_place(item).as_posix()}::{getattr(item, 'originalname', item.name)}"


def _marks_of_place(item: pytest.Item) -> set[str]:
    place = _place(item)
    return {mark for known in (place, *place.parents) for mark in MARKS_OF_PLACES.get(known.as_posix(), ())}


@pytest.fixture(scope="session")
def reference_data() -> Path:
    """The folder of the reference data."""
    folder = Path(os.environ.get("DATAFLOW_REFERENCE_DATA") or REPOSITORY / "../shared/reference").resolve()
    if not folder.is_dir():
        pytest.skip("the reference data is not here; DATAFLOW_REFERENCE_DATA names its folder")
    return folder


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a PostgreSQL server that the whole test run shares; not durable, which nothing here tests."""
    with embedded.acquire(tmp_path_factory.mktemp("server"), durable=False) as lease:
        yield lease.url


@pytest.fixture(scope="session")
def _run(server: str) -> Iterator[Run]:
    """Runs statements one by one, by one connection: opening one for each database would be a fifth of its price."""
    with closing(psycopg2.connect(server)) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        # Tests connect tens of thousands of times, and half of the work of that is to hash the password 4,096 times.
        cursor.execute("SET scram_iterations = 1")
        cursor.execute("ALTER ROLE CURRENT_USER PASSWORD %s", (urlsplit(server).password,))
        yield cursor.execute


@pytest.fixture(scope="session")
def _template(server: str, _run: Run) -> str:
    url = _create_database(server, _run, "template0")
    upgrade(url)
    return url.rsplit("/", 1)[1]


@pytest.fixture
def database_url(server: str, _run: Run, _template: str) -> Iterator[str]:
    """The URL of a database of this test's own, with the present tables and no rows."""
    yield from _database(server, _run, _template)


@pytest.fixture(scope="module")
def module_database_url(server: str, _run: Run, _template: str) -> Iterator[str]:
    """The same for all tests of a module."""
    yield from _database(server, _run, _template)


@pytest.fixture
def copied_database_url(server: str, _run: Run, module_database_url: str) -> Iterator[str]:
    """The URL of a copy of the module's database, as a fixture of the module filled it."""
    name = module_database_url.rsplit("/", 1)[1]
    _end_sessions(_run, name)
    yield from _database(server, _run, name)


@pytest.fixture
def empty_database_url(server: str, _run: Run) -> Iterator[str]:
    """The URL of a database of this test's own, without tables."""
    yield from _database(server, _run, "template0")


def _database(server: str, run: Run, template: str) -> Iterator[str]:
    url = _create_database(server, run, template)
    name = url.rsplit("/", 1)[1]
    yield url
    _end_sessions(run, name)
    _when_unused(run, f'DROP DATABASE IF EXISTS "{name}"')


def _end_sessions(run: Run, name: str) -> None:
    """End what this process left open, which would use up the server's connections.

    WITH (FORCE) would not do: it refuses where autovacuum, which belongs to another role, happens to be there.
    """
    own = f"datname = '{name}' AND usename = current_user"
    run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {own}")


def _when_unused(run: Run, statement: str) -> None:
    """Run a statement that no session of its database may be open for, which its server awaits for 5 seconds alone."""

    def is_done() -> bool:
        with suppress(psycopg2.errors.ObjectInUse):
            run(statement)
            return True
        return False

    wait_until(is_done)


def _create_database(server: str, run: Run, template: str) -> str:
    name = f"test_{uuid.uuid4().hex}"
    # Files are copied with half the work of writing each of their pages to the log.
    _when_unused(run, f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')
    return server.rsplit("/", 1)[0] + f"/{name}"


@pytest.fixture
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """The environment without any setting but a home folder of this test's own."""
    clean(monkeypatch, tmp_path / "home")
    return monkeypatch


def clean(environment: pytest.MonkeyPatch, home: Path) -> None:
    """Let the environment have no setting but a home folder."""
    for name in variable_names():
        environment.delenv(name, raising=False)
    environment.setenv("DATAFLOW_HOME", str(home))


@pytest.fixture
def settings(clean_environment: pytest.MonkeyPatch, database_url: str) -> Settings:
    """Settings with an empty home and a database of this test's own; the environment says the same."""
    clean_environment.setenv("DATABASE_URL", database_url)
    return load_settings()
