"""The check that a delivery day has as many rows as the days before it: of the lake.

Here: what it says of each day of a run, and each morning of yesterday. Not here: what is usual (see `ledger.volumes`).
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

from dataflow_assets.ledger.volumes import count_rows_by_day, describe_unusual_volume, usual_rows
from dataflow_assets.orchestration.checks.base import Check, Outcome, PastDay, Target, Verdict
from dataflow_assets.orchestration.keys import LAKE
from dataflow_assets.sources.base import Source


def _judge_run(outcome: Outcome) -> Verdict:
    return _judge(outcome.url, outcome.target.source, outcome.days, outcome.today)


def _judge_past_day(past: PastDay, target: Target) -> Verdict:
    return _judge(past.stores.url, target.source, [past.day], past.day + timedelta(days=1))


def _judge(url: str, source: Source, days: Sequence[date], today: date) -> Verdict:
    """Warns of each day that has unusually many rows, or few once it is over."""
    rows = count_rows_by_day(url, source, min(days), max(days))
    found = {day: describe_unusual_volume(rows, day, is_over=day < today) for day in days}
    warnings = {day: f"{source.name} of {day} has {what}." for day, what in found.items() if what}
    return Verdict(days, warnings, {day: _figures(rows, day) for day in days})


def _figures(rows: Mapping[date, int], day: date) -> dict[str, int | float]:
    usual = usual_rows(rows, day)
    return {"rows": rows.get(day, 0)} | ({} if usual is None else {"usual_rows": usual})


CHECK = Check(
    name="volume_as_usual",
    description="The day has between half and twice as many rows as the days before it.",
    applies_to=lambda target: target.layer == LAKE,
    judge_run=_judge_run,
    judge_past_day=_judge_past_day,
)
