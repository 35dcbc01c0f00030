"""Checks of what was written: one evaluation for each partition of a run.

Here: the checks, what they say, and how an IO manager logs them. Not here: what must hold before anything is
committed (see `lake` and `warehouse`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from types import MappingProxyType

import dagster as dg

from dataflow_assets.core.formatting import few
from dataflow_assets.ledger.delivery_reports import ColumnDifferences, find_column_differences, read_quarantine_reasons
from dataflow_assets.ledger.volumes import count_rows_by_day, describe_unusual_volume
from dataflow_assets.orchestration.assets.per_partition import Metrics, as_metadata
from dataflow_assets.settings import load_settings
from dataflow_assets.sources.base import Source

_MOST_SHOWN = 10
_MOST_DUPLICATES = 0.01  # of all rows
_MORNINGS = timedelta(days=8)  # an evaluation costs 3 ms: a backfill of old days needs none of each


@dataclass(frozen=True)
class Check:
    """A check of the partitions of assets: how bad it is where it does not hold, and whether it fails the run."""

    name: str
    description: str
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.WARN
    is_blocking: bool = False

    def of(self, key: Sequence[str]) -> dg.AssetCheckSpec:
        """The check of one asset."""
        return dg.AssetCheckSpec(
            self.name, asset=dg.AssetKey(key), description=self.description, blocking=self.is_blocking
        )


COLUMNS = Check(
    "columns_as_declared",
    "The files have the declared columns and no others: what is not declared is kept out of the lake.",
)
LAKE_SUMS = Check(
    "rows_add_up",
    "Rows delivered, counted in the bytes, are those accepted, in the lake, and those in its rejects.",
    dg.AssetCheckSeverity.ERROR,
    is_blocking=True,
)
TABLE_SUMS = Check(
    "rows_add_up",
    "Rows accepted in the lake are those in the table and those that a later one supersedes.",
    dg.AssetCheckSeverity.ERROR,
    is_blocking=True,
)
QUARANTINED = Check("nothing_quarantined", "No delivery is quarantined because too many of its rows are rejected.")
COMPLETE = Check("snapshots_complete", "No dump is quarantined because it has far fewer rows than the one before.")
VOLUME = Check("volume_as_usual", "The day has between half and twice as many rows as the days before it.")
DUPLICATES = Check("few_duplicates", "At most one row in a hundred has a key that another row of the day has, too.")
FRESH = Check(
    "fresh_by_06",
    "At 06:00 the partition of the day before is there and up to date; one that comes later is judged when it comes.",
    dg.AssetCheckSeverity.ERROR,
)


def check_volume(url: str, source: Source, days: Sequence[date], today: date) -> dict[date, str]:
    """What to say of each delivery day that has unusually many rows, or few once it is over."""
    rows = count_rows_by_day(url, source, min(days), max(days))
    found = {day: describe_unusual_volume(rows, day, is_over=day < today) for day in days}
    return {day: f"{source.name} of {day} has {said}." for day, said in found.items() if said}


def check_duplicates(source: Source, counted: Mapping[date, tuple[int, int]]) -> dict[date, str]:
    """What to say of each day of whose rows many have the key of another one.

    Args:
        source: whose rows they are.
        counted: of each day its rows in the lake, and those among them that another one supersedes.
    """
    return {
        day: f"{source.name} of {day}: {more:,} of its {rows:,} rows have the key of another row; the latest counts."
        for day, (rows, more) in counted.items()
        if more > _MOST_DUPLICATES * rows
    }


def log_fresh(context: dg.OutputContext, days: Iterable[date]) -> None:
    """Say that partitions are there now: those of which a morning may have said otherwise lately, or the newest."""
    lately = load_settings().today - _MORNINGS
    log_evaluations(context, FRESH, [day for day in days if day >= lately] or sorted(days)[-1:], {})


def check_quarantined(url: str, source: Source, days: Sequence[date]) -> dict[date, str]:
    """What to say of each delivery day of which an object is quarantined."""
    found = read_quarantine_reasons(url, source, min(days), max(days))
    return {day: f"{' '.join(found[day])} {_RELEASE}" for day in days if day in found}


_RELEASE = (
    "Nothing of that is loaded, and what an object gave before stays in force. Have it delivered again, or load it as "
    "it is: `dataflow release OBJECT`."
)


def check_complete(source: Source, quarantined: Mapping[date, str]) -> dict[date, str]:
    """What to say of each delivery day whose dump is quarantined."""
    return {
        day: f"{source.name} of {day} is quarantined: {reason}. Nothing of it is loaded. Have it delivered again, or "
        f"let it be complete: `dataflow release --source {source.name} --day {day}`."
        for day, reason in quarantined.items()
    }


def check_columns(url: str, source: Source, days: Sequence[date]) -> dict[date, str]:
    """What to say of each delivery day on which a file has other columns than its source declares."""
    found = find_column_differences(url, source, min(days), max(days))
    return {
        day: _columns_sentence(source, day, of_day) for day in days if (of_day := [o for o in found if o.day == day])
    }


def log_evaluations(
    context: dg.OutputContext,
    check: Check,
    days: Iterable[date],
    warnings: Mapping[date, str],
    *,
    metrics: Mapping[date, Metrics] = MappingProxyType({}),
) -> None:
    """Log an evaluation of a check for each partition; those that warn come last, for the last one is shown first.

    `metrics` are what was compared.
    """
    running = dg.AssetExecutionContext.get()  # an output's own context logs no evaluations
    for day in sorted(days, key=lambda day: (day in warnings, day)):
        running.log_event(evaluation(check, context.asset_key, day, warnings.get(day), metrics.get(day, {})))


def evaluation(
    check: Check, asset: dg.AssetKey, day: date, warning: str | None, metrics: Metrics = MappingProxyType({})
) -> dg.AssetCheckEvaluation:
    """What a check says of one partition: it holds where there is no warning."""
    return dg.AssetCheckEvaluation(
        asset_key=asset,
        check_name=check.name,
        passed=warning is None,
        severity=check.severity,
        description=warning,
        partition=day.isoformat(),
        metadata=as_metadata(metrics),
    )


def _columns_sentence(source: Source, day: date, found: Sequence[ColumnDifferences]) -> str:
    """One sentence for each set of columns in which files differ, and one that says what to do."""
    sentences = [
        *_said("not declared and kept out", ((other.undeclared_columns, other.object) for other in found)),
        *_said("absent and read as null", ((other.missing_columns, other.object) for other in found)),
    ]
    return (
        f"{source.name} of {day}. {' '.join(sentences)} To take new columns in, declare them as nullable, generate the "
        "migration and load the files again."
    )


def _said(what: str, of_files: Iterable[tuple[tuple[str, ...], str]]) -> Iterator[str]:
    """What is so of some columns, a sentence for all files with the same ones; none for those without any."""
    together: dict[tuple[str, ...], list[str]] = {}
    for names, file in of_files:
        together.setdefault(names, []).append(file)
    for names, files in together.items():
        if names:
            yield f"{few(files, _MOST_SHOWN)}: {what}: {few(map(repr, names), _MOST_SHOWN)}."
