"""The check that no delivery is quarantined: of the lake.

Here: what it says of each delivery day. Not here: which deliveries are quarantined (see `lake.quarantine`).
"""

from dataflow_assets.ledger.delivery_reports import read_quarantine_reasons
from dataflow_assets.orchestration.checks.base import Check, Outcome, Verdict
from dataflow_assets.orchestration.keys import LAKE

_RELEASE = (
    "Nothing of that is loaded, and what an object gave before stays in force. Have it delivered again, or load it as "
    "it is: `dataflow release OBJECT`."
)


def _judge_run(outcome: Outcome) -> Verdict:
    days = outcome.days
    found = read_quarantine_reasons(outcome.url, outcome.target.source, min(days), max(days))
    warnings = {day: f"{' '.join(found[day])} {_RELEASE}" for day in days if day in found}
    return Verdict(days, warnings, {day: {"quarantined": len(found.get(day, ()))} for day in days})


CHECK = Check(
    name="nothing_quarantined",
    description="No delivery is quarantined because too many of its rows are rejected.",
    applies_to=lambda target: target.layer == LAKE,
    judge_run=_judge_run,
)
