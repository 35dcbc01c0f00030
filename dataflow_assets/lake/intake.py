"""Taking a landed object into the lake: read, check that nothing is lost, commit or hold back.

Here: the order in which things are looked at and written, so that a crash or a concurrent run at any
point ends in the same tables. Not here: parsing (see `reading`) and Delta Lake (see `tables`).
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import xxhash
from deltalake import DeltaTable
from deltalake.transaction import AddAction

from dataflow_assets.batches import prefetched
from dataflow_assets.errors import ConflictError, FormatError, LostRowsError
from dataflow_assets.lake.event_days import spans, touched_days
from dataflow_assets.lake.reading import Batch, Reject, read_file
from dataflow_assets.lake.tables import (
    REJECTS,
    LakeConflictError,
    LakeTable,
    rejects_table,
    rows_of,
    rows_table,
    staged_rows,
    with_origin,
)
from dataflow_assets.landing.deliveries import Delivery, Landing, ObjectChangedError
from dataflow_assets.landing.storage import Storage
from dataflow_assets.sources.declaration import Events, Snapshot, Source

_STAGE_ROWS = 250_000
_STAGE_REJECTS = 50_000
_TRIES = 10
_MOST_QUOTED = 3  # rejects, in the reason to hold a delivery back
_NOTHING = {"delivered": 0, "accepted": 0, "rejected": 0, "refusal": "", "kept_out": "[]", "lacking": "[]"}


@dataclass(frozen=True, kw_only=True)
class Intake:
    """What taking in one delivery did.

    delivered = accepted + rejected: rows of the file's bytes, of the lake's table and of its rejects. `event_days` are
    the days, in the business time zone, that this version of the object or the one before it touches; empty for a
    snapshot. `refusal` says why the file as a whole was refused. `version` is the lake table's version that holds it.
    `kept_out` names the columns of the file that are not declared, `lacking` the declared ones that it does not have.

    Where this version is `held` back, that says why; nothing of it is loaded, and all figures are those of the older
    version, which stays in force, or 0.
    """

    delivery: Delivery
    version: int
    delivered: int
    accepted: int
    rejected: int
    event_days: frozenset[date] = frozenset()
    refusal: str | None = None
    kept_out: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()
    held: str | None = None


@dataclass
class _Content:
    """What one reading of an object finds: files staged for the lake's two tables, counts, the first rejects."""

    table: LakeTable
    rejects_table: LakeTable
    source: Source
    delivery: Delivery
    run: str | None
    staged: list[AddAction] = field(default_factory=list)
    staged_rejects: list[AddAction] = field(default_factory=list)
    first_rejects: list[Reject] = field(default_factory=list)
    delivered: int = 0
    spans: list[pl.DataFrame] = field(default_factory=list)
    refusal: str | None = None
    kept_out: list[str] = field(default_factory=list)
    lacking: list[str] = field(default_factory=list)
    digest: str = ""

    def read(self, path: Path) -> None:
        """Read the whole file, or refuse it as a whole."""
        with ThreadPoolExecutor(1, "digest") as beside:
            hashing = beside.submit(_digest, path)
            try:
                content = read_file(path, self.source)
                self._stage_all(content.batches)
                self.kept_out, self.lacking = _names(content.kept_out), _names(content.lacking)
            except FormatError as error:
                self.discard()
                self._stage_rejects([Reject(line=None, code="file.format", message=str(error), raw=_beginning(path))])
                self.delivered, self.spans, self.refusal = 1, [], str(error)
            self.digest = hashing.result()
        self._require_sum()

    @property
    def accepted(self) -> int:
        """How many rows were staged."""
        return staged_rows(self.staged)

    @property
    def rejected(self) -> int:
        """How many rejects were staged."""
        return staged_rows(self.staged_rejects)

    @property
    def reading(self) -> dict[str, object]:
        """What a commit says of which bytes were read, and by which declaration."""
        return {"reading": self.source.reading, "digest": self.digest}

    @property
    def facts(self) -> dict[str, object]:
        """What the commit says of the rows that it brings."""
        return {
            "delivered": self.delivered,
            "accepted": self.accepted,
            "rejected": self.rejected,
            **self.reading,
            "refusal": self.refusal or "",
            "kept_out": json.dumps(self.kept_out),
            "lacking": json.dumps(self.lacking),
        }

    @property
    def reason_to_hold(self) -> str | None:
        """Why this version is not to be loaded before someone releases it; None where it may be."""
        limit, rejected = self.source.reject_limit, self.rejected
        if self.refusal or not limit.is_exceeded(rejected=rejected, delivered=self.delivered):
            return None
        quoted = (
            f"line {reject.line}: {reject.message}" if reject.line else reject.message for reject in self.first_rejects
        )
        return (
            f"{rejected:,} of its {self.delivered:,} rows are rejected, over the limit of {limit.share:.0%} and "
            f"{limit.count:,} rows. The first: {' '.join(quoted)}"
        ).replace("\0", "\ufffd")

    def mark(self, *, is_released: bool) -> None:
        """Let a dump of a snapshot be seen in the lake where it has no rows, or was released."""
        if isinstance(self.source, Snapshot) and not self.refusal and (is_released or not self.staged):
            self.staged.append(self.table.stage_mark(self.delivery, is_released=is_released))

    def discard(self) -> None:
        """Throw away what was staged."""
        self.table.discard(self.staged)
        self.rejects_table.discard(self.staged_rejects)
        self.staged, self.staged_rejects = [], []

    def _stage_all(self, batches: Iterator[Batch]) -> None:
        for rows in prefetched(self._accepted(batches)):
            self.staged += self.table.stage(rows)

    def _accepted(self, batches: Iterator[Batch]) -> Iterator[pl.DataFrame]:
        """The accepted rows, as many at a time as make one file of a day."""
        pending: list[pl.DataFrame] = []
        rejects: list[Reject] = []
        for batch in batches:
            self.delivered += batch.delivered
            rejects += batch.rejects
            if len(rejects) >= _STAGE_REJECTS:
                self._stage_rejects(rejects)
                rejects = []
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
        self._stage_rejects(rejects)

    def _stage_rejects(self, rejects: list[Reject]) -> None:
        self.first_rejects += rejects[: _MOST_QUOTED - len(self.first_rejects)]
        self.staged_rejects += self.rejects_table.stage(_reject_rows(rejects, self.delivery, self.run))

    def _require_sum(self) -> None:
        """Compare what was counted in the bytes with what stands in the files that are about to be committed."""
        if self.delivered != self.accepted + self.rejected:
            raise LostRowsError(
                f"{self.delivery.object} holds {self.delivered} rows, but {self.accepted} were accepted and "
                f"{self.rejected} rejected. Nothing of it was loaded, and an older version of it stays in force."
            )


def take_in(
    storage: Storage,
    source: Source,
    key: str,
    timezone: str,
    told: int = 0,
    *,
    run: str | None = None,
    release: bool = False,
) -> Intake | None:
    """Put the present version of a landed object into the lake, in place of any older one.

    An object whose bytes the lake already holds, read by the same declaration, is not read again. One with more rejects
    than its source allows is held back, unless these bytes were released.

    Args:
        storage: holds landing and lake.
        source: how the object is read.
        key: the object's key.
        timezone: cuts the event days that are reported; nothing in the lake depends on it.
        told: the version of the last intake of the object whose event days are known to have been heard: those of
            all that it gave since are reported again, for a crash may have kept them from it.
        run: who takes it in; its rejects say so.
        release: whether this version of the object is not to be held back, now or when it comes again.

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
            base = table.open_to_write()
            rejects_base = rejects.open_to_write()
            delivery = landing.current(key)
            if delivery is None:
                return None
            older_days = _older_days(table, base, delivery, source, timezone, told)
            version, about = table.last_intake(base, delivery)
            untold_days = older_days if version > told else set()
            is_asked_for = release and about.get("released") != about.get("digest")
            if not is_asked_for and _is_known(landing, about, delivery, source):
                days = untold_days if about.get("held") else older_days
                return _intake(delivery, version, about, days, base, rejects_base)
            with _read(landing, _Content(table, rejects, source, delivery, run)) as content:
                released = content.digest if release else str(about.get("released", ""))
                is_released = released == content.digest
                if (reason := content.reason_to_hold) and not is_released:
                    content.discard()
                    facts = _held(about, content, reason)
                    version = table.note(base, delivery, facts)
                    return _intake(delivery, version, facts, untold_days, base, rejects_base)
                content.mark(is_released=is_released)
                facts = {**content.facts, "released": released}
                rejects.commit(rejects_base, delivery, content.staged_rejects, facts)
                version = table.commit(base, delivery, content.staged, facts)
        except (ObjectChangedError, LakeConflictError):
            continue
        days = older_days | touched_days(content.spans, timezone)
        return _intake(delivery, version, facts, days, base, rejects_base)
    raise ConflictError(f"{key} kept changing while it was read; nothing was loaded, try again once it is at rest.")


def read_otherwise(storage: Storage, source: Source, deliveries: Iterable[Delivery]) -> list[Delivery]:
    """Those of some deliveries that the lake holds and that were read by another declaration than the present one."""
    table, reading = rows_table(storage, source), source.reading
    base = table.open()
    told = ((delivery, table.last_intake(base, delivery)[1]) for delivery in deliveries)
    return [delivery for delivery, about in told if about and about.get("reading") != reading]


def _held(about: Mapping[str, Any], content: _Content, reason: str) -> dict[str, object]:
    """What the commit of a version that is held back says: which it is and why, and of the one that stays in force."""
    in_force = {name: about.get(name, nothing) for name, nothing in _NOTHING.items()}
    return {**in_force, **content.reading, "held": reason, "released": about.get("released", "")}


def _is_known(landing: Landing, about: Mapping[str, Any], delivery: Delivery, source: Source) -> bool:
    """Whether these bytes came before as the same object, read in the same way, by what its last commit said.

    An equal etag shows that nothing was written since; without it an equal size makes the body worth a look.
    """
    if not about or about["size"] != str(delivery.size) or about.get("reading") != source.reading:
        return False
    if about["etag"] == delivery.etag:
        return True
    with landing.lend(delivery) as path:
        return bool(about["digest"] == _digest(path))


def _intake(
    delivery: Delivery,
    version: int,
    about: Mapping[str, Any],
    days: set[date],
    rows: DeltaTable,
    rejects: DeltaTable,
) -> Intake:
    """What was done, by what the commit says of it and by what the tables hold after it."""
    return Intake(
        delivery=delivery,
        version=version,
        delivered=int(about["delivered"]),
        accepted=rows_of(rows, delivery),
        rejected=rows_of(rejects, delivery),
        event_days=frozenset(days),
        refusal=about["refusal"] or None,
        kept_out=tuple(json.loads(about.get("kept_out", "[]"))),
        lacking=tuple(json.loads(about.get("lacking", "[]"))),
        held=about.get("held") or None,
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


def _older_days(
    table: LakeTable, base: DeltaTable, delivery: Delivery, source: Source, timezone: str, told: int
) -> set[date]:
    """The event days of the object's rows in `base`, and of those that a crash may have kept from being told."""
    if not isinstance(source, Events):
        return set()
    versions = table.versions_of(base, delivery, told)
    of_object = (table.scan(version).filter(pl.col("delivery") == delivery.id) for version in versions)
    return touched_days((spans(older, source).collect(engine="streaming") for older in of_object), timezone)


def _reject_rows(rejects: list[Reject], delivery: Delivery, run: str | None) -> pl.DataFrame:
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
            run,
        )
        for reject in rejects
    ]
    return pl.DataFrame(rows, schema=REJECTS, orient="row")


def _beginning(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(1000).decode("utf-8", errors="replace").replace("\0", "")
