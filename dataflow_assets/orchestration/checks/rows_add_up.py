"""The check that no row is lost: in the lake, and in the tables of events.

Here: what it says of each day that a run wrote, or refused to. Not here: the sums themselves, which are verified before
a day is committed (see `lake.ingest` and `warehouse.events`).
"""

import dagster as dg

from dataflow_assets.orchestration.checks.base import Check, Outcome, Target, Verdict
from dataflow_assets.orchestration.keys import LAKE, WAREHOUSE
from dataflow_assets.sources.base import Events

_DESCRIPTIONS = {
    LAKE: "Rows delivered, counted in the bytes, are those accepted, in the lake, and those in its rejects.",
    WAREHOUSE: "Rows accepted in the lake are those in the table and those that a later one supersedes.",
}


def _applies_to(target: Target) -> bool:
    return target.layer == LAKE or (target.layer == WAREHOUSE and isinstance(target.subject, Events))


def _judge_run(outcome: Outcome) -> Verdict:
    return Verdict(outcome.counts.keys() | outcome.losses.keys(), outcome.losses, outcome.counts)


CHECK = Check(
    name="rows_add_up",
    description=lambda target: _DESCRIPTIONS[target.layer],
    applies_to=_applies_to,
    judge_run=_judge_run,
    severity=dg.AssetCheckSeverity.ERROR,
    is_blocking=True,
)
