"""IngestConfig a landed object into the lake: read, check that nothing is lost, commit or quarantine.

Here: the order in which things are looked at and written, so that a crash or a concurrent run at any
point ends in the same tables. Not here: reading the object (see `staging`) and Delta Lake (see `tables`).
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any

from dataflow_assets.core.time_windows import Window
from dataflow_assets.errors import ConflictError
from dataflow_assets.lake.delta.table import LakeConflictError, rejects_table, rows_of, rows_table
from dataflow_assets.lake.staging import Staging, file_digest, reading_of, staged
from dataflow_assets.lake.touched_days import touched_days
from dataflow_assets.landing.deliveries import Delivery, Landing, ObjectChangedError, parse_object_key
from dataflow_assets.landing.storage import Storage
from dataflow_assets.sources.base import Events, Source

_TRIES = 10
_Commit = tuple[int, Mapping[str, Any]]  # the version of the lake table that it became, and what it says of itself
_NOTHING = {
    **dict.fromkeys(("delivered", "accepted", "rejected"), 0),
    **dict.fromkeys(("event_ends", "undeclared_columns", "missing_columns"), "[]"),
    "refusal": "",
    "repaired": "{}",
}


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


def ingest(
    storage: Storage,
    source: Source,
    key: str,
    timezone: str,
    recorded_version: int = 0,
    *,
    first_day: date,
    run: str | None = None,
    release: bool = False,
) -> Intake | None:
    """Put the present version of a landed object into the lake, in place of any older one.

    An object whose bytes the lake already holds, read by the same declaration, is not read again. One with more rejects
    than its source allows is quarantined, unless these bytes were released.

    Args:
        storage: holds landing and lake.
        source: how the object is read.
        key: the object's key.
        timezone: cuts the event days that are reported and `first_day`; nothing else in the lake depends on it.
        recorded_version: the version of the last intake of the object whose event days are known to have been heard:
            those of all that it gave since are reported again, for a crash may have kept them from it.
        first_day: the first day of which the platform keeps events; an earlier one is rejected, and so is one later
            than the day after its delivery.
        run: who takes it in; its rejects say so.
        release: whether this version of the object is not to be quarantined, now or when it comes again.

    Returns:
        What was done; None where the object is gone from landing, which changes nothing.

    Raises:
        ConflictError: the object kept changing while it was read.
        SchemaMismatchError: the lake holds a declared column in another type; nothing was read.
        LostRowsError: its rows do not add up; nothing was committed.
    """
    landing, table, rejects = Landing(storage), rows_table(storage, source), rejects_table(storage)
    for _ in range(_TRIES):
        try:
            base, rejects_base = table.open_to_write(), rejects.open_to_write()
            delivery = landing.current(key)
            if delivery is None:
                return None
            bounds = event_bounds(source, delivery.day, timezone, first_day)
            older = list(_since(table.intakes(base, delivery), recorded_version))
            about = older[0][1] if older else {}
            is_asked_for = release and about.get("released") != about.get("digest")
            is_known = not is_asked_for and _is_known(landing, about, delivery, reading_of(source, bounds))
            if is_known:
                (version, facts), *older = older
            else:
                staging = Staging(table, rejects, source, delivery, bounds, run)
                with staged(landing, staging):
                    facts = _facts(about, staging, release=release)
                    if "quarantine_reason" in facts:
                        staging.discard()
                        version = table.note(base, delivery, facts)
                    else:
                        rejects.commit(rejects_base, delivery, staging.staged_rejects, facts)
                        version = table.commit(base, delivery, staging.staged, facts)
        except (ObjectChangedError, LakeConflictError):
            continue
        intake = _after(_intake(delivery, version, facts, timezone), older, recorded_version, timezone)
        accepted, rejected = rows_of(base, delivery), rows_of(rejects_base, delivery)
        return replace(intake, accepted=accepted, rejected=rejected, is_known=is_known)
    raise ConflictError(f"{key} kept changing while it was read; nothing was loaded, try again once it is at rest.")


def _facts(about: Mapping[str, Any], staging: Staging, *, release: bool) -> dict[str, object]:
    """What the commit of a version that was read says.

    Of one that is quarantined: which it is and why, and what the last commit said of the one that stays in force.
    """
    released = staging.digest if release else str(about.get("released", ""))
    is_released = released == staging.digest
    if (reason := staging.reason_to_hold) and not is_released:
        in_force = {name: about.get(name, nothing) for name, nothing in _NOTHING.items()}
        return {**in_force, **staging.reading, "quarantine_reason": reason, "released": released}
    staging.mark(is_released=is_released)
    return {**staging.facts, "released": released}


def event_bounds(source: Source, day: date, timezone: str, first_day: date) -> Window | None:
    """When the events of a delivery day may begin: from the first day to the day after it.

    All of these days have a partition. It is an empty window where something was delivered before the first day; None
    for a snapshot.
    """
    if not isinstance(source, Events):
        return None
    last = max(day + timedelta(days=1), first_day - timedelta(days=1))
    return Window.of_days(first_day, last, timezone)


def _is_known(landing: Landing, about: Mapping[str, Any], delivery: Delivery, reading: str) -> bool:
    """Whether these bytes came before as the same object, read in the same way, by what its last commit said.

    An equal etag shows that nothing was written since; without it an equal size makes the body worth a look.
    """
    if not about or about["size"] != str(delivery.size) or about.get("reading") != reading:
        return False
    if about["etag"] == delivery.etag:
        return True
    with landing.lend(delivery) as path:
        return bool(about["digest"] == file_digest(path))


def read_otherwise(
    storage: Storage, source: Source, deliveries: Iterable[Delivery], timezone: str, first_day: date
) -> list[Delivery]:
    """Those of some deliveries that the lake holds and that were read by another declaration than the present one."""
    table = rows_table(storage, source)
    base = table.open()

    def is_read_otherwise(delivery: Delivery) -> bool:
        _, about = table.last_intake(base, delivery)
        reading = reading_of(source, event_bounds(source, delivery.day, timezone, first_day))
        return bool(about) and about.get("reading") != reading

    return [delivery for delivery in deliveries if is_read_otherwise(delivery)]


def recorded_intakes(storage: Storage, source: Source, timezone: str) -> Iterator[Intake]:
    """Every intake that the lake has of a source, superseded ones too, oldest first."""
    for version, about in rows_table(storage, source).all_intakes():
        yield _older_intake(version, about, timezone)


def _since(intakes: Iterator[_Commit], recorded_version: int) -> Iterator[_Commit]:
    """The newest intakes of an object, up to the one that is known to have been heard of."""
    for version, about in intakes:
        yield version, about
        if version <= recorded_version:
            return


def _after(intake: Intake, older: list[_Commit], recorded_version: int, timezone: str) -> Intake:
    """An intake, with what the older ones of its object gave, newest first."""
    before = [_older_intake(version, about, timezone) for version, about in older]
    unrecorded = tuple(one for one in before if one.version > recorded_version)
    # What is quarantined changes no day, but nobody may have heard of what came before it.
    days = (
        intake.own_days.union(*(one.own_days for one in before))
        if unrecorded or not intake.quarantine_reason
        else frozenset()
    )
    return replace(intake, event_days=days, unrecorded=unrecorded)


def _older_intake(version: int, about: Mapping[str, Any], timezone: str) -> Intake:
    """What was done with a version of an object that may be gone, by what the commit says of it."""
    key = about["object"]
    place = parse_object_key(key)
    assert place, f"{key} was landed once"
    delivery = Delivery(
        source=place[0],
        day=place[1],
        object=key,
        etag=about["etag"],
        version=about["object_version"] or None,
        size=int(about["size"]),
        last_modified=datetime.fromisoformat(about["last_modified"]),
    )
    return _intake(delivery, version, about, timezone)


def _intake(delivery: Delivery, version: int, about: Mapping[str, Any], timezone: str) -> Intake:
    """What was done, by what the commit says of it."""
    days = touched_days(json.loads(about["event_ends"]), timezone)
    return Intake(
        delivery=delivery,
        version=version,
        delivered=int(about["delivered"]),
        accepted=int(about["accepted"]),
        rejected=int(about["rejected"]),
        own_days=days,
        event_days=days,
        refusal=about["refusal"] or None,
        undeclared_columns=tuple(json.loads(about["undeclared_columns"])),
        missing_columns=tuple(json.loads(about["missing_columns"])),
        repaired=json.loads(about["repaired"]),
        quarantine_reason=about.get("quarantine_reason") or None,
    )
