"""The check that no dump is quarantined: of the tables of snapshots.

Here: what it says of each delivery day that was decided. Not here: which dumps are complete (see
`warehouse.snapshots.quarantine`).
"""

from datetime import date

from dataflow_assets.orchestration.checks.base import Check, Outcome, Verdict
from dataflow_assets.orchestration.keys import WAREHOUSE
from dataflow_assets.sources.base import Snapshot


def explain(source: str, day: date, reason: str) -> str:
    """What it means that the dump of a delivery day is quarantined, and what to do."""
    return (
        f"{source} of {day} is quarantined: {reason}. Nothing of it is loaded. Have it delivered again, or let it be "
        f"complete: `dataflow release --source {source} --day {day}`."
    )


def _judge_run(outcome: Outcome) -> Verdict:
    name = outcome.target.subject.name
    warnings = {day: explain(name, day, reason) for day, reason in outcome.quarantined.items()}
    rows = {day: outcome.counts.get(day, {}).get("accepted") for day in outcome.judged}
    return Verdict(outcome.judged, warnings, {day: {"rows": count} for day, count in rows.items() if count is not None})


CHECK = Check(
    name="snapshots_complete",
    description="No dump is quarantined because it has far fewer rows than the one before.",
    applies_to=lambda target: target.layer == WAREHOUSE and isinstance(target.subject, Snapshot),
    judge_run=_judge_run,
)
