"""The check that what rows name is known: of the warehouse assets whose source refers to others.

Here: what it says of each day of a run, and of several runs together. Not here: finding what is unknown (see
`warehouse.references`).
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import Any

import dagster as dg

from dataflow_assets.orchestration.checks.base import Check, Outcome, Target, Verdict
from dataflow_assets.orchestration.keys import WAREHOUSE
from dataflow_assets.orchestration.metadata.metrics import Metrics
from dataflow_assets.postgres.connection import connect
from dataflow_assets.sources import find_source
from dataflow_assets.sources.base import Events, Source
from dataflow_assets.warehouse.references import UnknownNames, find_empty_references, find_unknown_names

_NOT_LOADED = "not_loaded"


def _describe(target: Target) -> str:
    named = ", ".join(f"{reference.column} to {reference.source}" for reference in target.source.references)
    return (
        f"What the rows name is known, if only in other letters of upper and lower case: {named}. "
        "Rows that name what is unknown are kept."
    )


def _applies_to(target: Target) -> bool:
    return target.layer == WAREHOUSE and bool(target.source.references)


def _judge_run(outcome: Outcome) -> Verdict:
    """Judges each day of the run, of a snapshot all alike: its table is looked at as it stands.

    That a table has no rows yet, so that nothing can be known, is said once, with the newest day.
    """
    days, source = outcome.days, outcome.target.source
    with connect(outcome.url) as connection:
        empty = find_empty_references(connection, source)
        full = [reference for reference in source.references if reference not in empty]
        unknown = find_unknown_names(connection, source, full, min(days), max(days))
    found = {day: [one for one in unknown if one.day in (day, None)] for day in days}
    metrics = {day: _metrics(source, of_day) for day, of_day in found.items()}
    warnings = {day: _warning(source, day, of_day) for day, of_day in found.items() if of_day}
    if empty:
        newest, names = max(days), sorted({reference.source for reference in empty})
        warnings[newest] = " ".join([*filter(None, [warnings.get(newest)]), _not_loaded(source, names)])
        metrics[newest] = {**metrics[newest], _NOT_LOADED: names}
    return Verdict(days, warnings, metrics)


def notes(evaluations: Iterable[dg.AssetCheckEvaluation]) -> Iterator[str]:
    """One short sentence for each source of which some evaluations of this check warn."""
    of_source: dict[str, list[dg.AssetCheckEvaluation]] = {}
    for evaluation in evaluations:
        of_source.setdefault(evaluation.asset_key.path[-1], []).append(evaluation)
    for name, of_one in of_source.items():
        source = find_source(name)
        together = sum if isinstance(source, Events) else max
        counts = [
            f"{_name(rows)} a {reference.column} unknown to {reference.source}"
            for reference in source.references
            if (rows := together([0, *(_value(evaluation, _rows(reference.column), 0) for evaluation in of_one)]))
        ]
        if counts:
            yield f"{name}: {', '.join(counts)}; they are kept, see the check {CHECK.name}."
        if names := {name for evaluation in of_one for name in _value(evaluation, _NOT_LOADED, [])}:
            yield _not_loaded(source, sorted(names))


def _value(evaluation: dg.AssetCheckEvaluation, metric: str, default: Any) -> Any:
    found = evaluation.metadata.get(metric)
    return found.value if found else default


def _metrics(source: Source, found: Sequence[UnknownNames]) -> Metrics:
    by_column = {one.column: one for one in found}
    metrics: dict[str, int | Sequence[str]] = {}
    for reference in source.references:
        one = by_column.get(reference.column)
        metrics[_rows(reference.column)] = one.rows if one else 0
        metrics[f"{_rows(reference.column)}_names"] = one.first_names if one else ()
    return metrics


def _rows(column: str) -> str:
    """The name of the metric that counts the rows."""
    return f"unknown_{column}"


def _warning(source: Source, day: date, found: Sequence[UnknownNames]) -> str:
    others = {reference.column: reference.source for reference in source.references}
    sentences = (
        f"{_name(one.rows)} a {one.column} unknown to {others[one.column]}: "
        f"{', '.join(map(repr, one.first_names))}{_more(one)}."
        for one in found
    )
    return f"{source.name} of {day}. {' '.join(sentences)} They are kept."


def _name(rows: int) -> str:
    return "1 row names" if rows == 1 else f"{rows:,} rows name"


def _more(one: UnknownNames) -> str:
    more = one.names - len(one.first_names)
    return f" and {more:,} more" if more else ""


def _not_loaded(source: Source, names: Sequence[str]) -> str:
    return f"Nothing was loaded into {', '.join(names)} yet, so nobody can tell what {source.name} names in vain."


CHECK = Check(
    name="references_known",
    description=_describe,
    applies_to=_applies_to,
    judge_run=_judge_run,
)
