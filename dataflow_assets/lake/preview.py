"""What taking a file in would do, without taking it in.

Here: counting what its reader accepts and rejects, and keeping the first of each. Not here: reading (see `readers`),
and how a preview is printed.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import polars as pl

from dataflow_assets.core.floats import with_own_digits
from dataflow_assets.core.formatting import counted
from dataflow_assets.core.time_windows import Window
from dataflow_assets.lake.quarantine import MOST_QUOTED, find_quarantine_reason, find_uneven_columns
from dataflow_assets.lake.readers import Reject, read_file
from dataflow_assets.lake.staging import require_sum
from dataflow_assets.lake.touched_days import ends, spans, touched_days
from dataflow_assets.sources.base import Events, Source


@dataclass(kw_only=True)
class Preview:
    """What would become of a file's rows. delivered = accepted + rejected.

    `rows` are the first accepted ones, with the digits that a Float32 has, `rejects` the first rejected; `codes` counts
    all rejects by code. `event_days` are the days that it touches, `undeclared_columns` its columns that are not
    declared, `missing_columns` the declared ones it lacks, `repaired` what is changed so that rows can be accepted;
    `quarantine_reason` says why it would be quarantined.
    """

    rows: pl.DataFrame
    rejects: list[Reject] = field(default_factory=list)
    delivered: int = 0
    accepted: int = 0
    rejected: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    event_days: list[date] = field(default_factory=list)
    undeclared_columns: list[str] = field(default_factory=list)
    missing_columns: list[str] = field(default_factory=list)
    repaired: Counter[str] = field(default_factory=Counter)
    quarantine_reason: str | None = None

    def sentences(self) -> Iterator[str]:
        """What would become of the whole file."""
        yield f"{counted(self.delivered, 'row')}: {self.accepted:,} would be accepted, {self.rejected:,} rejected."
        if self.codes:
            yield "Rejected: " + ", ".join(f"{count:,} for {code}" for code, count in self.codes.most_common()) + "."
        if self.repaired:
            yield (
                "Repaired: "
                + ", ".join(f"{kind.replace('_', ' ')} {count:,}" for kind, count in self.repaired.items())
                + "."
            )
        if self.undeclared_columns:
            yield f"Not declared and kept out: {', '.join(self.undeclared_columns)}."
        if self.missing_columns:
            yield f"Absent and without values: {', '.join(self.missing_columns)}."
        if self.quarantine_reason:
            yield f"It would be quarantined: {self.quarantine_reason}"
        if self.event_days:
            first, last = self.event_days[0], self.event_days[-1]
            yield f"{counted(len(self.event_days), 'event day')}, from {first} to {last}."


def preview(path: Path, source: Source, timezone: str, most: int, bounds: Window | None) -> Preview:
    """Read a file to its end and write nothing; no more than one batch of it is held at a time.

    Args:
        path: the file.
        source: whose rows it holds.
        timezone: cuts the event days.
        most: how many rows, and how many rejects, are kept.
        bounds: when events may begin; None of a snapshot.

    Raises:
        FormatError: the file as a whole would be refused.
    """
    content = read_file(path, source, bounds)
    found = Preview(rows=source.schema.create_empty())
    times: list[pl.DataFrame] = []
    first_rejects: list[Reject] = []
    for batch in content.batches:
        found.delivered += batch.delivered
        found.accepted += batch.rows.height
        found.rejected += len(batch.rejects)
        found.repaired.update(batch.repaired)
        found.codes.update(reject.code for reject in batch.rejects)
        found.rows = pl.concat([found.rows, batch.rows.head(most - found.rows.height).select(found.rows.columns)])
        found.rejects += batch.rejects[: most - len(found.rejects)]
        first_rejects += batch.rejects[: MOST_QUOTED - len(first_rejects)]
        if isinstance(source, Events):
            dated = batch.rows.lazy().with_columns(event_date=pl.col(source.event_time).dt.date())
            times.append(spans(dated, source).collect())
    require_sum(path.name, delivered=found.delivered, accepted=found.accepted, rejected=found.rejected)
    found.rows = with_own_digits(found.rows)
    found.event_days = sorted(touched_days(ends(times), timezone))
    found.undeclared_columns = sorted(content.undeclared_columns)
    found.missing_columns = sorted(content.missing_columns)
    found.quarantine_reason = find_uneven_columns(content.uneven_columns) or find_quarantine_reason(
        *(found.missing_columns, found.undeclared_columns, found.rejected, found.delivered),
        limit=source.reject_limit,
        first_rejects=first_rejects,
    )
    return found
