"""Checks of what was written: one evaluation for each partition of a run. One check per file, found by itself.

Add a check by adding a file with a `CHECK`; nothing here changes. Here: finding them, and logging what they say. Not
here: what must hold before anything is committed (see `lake` and `warehouse`).
"""

import importlib
import pkgutil
from collections.abc import Iterator
from functools import cache

import dagster as dg

from dataflow_assets.orchestration.checks.base import Check, Outcome, PastDay, Target, Verdict
from dataflow_assets.orchestration.metadata.metrics import as_metadata
from dataflow_assets.runtime.event_log import storing_together


@cache
def all_checks() -> tuple[Check, ...]:
    """Every check: first those that may fail a run, then by name."""
    modules = (importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__))
    checks = (module.CHECK for module in modules if hasattr(module, "CHECK"))
    return tuple(sorted(checks, key=lambda check: (not check.is_blocking, check.name)))


def checks_of(target: Target) -> list[Check]:
    """The checks that an asset has."""
    return [check for check in all_checks() if check.applies_to(target)]


def check_specs(target: Target) -> list[dg.AssetCheckSpec]:
    """The specs of an asset's checks."""
    return [check.spec(target) for check in checks_of(target)]


def judge_run(context: dg.AssetExecutionContext, outcome: Outcome) -> None:
    """Let every check of an asset judge what a run wrote, and log what it says."""
    with storing_together(context.instance):
        for check in checks_of(outcome.target):
            for evaluation in evaluate(check, outcome.target, check.judge_run(outcome)):
                context.log_event(evaluation)


def judge_past_day(past: PastDay, target: Target) -> Iterator[dg.AssetCheckEvaluation]:
    """What those checks say of a day that is over which look at each."""
    for check in checks_of(target):
        if check.judge_past_day:
            yield from evaluate(check, target, check.judge_past_day(past, target))


def evaluate(check: Check, target: Target, verdict: Verdict) -> Iterator[dg.AssetCheckEvaluation]:
    """One evaluation for each day; those that warn come last, for the last one is shown first."""
    for day in sorted(verdict.days, key=lambda day: (day in verdict.warnings, day)):
        warning = verdict.warnings.get(day)
        yield dg.AssetCheckEvaluation(
            asset_key=target.key,
            check_name=check.name,
            passed=warning is None,
            severity=check.severity,
            description=warning,
            partition=day.isoformat(),
            metadata=as_metadata(verdict.metrics.get(day, {})),
        )
