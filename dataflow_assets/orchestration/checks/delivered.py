"""The check that the delivery of yesterday came: of landing, where it is collected.

Here: whether something of a day was collected, and what keeps it away. Not here: whether it was loaded (see
`fresh_by_06`).
"""

from dataflow_assets.core.formatting import few
from dataflow_assets.ledger.collected import open_record
from dataflow_assets.orchestration.checks.base import Check, Outcome, PastDay, Target, Verdict
from dataflow_assets.orchestration.keys import LANDING

_MOST_NAMED = 3  # of what fails


def _judge_run(outcome: Outcome) -> Verdict:
    record, days = open_record(outcome.url, outcome.target.source.name), sorted(outcome.present)
    collected = record.count_by_day(days[0], days[-1]) if days else {}
    return Verdict(days, {}, {day: {"objects": collected.get(day, 0)} for day in days})


def _judge_past_day(past: PastDay, target: Target) -> Verdict:
    origin, record = target.source.arrives, open_record(past.stores.url, target.source.name)
    assert origin
    collected = record.count_by_day(past.day, past.day).get(past.day, 0)
    figures = {past.day: {"objects": collected}}
    if collected:
        return Verdict([past.day], {}, figures)
    failing = few((f"{path}: {reason}" for path, reason in record.read_failures().items()), _MOST_NAMED)
    why = f" What could not be collected: {failing}." if failing else ""
    said = f"Nothing of {target.source.name} that is delivered on {past.day} came from {origin.address}.{why}"
    return Verdict([past.day], {past.day: said}, figures)


CHECK = Check(
    name="delivered",
    description="At 06:00 something of the day before was collected.",
    applies_to=lambda target: target.layer == LANDING,
    judge_run=_judge_run,
    judge_past_day=_judge_past_day,
)
