"""Taking a landed object into the lake: read, check that nothing is lost, commit.

Here: the order in which things are looked at and written, so that a crash or a concurrent run at any
point ends in the same tables. Not here: parsing (see `reading`) and Delta Lake (see `tables`).
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import xxhash
from deltalake.transaction import AddAction

from dataflow_assets.batches import prefetched
from dataflow_assets.errors import ConflictError, FormatError
from dataflow_assets.lake.event_days import ends, spans, touched_days
from dataflow_assets.lake.reading import Batch, Reject, read_file
from dataflow_assets.lake.tables import (
    REJECTS,
    LakeConflictError,
    LakeTable,
    rejects_table,
    rows_table,
    with_origin,
)
from dataflow_assets.landing.deliveries import Delivery, Landing, ObjectChangedError, parse_object_key
from dataflow_assets.landing.storage import Storage
from dataflow_assets.sources.declaration import Events, Source
from dataflow_assets.window import Window

_STAGE_ROWS = 250_000
_TRIES = 10
_Commit = tuple[int, Mapping[str, Any]]  # the version of the lake table that it became, and what it says of itself


@dataclass(frozen=True, kw_only=True)
class Intake:
    """What taking in one delivery did.

    delivered = accepted + rejected. `own_days` are the days, in the business time zone, that this version of the
    object touches, `event_days` those that the one before it touches too; empty for a snapshot. `refusal` says why
    the file as a whole was refused. `version` is the lake table's version that holds it. `kept_out` names the columns
    of the file that are not declared, `lacking` the declared ones that it does not have. `mended` counts, by its kind,
    what was changed so that rows could be accepted (see `Batch`). `unheard` are the intakes of the object that came
    before this one, newest first, and may not be recorded: a crash may have kept them from it.
    """

    delivery: Delivery
    version: int
    delivered: int
    accepted: int
    rejected: int
    own_days: frozenset[date] = frozenset()
    event_days: frozenset[date] = frozenset()
    refusal: str | None = None
    kept_out: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()
    mended: Mapping[str, int] = field(default_factory=dict)
    unheard: tuple["Intake", ...] = ()


@dataclass
class _Content:
    """What one reading of an object finds: files staged for the lake table, rejects, counts."""

    table: LakeTable
    source: Source
    delivery: Delivery
    bounds: Window | None
    staged: list[AddAction] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    delivered: int = 0
    accepted: int = 0
    spans: list[pl.DataFrame] = field(default_factory=list)
    refusal: str | None = None
    kept_out: list[str] = field(default_factory=list)
    lacking: list[str] = field(default_factory=list)
    mended: Counter[str] = field(default_factory=Counter)
    digest: str = ""

    def read(self, path: Path) -> None:
        """Read the whole file, or refuse it as a whole."""
        with ThreadPoolExecutor(1, "digest") as beside:
            hashing = beside.submit(_digest, path)
            try:
                content = read_file(path, self.source, self.bounds)
                self._stage_all(content.batches)
                require_sum(path, delivered=self.delivered, accepted=self.accepted, rejected=len(self.rejects))
                self.kept_out, self.lacking = _names(content.kept_out), _names(content.lacking)
            except FormatError as error:
                self.discard()
                self.rejects = [Reject(line=None, code="file.format", message=str(error), raw=_beginning(path))]
                self.delivered, self.accepted, self.spans, self.refusal = 1, 0, [], str(error)
                self.mended.clear()
            self.digest = hashing.result()

    @property
    def facts(self) -> dict[str, object]:
        """What the commit says of the reading."""
        return {
            "delivered": self.delivered,
            "accepted": self.accepted,
            "rejected": len(self.rejects),
            "reading": _reading(self.source, self.bounds),
            "digest": self.digest,
            "refusal": self.refusal or "",
            "event_ends": json.dumps(ends(self.spans)),
            "kept_out": json.dumps(self.kept_out),
            "lacking": json.dumps(self.lacking),
            "mended": json.dumps(self.mended, sort_keys=True),
        }

    def discard(self) -> None:
        """Throw away what was staged."""
        self.table.discard(self.staged)
        self.staged = []

    def _stage_all(self, batches: Iterator[Batch]) -> None:
        for rows in prefetched(self._accepted(batches)):
            self.staged += self.table.stage(rows)

    def _accepted(self, batches: Iterator[Batch]) -> Iterator[pl.DataFrame]:
        """The accepted rows, as many at a time as make one file of a day."""
        pending: list[pl.DataFrame] = []
        for batch in batches:
            self.rejects += batch.rejects
            self.delivered += batch.delivered
            self.accepted += batch.rows.height
            self.mended.update(batch.mended)
            if batch.rows.is_empty():
                continue
            pending.append(with_origin(batch.rows, self.delivery, self.source))
            if isinstance(self.source, Events):
                self.spans.append(spans(pending[-1].lazy(), self.source).collect())
            if sum(frame.height for frame in pending) >= _STAGE_ROWS:
                yield pl.concat(pending)
                pending = []
        if pending:
            yield pl.concat(pending)


def require_sum(path: Path, *, delivered: int, accepted: int, rejected: int) -> None:
    """Check that each row of a file was accepted or rejected.

    Raises:
        FormatError: the sum does not hold.
    """
    if delivered != accepted + rejected:
        raise FormatError(
            f"{path.name} holds {delivered} rows, but {accepted} were accepted and {rejected} rejected; the file is "
            "refused so that nothing is lost."
        )


def take_in(
    storage: Storage, source: Source, key: str, timezone: str, told: int = 0, *, first_day: date
) -> Intake | None:
    """Put the present version of a landed object into the lake, in place of any older one.

    An object whose bytes the lake already holds, read by the same declaration, is not read again.

    Args:
        storage: holds landing and lake.
        source: how the object is read.
        key: the object's key.
        timezone: cuts the event days that are reported and `first_day`; nothing else in the lake depends on it.
        told: the version of the last intake of the object whose event days are known to have been heard: those of
            all that it gave since are reported again, for a crash may have kept them from it.
        first_day: the first day of which the platform keeps events; an earlier one is rejected, and so is one later
            than the day after its delivery.

    Returns:
        What was done; None where the object is gone from landing, which changes nothing.

    Raises:
        ConflictError: the object kept changing while it was read.
        SchemaMismatchError: the lake holds a declared column in another type; nothing was read.
    """
    landing, table, rejects = Landing(storage), rows_table(storage, source), rejects_table(storage)
    for _ in range(_TRIES):
        try:
            base = table.open_to_write()
            rejects_base = rejects.open_to_write()
            delivery = landing.current(key)
            if delivery is None:
                return None
            bounds = _bounds(source, delivery, timezone, first_day)
            older = list(_since(table.intakes(base, delivery), told))
            if older and _is_known(landing, older[0][1], delivery, _reading(source, bounds)):
                (version, facts), *older = older
            else:
                with _read(landing, _Content(table, source, delivery, bounds)) as content:
                    facts = content.facts
                    with _staged(rejects, _reject_rows(content.rejects, delivery)) as staged:
                        rejects.commit(rejects_base, delivery, staged, facts)
                    version = table.commit(base, delivery, content.staged, facts)
        except (ObjectChangedError, LakeConflictError):
            continue
        return _after(_intake(delivery, version, facts, timezone), older, told, timezone)
    raise ConflictError(f"{key} kept changing while it was read; nothing was loaded, try again once it is at rest.")


def _bounds(source: Source, delivery: Delivery, timezone: str, first_day: date) -> Window | None:
    """When the events of a delivery may begin: from the first day to the day after it, all of which have a partition.

    It is an empty window where something was delivered before the first day; None for a snapshot.
    """
    if not isinstance(source, Events):
        return None
    last = max(delivery.day + timedelta(days=1), first_day - timedelta(days=1))
    return Window.of_days(first_day, last, timezone)


def _reading(source: Source, bounds: Window | None) -> str:
    """A short text of what the rows depend on that a file gives."""
    return f"{source.reading} {bounds.start.isoformat()} {bounds.end.isoformat()}" if bounds else source.reading


def _is_known(landing: Landing, about: Mapping[str, Any], delivery: Delivery, reading: str) -> bool:
    """Whether these bytes came before as the same object, read in the same way, by what its last commit said.

    An equal etag shows that nothing was written since; without it an equal size makes the body worth a look.
    """
    if about["size"] != str(delivery.size) or about.get("reading") != reading:
        return False
    if about["etag"] == delivery.etag:
        return True
    with landing.lend(delivery) as path:
        return bool(about["digest"] == _digest(path))


def recorded_intakes(storage: Storage, source: Source, timezone: str) -> Iterator[Intake]:
    """Every intake that the lake has of a source, superseded ones too, oldest first."""
    for version, about in rows_table(storage, source).all_intakes():
        yield _older_intake(version, about, timezone)


def _since(intakes: Iterator[_Commit], told: int) -> Iterator[_Commit]:
    """The newest intakes of an object, up to the one that is known to have been heard of."""
    for version, about in intakes:
        yield version, about
        if version <= told:
            return


def _after(intake: Intake, older: list[_Commit], told: int, timezone: str) -> Intake:
    """An intake, with what the older ones of its object gave, newest first."""
    before = [_older_intake(version, about, timezone) for version, about in older]
    days = intake.own_days.union(*(one.own_days for one in before))
    return replace(intake, event_days=days, unheard=tuple(one for one in before if one.version > told))


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
        kept_out=tuple(json.loads(about.get("kept_out", "[]"))),
        lacking=tuple(json.loads(about.get("lacking", "[]"))),
        mended=json.loads(about.get("mended", "{}")),
    )


def _names(columns: Iterable[str]) -> list[str]:
    """Names of columns in order, as PostgreSQL can hold them."""
    return sorted(name.replace("\0", "\ufffd") for name in columns)


def _digest(path: Path) -> str:
    """A short text that tells the file's bytes apart from others."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, xxhash.xxh3_128).hexdigest()


@contextmanager
def _read(landing: Landing, content: _Content) -> Iterator[_Content]:
    """The content of one version of an object; what was staged is thrown away where the block fails."""
    try:
        with landing.lend(content.delivery) as path:
            content.read(path)
        yield content
    except BaseException:
        content.discard()
        raise


@contextmanager
def _staged(table: LakeTable, rows: pl.DataFrame) -> Iterator[list[AddAction]]:
    """Files for a table; thrown away where the block fails."""
    staged: list[AddAction] = []
    try:
        staged += table.stage(rows)
        yield staged
    except BaseException:
        table.discard(staged)
        raise


def _reject_rows(rejects: list[Reject], delivery: Delivery) -> pl.DataFrame:
    rows = [
        (
            delivery.object,
            reject.line,
            reject.code,
            reject.message,
            reject.raw,
            delivery.source,
            delivery.day,
            delivery.id,
        )
        for reject in rejects
    ]
    return pl.DataFrame(rows, schema=REJECTS, orient="row")


def _beginning(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(1000).decode("utf-8", errors="replace").replace("\0", "")
