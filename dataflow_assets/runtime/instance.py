"""Dagster's instance, which keeps its runs and events in the same PostgreSQL as the warehouse.

Here: opening the instance, and mending what a platform that was killed left in it. Not here: its folder (see
`dagster_home`), and the processes that work for it (see `up`).
"""

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from dagster import DagsterInstance, DagsterRun, DagsterRunStatus, RunRecord, RunsFilter
from dagster._serdes import ConfigurableClassData  # what every part of an instance is named by

from dataflow_assets.runtime.dagster_home import build_environment, prepare_home
from dataflow_assets.runtime.event_log import EventLog
from dataflow_assets.runtime.process_group import is_listening
from dataflow_assets.runtime.run_launcher import is_lost
from dataflow_assets.settings import Settings

POOLS = ("collectors", "database", "object_store")  # each limits how many runs use one thing at a time

_NO_OUTPUT = ConfigurableClassData("dagster._core.storage.noop_compute_log_manager", "NoOpComputeLogManager", "{}")
_UNDER_WAY = (DagsterRunStatus.STARTING, DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING)
_TICKS = ("last_tick_timestamp", "last_tick_start_timestamp")  # what a sensor's state says of its last tick
_SERVER_TAG = ".dagster/grpc_info"  # where a launched run's worker was started


@contextmanager
def open_instance(settings: Settings) -> Iterator[DagsterInstance]:
    """The instance of these settings, for work in this process; what it starts finds the same one."""
    prepare_home(settings)
    with _set_environment(build_environment(settings)), DagsterInstance.get() as instance:
        yield instance


@contextmanager
def open_quick_instance(settings: Settings) -> Iterator[DagsterInstance]:
    """The same for runs of a command, which prints what they print.

    The server writes their events to its disk by the end of the block.
    """
    with open_instance(settings) as instance, keeping_no_output(instance) as quick:
        log = quick.event_log_storage
        assert isinstance(log, EventLog)
        with log.written_at_the_end():
            yield quick


@contextmanager
def keeping_no_output(instance: DagsterInstance) -> Iterator[DagsterInstance]:
    """The same instance for runs whose output stays where this process prints: in a terminal, or with another run's.

    To keep it for each takes four more processes a run, and a sixth of a small run's time (dagster 1.13.27,
    `findings/dagster-processes-of-output.sh`).
    """
    if not instance.is_persistent:  # it is in memory, and keeps none
        yield instance
        return
    with DagsterInstance.from_ref(instance.get_ref()._replace(compute_logs_data=_NO_OUTPUT)) as quick:
        yield quick


def make_ready(instance: DagsterInstance) -> None:
    """What is done before the platform's processes start, and may be done while they run."""
    fail_stranded_runs(instance)
    forget_future_ticks(instance)
    show_pools(instance)


def fail_stranded_runs(instance: DagsterInstance) -> None:
    """Mark the runs as failed whose code server is gone: killed with it, they cannot say so and would block others."""
    for record in runs_under_way(instance):
        if is_stranded(record.dagster_run):
            message = "The platform was stopped while this run was under way."
            instance.report_run_failed(record.dagster_run, message)


def show_pools(instance: DagsterInstance) -> None:
    """Give each pool that has no limit the default: the UI shows no pool before a run has used it."""
    storage = instance.event_log_storage
    known = {pool.name for pool in storage.get_pool_limits()}
    for pool in POOLS:
        if pool not in known:
            storage.initialize_concurrency_limit_to_default(pool)


def forget_future_ticks(instance: DagsterInstance) -> None:
    """Let the sensors look again at once where the clock was set back: else they wait until their last tick is past."""
    for state in instance.all_instigator_state():
        data: Any = state.instigator_data
        last = [getattr(data, name, None) or 0.0 for name in _TICKS]
        if max(last) > time.time():
            instance.update_instigator_state(state.with_data(data._replace(**dict.fromkeys(_TICKS))))


def runs_under_way(instance: DagsterInstance) -> Sequence[RunRecord]:
    """The runs that have started and not ended, as far as they could say so."""
    return instance.get_run_records(RunsFilter(statuses=list(_UNDER_WAY)))


def is_stranded(run: DagsterRun) -> bool:
    """Whether the process on this machine that was to make a run is gone: a run server, or a code server."""
    if is_lost(run):
        return True
    server = json.loads(run.tags.get(_SERVER_TAG, "{}"))
    return server.get("host") == "127.0.0.1" and not is_listening(int(server["port"]))


@contextmanager
def _set_environment(variables: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
