"""The check that files have the declared columns and no others: of the lake.

Here: what it says of each delivery day. Not here: reading files with other columns (see `lake.readers`).
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date

from dataflow_assets.core.formatting import few
from dataflow_assets.ledger.delivery_reports import ColumnDifferences, find_column_differences
from dataflow_assets.orchestration.checks.base import Check, Outcome, Verdict
from dataflow_assets.orchestration.keys import LAKE

_MOST_NAMES = 10


def _judge_run(outcome: Outcome) -> Verdict:
    days, source = outcome.days, outcome.target.source
    found = find_column_differences(outcome.url, source, min(days), max(days))
    by_day = {day: [other for other in found if other.day == day] for day in days}
    warnings = {day: _warning(source.name, day, others) for day, others in by_day.items() if others}
    return Verdict(days, warnings, {day: _count(others) for day, others in by_day.items()})


def _count(found: Sequence[ColumnDifferences]) -> dict[str, int]:
    """How many columns are not as declared, and in how many objects."""
    undeclared = {name for other in found for name in other.undeclared_columns}
    missing = {name for other in found for name in other.missing_columns}
    return {"undeclared_columns": len(undeclared), "missing_columns": len(missing), "objects_that_differ": len(found)}


def _warning(source: str, day: date, found: Sequence[ColumnDifferences]) -> str:
    """One sentence for each set of columns in which files differ, and one that says what to do."""
    sentences = [
        *_sentences("not declared and kept out", ((other.undeclared_columns, other.object) for other in found)),
        *_sentences("absent and without values", ((other.missing_columns, other.object) for other in found)),
    ]
    return (
        f"{source} of {day}. {' '.join(sentences)} To take new columns in, declare them as nullable, generate the "
        "migration and load the files again."
    )


def _sentences(what: str, of_files: Iterable[tuple[tuple[str, ...], str]]) -> Iterator[str]:
    """What is so of some columns, a sentence for all files with the same ones; none for those without any."""
    together: dict[tuple[str, ...], list[str]] = {}
    for names, file in of_files:
        together.setdefault(names, []).append(file)
    for names, files in together.items():
        if names:
            yield f"{few(files, _MOST_NAMES)}: {what}: {few(map(repr, names), _MOST_NAMES)}."


CHECK = Check(
    name="columns_as_declared",
    description="The files have the declared columns and no others: what is not declared is kept out of the lake.",
    applies_to=lambda target: target.layer == LAKE,
    judge_run=_judge_run,
)
