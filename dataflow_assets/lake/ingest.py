"""Take a landed object into the lake: read it, check that nothing is lost, then commit it or quarantine it.

Here: the order in which things are looked at and written, so that a crash or a concurrent run at any
point ends in the same tables. Not here: reading the object and judging it (see `read_object`), several at once (see
`ingest_new`) and Delta Lake (see `delta`).
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date

from dataflow_assets.errors import ConflictError
from dataflow_assets.lake.delta.commit import commit_delivery, commit_info
from dataflow_assets.lake.delta.commit_log import (
    CommitInfo,
    DeliveryCommit,
    read_all_commits,
    read_commits,
)
from dataflow_assets.lake.delta.table import LakeConflictError, count_rows, rows_table
from dataflow_assets.lake.known import event_bounds, is_intact, is_known
from dataflow_assets.lake.moved_keys import days_of_keys
from dataflow_assets.lake.open_tables import OpenTables, Tables
from dataflow_assets.lake.read_object import read_object
from dataflow_assets.lake.touched_days import touched_days
from dataflow_assets.landing.deliveries import Delivery, Landing, ObjectChangedError
from dataflow_assets.landing.storage import Storage
from dataflow_assets.sources.base import Events, Source

_TRIES = 10


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
    """What `ingest` is asked for; its arguments say what each is."""

    tables: OpenTables
    key: str
    timezone: str
    recorded_version: int
    first_day: date
    run: str | None
    release: str | None

    @property
    def storage(self) -> Storage:
        """Holds landing and lake."""
        return self.tables.storage

    @property
    def source(self) -> Source:
        """How the object is read."""
        return self.tables.source


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
        SchemaMismatchError: the lake holds a declared column in another type.
        LostRowsError: its rows do not add up; nothing was committed.
    """
    opened = tables or OpenTables(storage, source)
    request = _Request(opened, key, timezone, recorded_version, first_day, run, release)
    for _ in range(_TRIES):
        with suppress(ObjectChangedError, LakeConflictError):
            return _try_to_ingest(request)
    raise ConflictError(f"{key} kept changing while it was read; nothing was loaded, try again once it is at rest.")


def _try_to_ingest(request: _Request) -> Intake | None:
    """As `ingest`, once; the tables are looked at before the object, so that a later commit conflicts.

    Raises:
        ObjectChangedError: the object was replaced while it was read.
        LakeConflictError: another run committed it meanwhile.
    """
    with request.tables.newest() as tables:
        delivery = Landing(request.storage).current(request.key)
        return None if delivery is None else _ingest_delivery(request, tables, delivery)


def _ingest_delivery(request: _Request, tables: Tables, delivery: Delivery) -> Intake:
    older = list(_since(read_commits(tables.rows, tables.rows_base, delivery), request.recorded_version))
    has_lost = bool(older) and not is_intact(tables, older[0].info, delivery)
    if has_lost:  # a restore brought rows of any older version back
        older = list(read_commits(tables.rows, tables.rows_base, delivery))
    if was_known := bool(older) and not has_lost and _is_known(request, older[0].info, delivery):
        commit, *older = older
    else:
        commit = _read_and_commit(request, tables, delivery, older[0].info if older else None)
    intake = _with_older(intake_of(commit, request.timezone), older, request)
    if isinstance(request.source, Events) and request.source.happens_once:
        versions = [one.version for one in (commit, *older)]
        days = days_of_keys(tables.rows, request.source, delivery.id, versions, request.timezone)
        intake = replace(intake, own_days=intake.own_days | days, event_days=intake.event_days | days)
    return replace(
        intake,
        delivery=delivery,
        accepted=count_rows(tables.rows_base, delivery.id),
        rejected=count_rows(tables.rejects_base, delivery.id),
        is_known=was_known,
    )


def _is_known(request: _Request, last: CommitInfo, delivery: Delivery) -> bool:
    bounds = event_bounds(request.source, delivery.day, request.timezone, request.first_day)
    return is_known(request.storage, request.source, last, delivery, bounds, request.release)


def _read_and_commit(request: _Request, tables: Tables, delivery: Delivery, last: CommitInfo | None) -> DeliveryCommit:
    """Read an object, then commit its rejects and its rows, or quarantine it, given the last commit of the object."""
    with read_object(
        *(request.storage, request.source, tables, delivery, last),
        bounds=event_bounds(request.source, delivery.day, request.timezone, request.first_day),
        run=request.run,
        is_released=request.release == delivery.etag,
    ) as (staging, info):
        if info.quarantine_reason:
            return DeliveryCommit(commit_info(tables.rows, tables.rows_base, info), info)
        commit_delivery(tables.rejects, tables.rejects_base, staging.staged_rejects, info)
        version = commit_delivery(tables.rows, tables.rows_base, staging.staged, info)
    return DeliveryCommit(version, info)


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


def _with_older(intake: Intake, older: list[DeliveryCommit], request: _Request) -> Intake:
    """An intake, with what the older ones of its object gave, newest first."""
    before = [intake_of(commit, request.timezone) for commit in older]
    unrecorded = tuple(one for one in before if one.version > request.recorded_version)
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
