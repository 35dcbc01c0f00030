"""Take landed objects into the lake: read them, check that nothing is lost, then commit or quarantine each.

Here: the order in which things are looked at and written, so that a crash or a concurrent run at any
point ends in the same tables. Not here: reading an object and judging it (see `read_object`) and Delta Lake (see
`delta`).
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from datetime import date

from dataflow_assets.core.time_windows import Window
from dataflow_assets.errors import ConflictError
from dataflow_assets.lake.delta.commit import commit_deliveries
from dataflow_assets.lake.delta.commit_log import CommitInfo, DeliveryCommit, read_all_commits, read_commits
from dataflow_assets.lake.delta.table import LakeConflictError, count_rows_by_delivery, rows_table
from dataflow_assets.lake.known import event_bounds, is_intact, is_known
from dataflow_assets.lake.moved_keys import days_of_keys
from dataflow_assets.lake.open_tables import OpenTables, Tables
from dataflow_assets.lake.read_object import read_object
from dataflow_assets.lake.readers.archives import is_packed
from dataflow_assets.lake.staging import Staging
from dataflow_assets.lake.touched_days import touched_days
from dataflow_assets.landing.deliveries import Delivery, Landing, ObjectChangedError
from dataflow_assets.landing.storage import Storage
from dataflow_assets.sources.base import Events, Source

_TRIES = 10
_TEXTS_AT_ONCE = 2  # small ones; what a packed one holds may take as much memory as a large one


@dataclass(frozen=True, kw_only=True)
class Intake:
    """What taking in one delivery did.

    delivered = accepted + rejected: rows of the file's bytes, of the lake's table and of its rejects. `own_days` are
    the days, in the business time zone, that this version of the object touches, `event_days` those that the one
    before it touches too; empty for a snapshot. `refusal` says why the file as a whole was refused. `version` is the
    lake table's version that holds it. `undeclared_columns` names the columns of the file that are not declared,
    `missing_columns` the declared ones that it does not have. `repaired` counts, by its kind, what was changed so that
    rows could be accepted (see `Batch`). Of an object that the lake held already nothing was read (`is_known`).
    `unrecorded` are the intakes of the object that came before this one, newest first, and may not be recorded: a crash
    may have kept them from it.

    Where this version is quarantined, `quarantine_reason` says why; nothing of it is loaded, and all figures are those
    of the older version, which stays in force, or 0.
    """

    delivery: Delivery
    version: int
    delivered: int
    accepted: int
    rejected: int
    own_days: frozenset[date] = frozenset()
    event_days: frozenset[date] = frozenset()
    refusal: str | None = None
    undeclared_columns: tuple[str, ...] = ()
    missing_columns: tuple[str, ...] = ()
    repaired: Mapping[str, int] = field(default_factory=dict)
    quarantine_reason: str | None = None
    is_known: bool = False
    unrecorded: tuple["Intake", ...] = ()


@dataclass(frozen=True)
class _Request:
    """What is asked for of every object; the arguments of `ingest` say what each is."""

    tables: OpenTables
    timezone: str
    first_day: date
    run: str | None
    release: str | None = None

    @property
    def source(self) -> Source:
        """How the objects are read."""
        return self.tables.source

    def bounds(self, delivery: Delivery) -> Window | None:
        """When the events of an object may begin."""
        return event_bounds(self.source, delivery.day, self.timezone, self.first_day)


@dataclass(frozen=True)
class _Found:
    """The present version of an object, and its commits, newest first: those not recorded, and the one before.

    `is_known` says that the lake holds it as it is.
    """

    delivery: Delivery
    recorded_version: int
    commits: list[DeliveryCommit]
    is_known: bool


def ingest(
    storage: Storage,
    source: Source,
    key: str,
    timezone: str,
    recorded_version: int = 0,
    *,
    first_day: date,
    run: str | None = None,
    release: str | None = None,
    tables: OpenTables | None = None,
) -> Intake | None:
    """Put the present version of a landed object into the lake, in place of any older one.

    What the lake holds already, read by the same declaration, is not read again. What has more rejects than its source
    allows is quarantined, unless these bytes were released. None: it is gone from landing.

    Args:
        storage: holds landing and lake.
        source: how the object is read.
        key: of the object.
        timezone: cuts `first_day` and the event days that are reported; nothing else in the lake depends on it.
        recorded_version: of the object's last intake that is recorded; the event days of later ones are reported again.
        first_day: earlier events are rejected, and so are those later than the day after the delivery.
        run: who takes it in; its rejects say so.
        release: the etag of the version that is not to be quarantined, now or when it comes again; no other one's.
        tables: those of the source, where several objects are taken in; None: they are opened for this one.

    Raises:
        ConflictError: the object kept changing while it was read.
        SchemaMismatchError: what the lake holds does not fit the declaration.
        LostRowsError: its rows do not add up; nothing was committed.
    """
    request = _Request(tables or OpenTables(storage, source), timezone, first_day, run, release)
    for _ in range(_TRIES):
        with suppress(ObjectChangedError, LakeConflictError):
            return _try_to_ingest(request, key, recorded_version)
    raise ConflictError(f"{key} kept changing while it was read; nothing was loaded, try again once it is at rest.")


def _try_to_ingest(request: _Request, key: str, recorded_version: int) -> Intake | None:
    """As `ingest`, once; the tables are looked at before the object, so that a later commit conflicts.

    Raises:
        ObjectChangedError: the object was replaced while it was read.
        LakeConflictError: another run committed it meanwhile.
    """
    with request.tables.newest() as tables:
        delivery = Landing(request.tables.storage).current(key)
        return _ingest_all(request, tables, {delivery: recorded_version})[0] if delivery else None


def ingest_small(
    tables: OpenTables, deliveries: Mapping[Delivery, int], timezone: str, *, first_day: date, run: str | None = None
) -> list[Intake]:
    """Put small objects into the lake by one commit of each of its tables; none of them where one fails.

    Two commits take about as long as reading a small file. Each object is known by the commit as if it had one of its
    own. Where one fails, or another run has it first, `ingest` of each says why.

    Args:
        tables: those of the source.
        deliveries: its objects, which are all read before any of them is committed, each with its `recorded_version`.
        timezone: as of `ingest`, with `first_day` and `run`.
        first_day: see there.
        run: see there.
    """
    is_text = not (tables.source.reader.magic or any(is_packed(one.object) for one in deliveries))
    request = _Request(tables, timezone, first_day, run)
    try:
        with tables.newest() as newest:
            return _ingest_all(request, newest, deliveries, _TEXTS_AT_ONCE if is_text else 1)
    except Exception:  # of one of them, which fails alone when each is ingested by itself
        return []


def _ingest_all(
    request: _Request, tables: Tables, deliveries: Mapping[Delivery, int], at_once: int = 1
) -> list[Intake]:
    """Take objects in, all or none."""
    objects = [_look_up(request, tables, delivery, recorded) for delivery, recorded in deliveries.items()]
    new = _read_and_commit(request, tables, [one for one in objects if not one.is_known], at_once)
    accepted, rejected = count_rows_by_delivery(tables.rows_base), count_rows_by_delivery(tables.rejects_base)
    return [
        replace(
            _describe(request, tables, one, new.get(one.delivery, one.commits)),
            accepted=accepted.get(one.delivery.id, 0),
            rejected=rejected.get(one.delivery.id, 0),
        )
        for one in objects
    ]


def _look_up(request: _Request, tables: Tables, delivery: Delivery, recorded_version: int) -> _Found:
    commits = list(_since(read_commits(tables.rows, tables.rows_base, delivery), recorded_version))
    last = commits[0].info if commits else None
    has_lost = last is not None and not is_intact(tables, last, delivery)
    if has_lost:  # a restore brought rows of any older version back
        commits = list(read_commits(tables.rows, tables.rows_base, delivery))
    if last is None or has_lost:
        return _Found(delivery, recorded_version, commits, is_known=False)
    asked = (request.tables.storage, request.source, last, delivery, request.bounds(delivery), request.release)
    return _Found(delivery, recorded_version, commits, is_known(*asked))


def _read_and_commit(
    request: _Request, tables: Tables, objects: Sequence[_Found], at_once: int
) -> dict[Delivery, list[DeliveryCommit]]:
    """Read objects, then commit their rejects and their rows; the commits of each, its new one first.

    Several are read at a time, for to read a small one is to wait in turn for disk, Polars and threads.
    """
    with ExitStack() as stack, ThreadPoolExecutor(at_once, "ingest") as readers:

        def read(one: _Found) -> tuple[Staging, CommitInfo]:
            last = one.commits[0].info if one.commits else None
            reading = read_object(
                *(request.tables.storage, request.source, tables, one.delivery, last),
                bounds=request.bounds(one.delivery),
                run=request.run,
                is_released=request.release == one.delivery.etag,
            )
            return stack.enter_context(reading)

        # One alone is read by this thread, which an interrupt reaches.
        version, infos = _commit(tables, list((readers.map if at_once > 1 else map)(read, objects)))
    committed = zip(objects, infos, strict=True)
    return {one.delivery: [DeliveryCommit(version, info), *one.commits] for one, info in committed}


def _commit(tables: Tables, read: Sequence[tuple[Staging, CommitInfo]]) -> tuple[int, list[CommitInfo]]:
    """Commit the rejects and then the rows of objects, of the quarantined only that they are; version and facts."""
    if loaded := [(staging.staged_rejects, info) for staging, info in read if not info.quarantine_reason]:
        commit_deliveries(tables.rejects, tables.rejects_base, loaded)
    if read:
        commit_deliveries(tables.rows, tables.rows_base, [(staging.staged, info) for staging, info in read])
    return tables.rows_base.version(), [info for _, info in read]


def _describe(request: _Request, tables: Tables, found: _Found, commits: Sequence[DeliveryCommit]) -> Intake:
    """What was done with an object, given its commits with the new one."""
    commit, *older = commits
    intake = _with_older(intake_of(commit, request.timezone), older, request.timezone, found.recorded_version)
    if isinstance(request.source, Events) and request.source.happens_once:
        versions = [one.version for one in commits]
        days = days_of_keys(tables.rows, request.source, found.delivery.id, versions, request.timezone)
        intake = replace(intake, own_days=intake.own_days | days, event_days=intake.event_days | days)
    return replace(intake, delivery=found.delivery, is_known=found.is_known)


def recorded_intakes(storage: Storage, source: Source, timezone: str) -> Iterator[Intake]:
    """Every intake that the lake has of a source, superseded ones too, oldest first.

    No commit says which days its keys had rows on before: where a key happens once, the newest touches all days.
    """
    intakes = [intake_of(commit, timezone) for commit in read_all_commits(rows_table(storage, source))]
    if intakes and isinstance(source, Events) and source.happens_once:
        days = frozenset[date]().union(*(intake.own_days for intake in intakes))
        intakes[-1] = replace(intakes[-1], own_days=days, event_days=days)
    yield from intakes


def _since(commits: Iterator[DeliveryCommit], recorded_version: int) -> Iterator[DeliveryCommit]:
    """The newest commits of an object, up to the last one that is recorded."""
    for commit in commits:
        yield commit
        if commit.version <= recorded_version:
            return


def _with_older(intake: Intake, older: list[DeliveryCommit], timezone: str, recorded_version: int) -> Intake:
    """An intake, with what the older ones of its object gave, newest first."""
    before = [intake_of(commit, timezone) for commit in older]
    unrecorded = tuple(one for one in before if one.version > recorded_version)
    # What is quarantined changes no day, but nobody may have heard of what came before it.
    days = (
        intake.own_days.union(*(one.own_days for one in before))
        if unrecorded or not intake.quarantine_reason
        else frozenset()
    )
    return replace(intake, event_days=days, unrecorded=unrecorded)


def intake_of(commit: DeliveryCommit, timezone: str) -> Intake:
    """What was done, by what the commit says of it."""
    info = commit.info
    days = touched_days(info.event_ends, timezone)
    return Intake(
        delivery=info.delivery,
        version=commit.version,
        delivered=info.delivered,
        accepted=info.accepted,
        rejected=info.rejected,
        own_days=days,
        event_days=days,
        refusal=info.refusal,
        undeclared_columns=info.undeclared_columns,
        missing_columns=info.missing_columns,
        repaired=info.repaired,
        quarantine_reason=info.quarantine_reason,
    )
