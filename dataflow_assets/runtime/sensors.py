"""How the sensors of an instance fare.

Here: which of them fail, tick after tick. Not here: what they ask for (see `orchestration`), and who is told (see
`doctor` and `orchestration.alerting`).
"""

from collections.abc import Iterator
from itertools import takewhile
from typing import NamedTuple

from dagster import DagsterInstance

_MOST_TICKS = 100  # that are looked at
_AROUND = ("SensorExecutionError", "ScheduleExecutionError")  # they only say of which sensor


class FailingSensor(NamedTuple):
    """A sensor whose last ticks failed: how many of them, and why the last one did."""

    name: str
    ticks: int
    reason: str


def find_failing_sensors(instance: DagsterInstance) -> list[FailingSensor]:
    """The sensors whose last tick that ended failed, by name."""
    return sorted(_failing(instance)) if instance.schedule_storage else []  # an instance in memory keeps no ticks


def _failing(instance: DagsterInstance) -> Iterator[FailingSensor]:
    for state in instance.all_instigator_state():
        if not state.is_running:
            continue
        ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=_MOST_TICKS)  # newest first
        ended = (tick for tick in ticks if tick.status.value != "STARTED")
        failed = list(takewhile(lambda tick: tick.status.value == "FAILURE", ended))
        if failed:
            error = failed[0].error
            if error and error.cause and error.cls_name in _AROUND:
                error = error.cause
            reason = str(error.message) if error else "no reason was given"
            yield FailingSensor(state.instigator_name, len(failed), reason.strip().partition("\n")[0])
