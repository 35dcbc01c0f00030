"""Checks of what was written: one evaluation for each partition of a run.

Here: the checks, what they say, and how an IO manager logs them. Not here: what must hold before anything is
committed (see `lake` and `warehouse`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import dagster as dg

from dataflow_assets.orchestration.slices import Figures, as_metadata
from dataflow_assets.plain import few
from dataflow_assets.sources.declaration import Source
from dataflow_assets.warehouse.records import OtherColumns, held_deliveries, other_columns

_MOST_SHOWN = 10
_NO_FIGURES: Mapping[date, Figures] = {}


@dataclass(frozen=True)
class Check:
    """A check of the partitions of assets; one that does not hold warns, or fails the run if it is blocking."""

    name: str
    description: str
    is_blocking: bool = False

    def of(self, key: Sequence[str]) -> dg.AssetCheckSpec:
        """The check of one asset."""
        return dg.AssetCheckSpec(
            self.name, asset=dg.AssetKey(key), description=self.description, blocking=self.is_blocking
        )

    @property
    def severity(self) -> dg.AssetCheckSeverity:
        """How bad it is where it does not hold."""
        return dg.AssetCheckSeverity.ERROR if self.is_blocking else dg.AssetCheckSeverity.WARN


COLUMNS = Check(
    "columns_as_declared",
    "The files have the declared columns and no others: what is not declared is kept out of the lake.",
)
LAKE_SUMS = Check(
    "rows_add_up",
    "Rows delivered, counted in the bytes, are those accepted, in the lake, and those in its rejects.",
    is_blocking=True,
)
TABLE_SUMS = Check(
    "rows_add_up",
    "Rows accepted in the lake are those in the table and those that a later one supersedes.",
    is_blocking=True,
)
HELD = Check("nothing_held_back", "No delivery is held back because too many of its rows are rejected.")
BELIEVED = Check("dumps_believed", "No dump is held back because it has far fewer rows than the one before.")


def check_held(url: str, source: Source, days: Sequence[date]) -> dict[date, str]:
    """What to say of each delivery day of which an object is held back."""
    found = held_deliveries(url, source, min(days), max(days))
    return {day: f"{' '.join(found[day])} {_RELEASE}" for day in days if day in found}


_RELEASE = (
    "Nothing of that is loaded, and what an object gave before stays in force. Have it delivered again, or load it as "
    "it is: `dataflow release OBJECT`."
)


def check_believed(source: Source, held: Mapping[date, str]) -> dict[date, str]:
    """What to say of each delivery day whose dump is held back."""
    return {
        day: f"{source.name} of {day} is held back: {reason}. Nothing of it is loaded. Have it delivered again, or "
        f"let it be believed: `dataflow release --source {source.name} --day {day}`."
        for day, reason in held.items()
    }


def check_columns(url: str, source: Source, days: Sequence[date]) -> dict[date, str]:
    """What to say of each delivery day on which a file has other columns than its source declares."""
    found = other_columns(url, source, min(days), max(days))
    return {
        day: _columns_sentence(source, day, of_day) for day in days if (of_day := [o for o in found if o.day == day])
    }


def log_evaluations(
    context: dg.OutputContext,
    check: Check,
    days: Iterable[date],
    warnings: Mapping[date, str],
    *,
    figures: Mapping[date, Figures] = _NO_FIGURES,
) -> None:
    """Log an evaluation of a check for each partition; those that warn come last, for the last one is shown first.

    `figures` are what was compared.
    """
    running = dg.AssetExecutionContext.get()  # an output's own context logs no evaluations
    for day in sorted(days, key=lambda day: (day in warnings, day)):
        running.log_event(
            dg.AssetCheckEvaluation(
                asset_key=context.asset_key,
                check_name=check.name,
                passed=day not in warnings,
                severity=check.severity,
                description=warnings.get(day),
                partition=day.isoformat(),
                metadata=as_metadata(figures.get(day, {})),
            )
        )


def _columns_sentence(source: Source, day: date, found: Sequence[OtherColumns]) -> str:
    """One sentence for each set of columns in which files differ, and one that says what to do."""
    sentences = [
        *_said("not declared and kept out", ((other.kept_out, other.object) for other in found)),
        *_said("absent and read as null", ((other.lacking, other.object) for other in found)),
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
