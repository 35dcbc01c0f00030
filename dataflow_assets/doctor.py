"""Whether everything that the platform stands on is as it should be, and what to do where it is not.

Here: one function for each thing that is looked at, each of which gives one finding. Not here: mending anything, and
how findings are printed.
"""

import shutil
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Literal

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import LocalStore, S3Store

from dataflow_assets.core.formatting import few
from dataflow_assets.errors import DataFlowError, SettingsError, WarehouseMismatchError
from dataflow_assets.landing.listing import PREFIX
from dataflow_assets.landing.storage import open_storage
from dataflow_assets.ledger.delivery_reports import count_deliveries_by_state
from dataflow_assets.ledger.identity import read_timezone, require_timezone
from dataflow_assets.ledger.lake import HOW_TO_GO_ON, find_problems, read_lake, require_lake
from dataflow_assets.ledger.lost_rows import find_objects_with_other_rows
from dataflow_assets.postgres.connection import connect, shown
from dataflow_assets.postgres.embedded.files import Files
from dataflow_assets.postgres.migrate import require_current
from dataflow_assets.postgres.schema_check import require_columns
from dataflow_assets.postgres.sql import execute
from dataflow_assets.runtime.instance import is_stranded, open_instance, runs_under_way
from dataflow_assets.runtime.sensors import find_failing_sensors
from dataflow_assets.settings import Settings, load_settings
from dataflow_assets.sources import all_sources
from dataflow_assets.warehouse.bootstrap import database_url

State = Literal["ok", "warning", "problem"]
_OLDEST_SERVER = 17  # PostgreSQL: MERGE … WHEN NOT MATCHED BY SOURCE
_ROLE = "SELECT current_user::text, rolsuper FROM pg_roles WHERE rolname = current_user"
_UTC = ("UTC", "Etc/UTC", "GMT")
_PLAIN_ROLE = "`CREATE ROLE dataflow LOGIN PASSWORD '…'; ALTER DATABASE … OWNER TO dataflow`"
_LEAST_FREE = 2 << 30  # bytes
_LONG = timedelta(hours=6)
_IMPATIENT = {"max_retries": 1, "retry_timeout": timedelta(seconds=10)}
_MOST_SHOWN = 5


@dataclass(frozen=True)
class Finding:
    """What was found of one thing, and what to do, unless the sentence says that already."""

    name: str
    state: State
    sentence: str
    advice: str = ""


def examine() -> Iterator[Finding]:
    """Look at one thing after the other; what fails keeps nothing else from being looked at that does not need it."""
    try:
        settings = load_settings()
    except SettingsError as error:
        yield Finding("settings", "problem", str(error))
        return
    yield Finding("settings", "ok", f"Days are those of {settings.timezone}, from {settings.first_day} on.")
    yield _found("disk", partial(disk, settings), settings)
    yield _found("object store", partial(object_store, settings), settings)
    if settings.database_url is None and not Files.below(settings.home).cluster.exists():
        yield Finding("database", "ok", "There is none yet: the first command that needs one makes it.")
        return
    for needed in (database, tables):
        yield (finding := _found(needed.__name__, partial(needed, settings), settings))
        if finding.state == "problem":
            return
    others = {
        "time zone": timezone,
        "lake": lake,
        "columns": columns,
        "deliveries": deliveries,
        "runs": runs,
        "daemon": daemon,
        "sensors": sensors,
    }
    for name, check in others.items():
        yield _found(name, partial(check, settings), settings)


def _found(name: str, check: Callable[[], Finding], settings: Settings) -> Finding:
    """What a check found, or its failure as a finding, without any secret."""
    try:
        found = check()
    except DataFlowError as error:
        found = Finding(name, "problem", str(error))
    except Exception as error:
        found = Finding(name, "problem", f"It could not be looked at: {type(error).__name__}: {_first_line(error)}.")
    return Finding(found.name, found.state, settings.masked(found.sentence), found.advice)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def disk(settings: Settings, least_free: int = _LEAST_FREE) -> Finding:
    """Whether there is space left where the home is."""
    there = next(folder for folder in (settings.home, *settings.home.parents) if folder.is_dir())
    free = shutil.disk_usage(there).free
    said = f"{free / 1e9:,.1f} GB are free under {settings.home}."
    if free < least_free:
        return Finding("disk", "warning", said, "Make space, or set DATAFLOW_HOME to a folder on another disk.")
    return Finding("disk", "ok", said)


def object_store(settings: Settings) -> Finding:
    """Whether the store lists, writes, refuses to write over an object where it is asked to, and deletes."""
    where, advice = str(settings.home), "Make it a folder that can be written to, or set DATAFLOW_HOME to one."
    if settings.s3_bucket:
        where = f"s3://{settings.s3_bucket} at {settings.aws_endpoint_url or 'AWS'}"
        advice = "Start it or make the bucket, or mend S3_BUCKET, AWS_ENDPOINT_URL or the credentials."
    try:
        keeps_first = _probe(_impatient(settings))
    except (BaseError, OSError) as error:
        return Finding("object store", "problem", f"{where} cannot be used: {_first_line(error)}.", advice)
    if not keeps_first:
        said = f"{where} writes over an object that must not exist: runs at the same time could lose each other's rows."
        return Finding("object store", "problem", said, "Use a server that knows conditional writes (If-None-Match).")
    return Finding("object store", "ok", f"{where} lists, writes, refuses to write over an object, and deletes.")


def _impatient(settings: Settings) -> LocalStore | S3Store:
    """The store, which gives up soon where nobody answers."""
    storage = open_storage(settings)
    if isinstance(storage.store, LocalStore):
        return storage.store
    return S3Store(settings.s3_bucket, config=storage.options, retry_config=_IMPATIENT)  # type: ignore[arg-type]


def _probe(store: LocalStore | S3Store) -> bool:
    """List, write an object beside landing and lake, and delete it; whether a second write of it was refused."""
    next(iter(obstore.list(store, f"{PREFIX}/", chunk_size=1)), None)
    key = f"doctor-{uuid.uuid4().hex}"
    obstore.put(store, key, b"first", mode="create")
    try:
        obstore.put(store, key, b"second", mode="create")
    except AlreadyExistsError:
        return True
    finally:
        obstore.delete(store, key)
    return False


def database(settings: Settings, oldest: int = _OLDEST_SERVER) -> Finding:
    """Whether the database answers and is new enough."""
    url = database_url(settings)
    with connect(url) as connection:
        [(version,)] = execute(connection, "SHOW server_version")
        [(role, is_superuser)] = execute(connection, _ROLE)
        [(zone,)] = execute(connection, "SHOW timezone")
    said = f"PostgreSQL {version} answers at {shown(url)}."
    if int(version.partition(".")[0]) < oldest:
        return Finding("database", "problem", said, f"Use PostgreSQL {oldest} or a later one.")
    if is_superuser:
        said = f"{said} The role {role} of DATABASE_URL is a superuser: it may read and write files of the server."
        return Finding("database", "warning", said, f"Use a plain role that owns the database: {_PLAIN_ROLE}.")
    if zone not in _UTC:
        said = f"{said} Its sessions are in {zone}, whose time Dagster would take for UTC and end runs that are well."
        return Finding("database", "warning", said, "`dataflow up` is safe; for other Dagster processes set PGTZ=UTC.")
    return Finding("database", "ok", said)


def tables(settings: Settings) -> Finding:
    """Whether the database has the tables of this version of the program."""
    require_current(database_url(settings))
    return Finding("tables", "ok", "They are those of this version of the program.")


def timezone(settings: Settings) -> Finding:
    """Whether the warehouse was made in the time zone of the settings; a new one is not told of any."""
    url = database_url(settings)
    with connect(url) as connection:
        is_new = read_timezone(connection) is None
    if not is_new:
        require_timezone(url, settings.timezone)
    said = "The warehouse is new." if is_new else f"The days were cut in {settings.timezone}."
    return Finding("time zone", "ok", said)


def lake(settings: Settings) -> Finding:
    """Whether the lake is the one that the database was made from, and holds what is recorded of it."""
    url, storage = database_url(settings), open_storage(settings)
    with connect(url) as connection:
        known = read_lake(connection)
    if known is None:
        return Finding("lake", "ok", "The warehouse is new, and not made from any lake yet.")
    require_lake(url, storage)
    if problems := find_problems(url, storage, all_sources()):
        return Finding("lake", "problem", " ".join(problems), f"{HOW_TO_GO_ON[0].upper()}{HOW_TO_GO_ON[1:]}")
    others = [key for source in all_sources() for key in find_objects_with_other_rows(url, storage, source)]
    if others:
        said = (
            f"It does not hold the rows that are recorded of {few(others, _MOST_SHOWN)}: somebody changed its tables."
        )
        return Finding("lake", "problem", said, "Run `dataflow rebuild`; then what is in landing is taken in again.")
    if settings.first_day > known[1]:
        said = f"DATAFLOW_FIRST_DAY is {settings.first_day}, and was {known[1]}: nothing makes the days between again."
        return Finding("lake", "warning", said, f"Set DATAFLOW_FIRST_DAY={known[1]} again, unless they do not matter.")
    return Finding("lake", "ok", f"It is the one that the database was made from, {known[0]}.")


def columns(settings: Settings) -> Finding:
    """Whether the tables of each source have the columns that it declares."""
    wrong = []
    with connect(database_url(settings)) as connection:
        for source in all_sources():
            try:
                require_columns(connection, source)
            except WarehouseMismatchError as error:
                wrong.append(str(error))
    if wrong:
        return Finding("columns", "problem", " ".join(wrong))
    return Finding("columns", "ok", f"The tables of {len(all_sources())} sources are as declared.")


def deliveries(settings: Settings) -> Finding:
    """Whether a delivery was not accepted."""
    counted = count_deliveries_by_state(database_url(settings))
    said = ", ".join(f"{count:,} {state}" for state, count in counted.items()) or "None yet"
    if set(counted) <= {"accepted"}:
        return Finding("deliveries", "ok", f"{said}.")
    return Finding(
        "deliveries",
        "warning",
        f"{said}.",
        "`dataflow deliveries` and `dataflow rejects` say why; land a repaired file, or release what is held.",
    )


def runs(settings: Settings) -> Finding:
    """Whether a run is under way whose process is gone, or for very long."""
    with open_instance(settings) as instance:
        under_way = runs_under_way(instance)
    gone = [record.dagster_run.run_id for record in under_way if is_stranded(record.dagster_run)]
    if gone:
        advice = "Start `dataflow up` again, which marks them as failed, or terminate them in the Dagster UI."
        said = f"The process is gone that was to make the run {few(gone, _MOST_SHOWN)}."
        return Finding("runs", "problem", said, advice)
    before = (datetime.now(UTC) - _LONG).timestamp()
    long = [record.dagster_run.run_id for record in under_way if record.start_time and record.start_time < before]
    if long:
        said = f"Under way for more than {_LONG // timedelta(hours=1)} hours: the run {few(long, _MOST_SHOWN)}."
        advice = "Look at the log in the Dagster UI, and terminate the run there if its process is gone."
        return Finding("runs", "warning", said, advice)
    return Finding("runs", "ok", f"{len(under_way)} are under way.")


def daemon(settings: Settings) -> Finding:
    """Whether Dagster's daemon lives, all of its parts."""
    with open_instance(settings) as instance:
        parts = instance.get_daemon_statuses()
    dead = sorted(name for name, part in parts.items() if not part.healthy)
    if not dead:
        return Finding("daemon", "ok", "It runs: files are taken in as they come.")
    if len(dead) < len(parts):
        said = f"Parts of it do not run: {few(dead, _MOST_SHOWN)}."
        return Finding("daemon", "problem", said, "Start `dataflow up` again.")
    beats = [part.last_heartbeat.timestamp for part in parts.values() if part.last_heartbeat]
    since = f" since {datetime.fromtimestamp(max(beats), UTC):%Y-%m-%d %H:%M} UTC" if beats else ""
    said = f"It does not run{since}: no file is taken in by itself."
    return Finding("daemon", "warning", said, "Start `dataflow up`, unless you load by hand alone.")


def sensors(settings: Settings) -> Finding:
    """Whether the last tick of each sensor that is on went well."""
    with open_instance(settings) as instance:
        failing = find_failing_sensors(instance)
    if not failing:
        return Finding("sensors", "ok", "The last tick of each of them went well.")
    said = " ".join(f"{one.name} failed, {one.ticks} times by now: {one.reason}" for one in failing)
    return Finding("sensors", "problem", said, "What they ask for is not done; the Dagster UI shows their ticks.")
