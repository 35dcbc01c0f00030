"""The check that what rows name is known: of the warehouse assets whose source refers to others.

Here: what it says of each day of a run, and of several runs together. Not here: finding what is unknown (see
`warehouse.references`), and how evaluations are logged (see `checks`).
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import Any

import dagster as dg

from dataflow_assets.orchestration.assets.per_partition import Metrics
from dataflow_assets.orchestration.checks import Check, log_evaluations
from dataflow_assets.orchestration.partitions import partition_days
from dataflow_assets.postgres.connection import connect
from dataflow_assets.settings import load_settings
from dataflow_assets.sources import find_source
from dataflow_assets.sources.base import Events, Source
from dataflow_assets.warehouse.bootstrap import open_warehouse
from dataflow_assets.warehouse.references import UnknownNames, find_empty_references, find_unknown_names

REFERENCES = "references_known"
_NOT_LOADED = "not_loaded"


def references_check(source: Source) -> Check:
    """The check that the rows of a source name what other tables have."""
    return Check(
        REFERENCES,
        "What the rows name is known, if only in other letters of upper and lower case: "
        + ", ".join(f"{one.column} to {one.source}" for one in source.references)
        + ". Rows that name what is unknown are kept.",
    )


def log_references(context: dg.OutputContext, source: Source) -> None:
    """Log an evaluation for each day of the run, of a snapshot the same: its table is looked at as it stands.

    That a table has no rows yet, so that nothing can be known, is said once, with the newest day.
    """
    if not source.references:
        return
    days = partition_days(context.asset_partition_keys)
    with connect(open_warehouse(load_settings())) as connection:
        empty = find_empty_references(connection, source)
        asked = [one for one in source.references if one not in empty]
        unknown = find_unknown_names(connection, source, asked, min(days), max(days))
    found = {day: [one for one in unknown if one.day in (day, None)] for day in days}
    metrics = {day: _figures(source, of_day) for day, of_day in found.items()}
    warnings = {day: _sentence(source, day, of_day) for day, of_day in found.items() if of_day}
    if empty:
        newest, names = max(days), sorted({one.source for one in empty})
        warnings[newest] = " ".join([*filter(None, [warnings.get(newest)]), _not_loaded(source, names)])
        metrics[newest] = {**metrics[newest], _NOT_LOADED: names}
    log_evaluations(context, references_check(source), days, warnings, metrics=metrics)


def notes(evaluations: Iterable[dg.AssetCheckEvaluation]) -> Iterator[str]:
    """One short sentence for each source of which some evaluations of this check warn."""
    of_source: dict[str, list[dg.AssetCheckEvaluation]] = {}
    for evaluation in evaluations:
        of_source.setdefault(evaluation.asset_key.path[-1], []).append(evaluation)
    for name, of_one in of_source.items():
        source = find_source(name)
        together = sum if isinstance(source, Events) else max
        told = [
            f"{_name(rows)} a {one.column} unknown to {one.source}"
            for one in source.references
            if (rows := together([0, *(_value(evaluation, _rows(one.column), 0) for evaluation in of_one)]))
        ]
        if told:
            yield f"{name}: {', '.join(told)}; they are kept, see the check {REFERENCES}."
        if names := {name for evaluation in of_one for name in _value(evaluation, _NOT_LOADED, [])}:
            yield _not_loaded(source, sorted(names))


def _value(evaluation: dg.AssetCheckEvaluation, figure: str, default: Any) -> Any:
    found = evaluation.metadata.get(figure)
    return found.value if found else default


def _figures(source: Source, found: Sequence[UnknownNames]) -> Metrics:
    by_column = {one.column: one for one in found}
    metrics: dict[str, int | Sequence[str]] = {}
    for reference in source.references:
        one = by_column.get(reference.column)
        metrics[_rows(reference.column)] = one.rows if one else 0
        metrics[f"{_rows(reference.column)}_names"] = one.first_names if one else ()
    return metrics


def _rows(column: str) -> str:
    """The name of the figure that counts the rows."""
    return f"unknown_{column}"


def _sentence(source: Source, day: date, found: Sequence[UnknownNames]) -> str:
    others = {one.column: one.source for one in source.references}
    told = (
        f"{_name(one.rows)} a {one.column} unknown to {others[one.column]}: "
        f"{', '.join(map(repr, one.first_names))}{_more(one)}."
        for one in found
    )
    return f"{source.name} of {day}. {' '.join(told)} They are kept."


def _name(rows: int) -> str:
    return "1 row names" if rows == 1 else f"{rows:,} rows name"


def _more(one: UnknownNames) -> str:
    more = one.names - len(one.first_names)
    return f" and {more:,} more" if more else ""


def _not_loaded(source: Source, names: Sequence[str]) -> str:
    return f"Nothing was loaded into {', '.join(names)} yet, so nobody can tell what {source.name} names in vain."
