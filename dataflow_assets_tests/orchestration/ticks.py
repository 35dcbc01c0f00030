"""Ticks of sensors in an instance's records, as its daemon writes them.

Here: writing them. Not here: the sensors.
"""

import time

import dagster as dg
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.definitions.sensor_definition import SensorType
from dagster._core.remote_origin import GrpcServerCodeLocationOrigin, RemoteInstigatorOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    SensorInstigatorData,
    TickData,
    TickStatus,
)
from dagster._utils.error import SerializableErrorInfo  # type: ignore[attr-defined]

_LOCATION = GrpcServerCodeLocationOrigin(host="127.0.0.1", port=1, location_name="made up")


def fail_ticks(instance: dg.DagsterInstance, sensor: str, times: int, reason: str = "a link to itself") -> None:
    """Let a sensor go well once, and then fail so often."""
    origin = RemoteInstigatorOrigin(RemoteRepositoryOrigin(_LOCATION, "made up"), sensor)
    state = InstigatorState(
        origin, InstigatorType.SENSOR, InstigatorStatus.RUNNING, SensorInstigatorData(sensor_type=SensorType.STANDARD)
    )
    if not instance.all_instigator_state():
        instance.add_instigator_state(state)
    cause = SerializableErrorInfo(f"{reason}\n", [], None)
    error = SerializableErrorInfo(f"Error in the sensor {sensor}\n", [], "SensorExecutionError", cause)
    for status in (TickStatus.SUCCESS, *(TickStatus.FAILURE for _ in range(times))):
        failed = status is TickStatus.FAILURE
        instance.create_tick(
            TickData(
                instigator_origin_id=state.instigator_origin_id,
                instigator_name=sensor,
                instigator_type=state.instigator_type,
                status=status,
                timestamp=time.time(),
                run_ids=[],
                selector_id=state.selector_id,
                error=error if failed else None,
            )
        )
