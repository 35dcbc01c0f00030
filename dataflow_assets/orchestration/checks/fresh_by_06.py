"""The check that yesterday is there at 06:00 of the business time zone: of lake, warehouse and answers.

Here: why a partition is not there, asked each morning (see `automation.freshness`), and that a run has brought one
since. Not here: which partitions are stale (see `planning.staleness`), and making what is missing (see
`automation.reconcile`).

Dagster's own freshness looks at when an asset was last materialized: a backfill of an old year would make it fresh.
"""

from datetime import date, timedelta

import dagster as dg

from dataflow_assets.analytics import Answer
from dataflow_assets.ledger.answers import read_answer_versions
from dataflow_assets.ledger.delivery_reports import read_deliveries
from dataflow_assets.ledger.event_days import read_loaded_days
from dataflow_assets.ledger.snapshots import read_snapshot
from dataflow_assets.orchestration.checks.base import Check, Outcome, PastDay, Target, Verdict
from dataflow_assets.orchestration.keys import ANALYTICS, LAKE, WAREHOUSE
from dataflow_assets.orchestration.planning.staleness import stale_partitions
from dataflow_assets.postgres.connection import connect
from dataflow_assets.sources.base import Events

_LATELY = timedelta(days=8)  # an evaluation costs 3 ms: a backfill of old days needs none of each


def _judge_run(outcome: Outcome) -> Verdict:
    """Partitions are there now: those of which a morning may have said otherwise lately, or the newest."""
    lately = [day for day in outcome.present if day >= outcome.today - _LATELY]
    days = lately or sorted(outcome.present)[-1:]
    return Verdict(days, {}, {day: {"is_there": 1} for day in days})


def _judge_past_day(past: PastDay, target: Target) -> Verdict:
    day, why_not = past.day, _WHY_NOT[target.layer]
    if isinstance(target.subject, Answer) and target.subject.grain == "month":
        day = day.replace(day=1)
    reason = why_not(past, target, day)
    name = target.key.to_user_string()
    warnings = {day: f"{name} of {day} is not there as it should be: {reason}."} if reason else {}
    return Verdict([day], warnings, {day: {"is_there": int(not warnings)}})


def _why_not_in_lake(past: PastDay, target: Target, day: date) -> str | None:
    """Why the lake has no rows of a delivery day, or not all; None if it has."""
    if stale_partitions(past.stores, target.key, [day]):
        return "what landed is not taken in yet, so see the newest runs of the asset"
    name = target.subject.name
    states = {delivery["state"] for delivery in read_deliveries(past.stores.url, name, day)}
    if "accepted" in states:
        return None
    if not states:
        return "nothing was delivered"
    command = f"`dataflow deliveries --source {name} --day {day}` says why"
    return f"what was delivered is {' or '.join(sorted(states - {'superseded'}))}, and {command}"


def _why_not_in_warehouse(past: PastDay, target: Target, day: date) -> str | None:
    """Why a table does not have a day of the lake; None if it has."""
    if stale_partitions(past.stores, target.key, [day]):
        return "the lake has newer rows of it, so see the newest runs of the asset"
    source = target.source
    with connect(past.stores.url) as connection:
        if isinstance(source, Events):
            return None if day in read_loaded_days(connection, source) else "no event of that day was delivered"
        newest = read_snapshot(connection, source).newest_day
    if newest is None:
        return "no dump was loaded yet"
    return None if newest >= day else f"the newest dump that was loaded is of {newest}"


def _why_not_answered(past: PastDay, target: Target, day: date) -> str | None:
    """Why a partition of an answer is missing or old; None if it is not, or is being made."""
    if stale_partitions(past.stores, target.key, [day]):
        return "its tables are newer, so see the newest runs of the asset" if past.are_all_idle else None
    with connect(past.stores.url) as connection:
        is_made = day in read_answer_versions(connection, target.subject.name, day, day)
    return None if is_made else "there are no events that it could be made from"


_WHY_NOT = {LAKE: _why_not_in_lake, WAREHOUSE: _why_not_in_warehouse, ANALYTICS: _why_not_answered}

CHECK = Check(
    name="fresh_by_06",
    description="At 06:00 the partition of the day before is there and up to date; one that comes later is judged when "
    "it comes.",
    applies_to=lambda target: target.layer in _WHY_NOT,
    judge_run=_judge_run,
    judge_past_day=_judge_past_day,
    severity=dg.AssetCheckSeverity.ERROR,
)
