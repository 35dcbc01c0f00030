"""The check that few rows have the key of another one: of the warehouse.

Here: how many are too many, and what is said of them. Not here: which row counts (see `warehouse`).
"""

from dataflow_assets.orchestration.checks.base import Check, Outcome, Verdict
from dataflow_assets.orchestration.keys import WAREHOUSE

_LARGEST_SHARE = 0.01  # of all rows


def _judge_run(outcome: Outcome) -> Verdict:
    name = outcome.target.subject.name
    counted = {day: (counts["accepted"], counts["superseded"]) for day, counts in outcome.counts.items()}
    warnings = {
        day: f"{name} of {day}: {more:,} of its {rows:,} rows have the key of another row; the latest counts."
        for day, (rows, more) in counted.items()
        if more > _LARGEST_SHARE * rows
    }
    return Verdict(
        counted, warnings, {day: {"rows": rows, "duplicates": more} for day, (rows, more) in counted.items()}
    )


CHECK = Check(
    name="few_duplicates",
    description="At most one row in a hundred has a key that another row of the day has, too.",
    applies_to=lambda target: target.layer == WAREHOUSE,
    judge_run=_judge_run,
)
