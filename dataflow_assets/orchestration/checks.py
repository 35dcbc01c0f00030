"""Checks of what was written: one evaluation for each partition of a run.

Here: the checks, what they say, and how an IO manager logs them. Not here: what must hold before anything is
committed (see `lake` and `warehouse`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date

import dagster as dg

from dataflow_assets.orchestration.slices import Figures, partition_metadata
from dataflow_assets.sources.declaration import Source
from dataflow_assets.warehouse.records import OtherColumns, other_columns

COLUMNS = "columns_as_declared"
_MOST_SHOWN = 10
_NO_FIGURES: Mapping[date, Figures] = {}


def columns_spec(key: Sequence[str]) -> dg.AssetCheckSpec:
    """The check of a lake asset that its files have the columns that their source declares, and no others."""
    return dg.AssetCheckSpec(
        COLUMNS,
        asset=dg.AssetKey(key),
        description="The files have the declared columns and no others: what is not declared is kept out of the lake.",
    )


def check_columns(url: str, source: Source, days: Sequence[date]) -> dict[date, str]:
    """What to say of each delivery day on which a file has other columns than its source declares."""
    found = other_columns(url, source, min(days), max(days))
    return {
        day: _columns_sentence(source, day, of_day) for day in days if (of_day := [o for o in found if o.day == day])
    }


def log_evaluations(
    context: dg.OutputContext,
    name: str,
    days: Iterable[date],
    warnings: Mapping[date, str],
    figures: Mapping[date, Figures] = _NO_FIGURES,
) -> None:
    """Log an evaluation of a check for each partition; those that warn come last, for the last one is shown first."""
    running = dg.AssetExecutionContext.get()  # an output's own context logs no evaluations
    for day in sorted(days, key=lambda day: (day in warnings, day)):
        running.log_event(
            dg.AssetCheckEvaluation(
                asset_key=context.asset_key,
                check_name=name,
                passed=day not in warnings,
                severity=dg.AssetCheckSeverity.WARN,
                description=warnings.get(day),
                partition=day.isoformat(),
                metadata=partition_metadata(figures.get(day, {})),
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
            yield f"{_few(files)}: {what}: {_few(map(repr, names))}."


def _few(names: Iterable[str]) -> str:
    """The first of some names, and how many more there are."""
    first, more = (found := list(names))[:_MOST_SHOWN], len(found) - _MOST_SHOWN
    return ", ".join(first) + (f" and {more} more" if more > 0 else "")
