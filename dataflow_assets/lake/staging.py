"""Reading one landed object into files that the lake may take up.

Here: staging its rows and rejects, counting them apart, and refusing it as a whole. Not here: parsing (see `readers`),
when it has too many rejects (see `quarantine`), and what is committed when (see `ingest`).
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
import polars.selectors as cs
import xxhash
from deltalake.transaction import AddAction

from dataflow_assets.core.iteration import prefetched
from dataflow_assets.core.time_windows import Window
from dataflow_assets.errors import FormatError, LostRowsError
from dataflow_assets.lake.delta.commit import count_staged_rows, discard_staged, stage_rows
from dataflow_assets.lake.delta.commit_log import CommitInfo
from dataflow_assets.lake.delta.dumps import stage_mark, stage_missing_columns
from dataflow_assets.lake.delta.table import REJECTS, LakeTable
from dataflow_assets.lake.quarantine import MOST_QUOTED
from dataflow_assets.lake.readers import Batch, Reject, read_file
from dataflow_assets.lake.touched_days import ends, spans
from dataflow_assets.landing.deliveries import Delivery, Landing
from dataflow_assets.sources.base import Events, Snapshot, Source

_STAGE_ROWS = 250_000
_STAGE_REJECTS = 50_000
_STAGE_BYTES = 12 << 20  # of rows, as Polars holds them
_STAGE_REJECT_CHARACTERS = 16 << 20


@dataclass
class Staging:
    """What one reading of an object finds: files staged for the lake's two tables, counts, the first rejects."""

    table: LakeTable
    rejects_table: LakeTable
    source: Source
    delivery: Delivery
    bounds: Window | None
    run: str | None
    staged: list[AddAction] = field(default_factory=list)
    staged_rejects: list[AddAction] = field(default_factory=list)
    first_rejects: list[Reject] = field(default_factory=list)
    delivered: int = 0
    spans: list[pl.DataFrame] = field(default_factory=list)
    refusal: str | None = None
    undeclared_columns: list[str] = field(default_factory=list)
    missing_columns: list[str] = field(default_factory=list)
    uneven_columns: dict[str, str] = field(default_factory=dict)
    repaired: Counter[str] = field(default_factory=Counter)
    digest: str = ""

    def read(self, path: Path) -> None:
        """Read the whole file, or refuse it as a whole."""
        with ThreadPoolExecutor(1, "digest") as beside:
            hashing = beside.submit(file_digest, path)
            try:
                content = read_file(path, self.source, self.bounds)
                self._stage_all(content.batches)
                self.undeclared_columns, self.missing_columns = (
                    _names(content.undeclared_columns),
                    _names(content.missing_columns),
                )
                self.uneven_columns = content.uneven_columns
            except FormatError as error:
                self.discard()
                self._stage_rejects([Reject(line=None, code="file.format", message=str(error), raw=_beginning(path))])
                self.delivered, self.spans, self.refusal = 1, [], str(error)
                self.repaired.clear()
            self.digest = hashing.result()
        require_sum(self.delivery.object, delivered=self.delivered, accepted=self.accepted, rejected=self.rejected)

    @property
    def accepted(self) -> int:
        """How many rows were staged."""
        return count_staged_rows(self.staged)

    @property
    def rejected(self) -> int:
        """How many rejects were staged."""
        return count_staged_rows(self.staged_rejects)

    @property
    def info(self) -> CommitInfo:
        """What the commit of the rows says; who was released is added by `quarantine`."""
        return CommitInfo(
            delivery=self.delivery,
            delivered=self.delivered,
            accepted=self.accepted,
            rejected=self.rejected,
            reading=reading_of(self.source, self.bounds),
            digest=self.digest,
            refusal=self.refusal,
            event_ends=tuple(ends(self.spans)),
            undeclared_columns=tuple(self.undeclared_columns),
            missing_columns=tuple(self.missing_columns),
            repaired=dict(self.repaired),
        )

    def mark(self, *, is_released: bool) -> None:
        """Let a dump of a snapshot be seen in the lake where it has no rows, or was released, and what it lacks."""
        if self.staged and self.missing_columns and not isinstance(self.source, Events):
            self.staged.append(stage_missing_columns(self.table, self.delivery, self.missing_columns))
        if isinstance(self.source, Snapshot) and not self.refusal and (is_released or not self.staged):
            self.staged.append(stage_mark(self.table, self.delivery, is_released=is_released))

    def discard(self) -> None:
        """Throw away what was staged."""
        discard_staged(self.table, self.staged)
        discard_staged(self.rejects_table, self.staged_rejects)
        self.staged, self.staged_rejects = [], []

    def _stage_all(self, batches: Iterator[Batch]) -> None:
        for rows in prefetched(self._accepted(batches)):
            self.staged += stage_rows(self.table, rows)

    def _accepted(self, batches: Iterator[Batch]) -> Iterator[pl.DataFrame]:
        """The accepted rows, as many at a time as make one file of a day."""
        pending: list[pl.DataFrame] = []
        rejects: list[Reject] = []
        for batch in batches:
            self.delivered += batch.delivered
            self.repaired.update(batch.repaired)
            rejects += batch.rejects
            if len(rejects) >= _STAGE_REJECTS or sum(len(one.raw) for one in rejects) >= _STAGE_REJECT_CHARACTERS:
                self._stage_rejects(rejects)
                rejects = []
            if batch.rows.is_empty():
                continue
            pending.append(add_origin(batch.rows, self.delivery, self.source))
            if isinstance(self.source, Events):
                self.spans.append(spans(pending[-1].lazy(), self.source).collect())
            if (
                sum(frame.height for frame in pending) >= _STAGE_ROWS
                or sum(frame.estimated_size() for frame in pending) >= _STAGE_BYTES
            ):
                yield pl.concat(pending)
                pending = []
        if pending:
            yield pl.concat(pending)
        self._stage_rejects(rejects)

    def _stage_rejects(self, rejects: list[Reject]) -> None:
        self.first_rejects += rejects[: MOST_QUOTED - len(self.first_rejects)]
        self.staged_rejects += stage_rows(self.rejects_table, _reject_rows(rejects, self.delivery, self.run))


def add_origin(rows: pl.DataFrame, delivery: Delivery, source: Source) -> pl.DataFrame:
    """Add to accepted rows the columns that say where they came from; what is stored as texts becomes texts."""
    origin = [
        (cs.enum() | cs.categorical()).cast(pl.String),
        pl.lit(delivery.object).alias("object"),
        pl.lit(delivery.day).alias("delivery_day"),
        pl.lit(delivery.id, pl.Int64).alias("delivery"),
    ]
    if isinstance(source, Events):
        origin.append(pl.col(source.event_time).dt.date().alias("event_date"))
    return rows.with_columns(origin)


def require_sum(name: str, *, delivered: int, accepted: int, rejected: int) -> None:
    """Compare what was counted in the bytes with what was accepted and rejected.

    Raises:
        LostRowsError: the sum does not hold.
    """
    if delivered != accepted + rejected:
        raise LostRowsError(
            f"{name} holds {delivered} rows, but {accepted} were accepted and {rejected} rejected. Nothing of it was "
            "loaded, and an older version of it stays in force."
        )


@contextmanager
def stage_object(landing: Landing, staging: Staging) -> Iterator[None]:
    """Read the object whose version is named into staged files, which are discarded where the block fails."""
    try:
        with landing.lend(staging.delivery) as path:
            staging.read(path)
        yield
    except BaseException:
        staging.discard()
        raise


def reading_of(source: Source, bounds: Window | None) -> str:
    """A short text of what the rows depend on that a file gives."""
    return f"{source.reading} {bounds.start.isoformat()} {bounds.end.isoformat()}" if bounds else source.reading


def file_digest(path: Path) -> str:
    """A short text that tells the file's bytes apart from others."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, xxhash.xxh3_128).hexdigest()


def _names(columns: Iterable[str]) -> list[str]:
    """Names of columns in order, as PostgreSQL can hold them."""
    return sorted(name.replace("\0", "\ufffd") for name in columns)


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
