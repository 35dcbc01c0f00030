#!/usr/bin/env bash
# Dagster does not retry a run whose failure its daemon looks at just before that is the run's status.
#
# Versions: dagster 1.13.27, sqlalchemy 2.0.58, protobuf 6.33.6
# Expected: With `run_retries` enabled, a run that the platform reports as failed is retried.
# Seen: A failure is stored as an event first, and in the run's status after that. The daemon looks at each event once,
# retries only what has the status FAILURE, and moves its cursor on: a look between the two passes the run over for good.
# Why it matters: A run whose worker died is left alone now and then, more often on a busy machine: store the status first
# (`store_event` of an event log of one's own can), or look for failed runs without a retry.
set -euo pipefail
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT && cd "$work"
packages=(dagster==1.13.27 sqlalchemy==2.0.58 protobuf==6.33.6)
if command -v uv >/dev/null; then uv venv -q venv && uv pip install -q -p venv/bin/python "${packages[@]}"
else python3 -m venv venv && venv/bin/pip install -q "${packages[@]}"; fi
export DAGSTER_HOME="$work" DAGSTER_DISABLE_TELEMETRY=yes PYTHONWARNINGS=ignore
echo 'run_retries: {enabled: true, max_retries: 2}' >dagster.yaml
cat >look.py <<'PY'
from types import SimpleNamespace

import dagster as dg
from dagster._daemon.auto_run_reexecution.event_log_consumer import EventLogConsumerDaemon

REACHED = "unable to retry the run"  # what the daemon says where it would retry a run that nobody launched


@dg.job
def nothing() -> None:
    pass


def look(instance: dg.DagsterInstance) -> None:
    """What the daemon does every five seconds."""
    context = SimpleNamespace(instance=instance, create_request_context=lambda: None)
    list(EventLogConsumerDaemon().run_iteration(context))


def fail(instance: dg.DagsterInstance, between: bool) -> bool:
    """Whether the daemon gets as far as retrying a run that failed."""
    run = instance.create_run_for_job(nothing, status=dg.DagsterRunStatus.STARTED)
    store_status = instance.run_storage.handle_run_event
    if between:
        instance.run_storage.handle_run_event = lambda *given: (look(instance), store_status(*given))[1]
    instance.report_run_failed(run)
    instance.run_storage.handle_run_event = store_status
    look(instance)
    assert instance.get_run_by_id(run.run_id).status is dg.DagsterRunStatus.FAILURE
    return any(REACHED in entry.message for entry in instance.all_logs(run.run_id))


with dg.DagsterInstance.get() as instance:
    look(instance)  # from here on
    print(f"a look after the failure: {fail(instance, between=False)}, one in its midst: {fail(instance, between=True)}")
PY
venv/bin/python look.py 2>log | tee seen
[ "$(cat seen)" = "a look after the failure: True, one in its midst: False" ] || { cat log; echo "the behaviour has changed"; exit 1; }
