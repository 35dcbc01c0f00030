"""What runs: Dagster's runs, daemon and sensors.

Here: whether what should run does, and what runs in vain. Not here: ending or starting anything.
"""

from datetime import UTC, datetime, timedelta

from dataflow_assets.core.formatting import few
from dataflow_assets.doctor.finding import MOST_NAMED, Finding
from dataflow_assets.runtime.instance import is_stranded, open_instance, runs_under_way
from dataflow_assets.runtime.sensors import find_failing_sensors
from dataflow_assets.settings import Settings

_LONG = timedelta(hours=6)


def runs(settings: Settings) -> Finding:
    """Whether a run is under way whose process is gone, or for very long."""
    with open_instance(settings) as instance:
        under_way = runs_under_way(instance)
    gone = [record.dagster_run.run_id for record in under_way if is_stranded(record.dagster_run)]
    if gone:
        advice = "Start `dataflow up` again, which marks them as failed, or terminate them in the Dagster UI."
        said = f"The process is gone that was to make the run {few(gone, MOST_NAMED)}."
        return Finding("runs", "problem", said, advice)
    before = (datetime.now(UTC) - _LONG).timestamp()
    long = [record.dagster_run.run_id for record in under_way if record.start_time and record.start_time < before]
    if long:
        said = f"Under way for more than {_LONG // timedelta(hours=1)} hours: the run {few(long, MOST_NAMED)}."
        advice = "Look at the log in the Dagster UI, and terminate the run there if its process is gone."
        return Finding("runs", "warning", said, advice)
    return Finding("runs", "ok", f"{len(under_way)} are under way.")


def daemon(settings: Settings) -> Finding:
    """Whether Dagster's daemon lives, all of its parts."""
    with open_instance(settings) as instance:
        parts = instance.get_daemon_statuses()
    dead = sorted(name for name, part in parts.items() if not part.healthy)
    if not dead:
        return Finding("daemon", "ok", "It runs: files are taken in as they come.")
    if len(dead) < len(parts):
        said = f"Parts of it do not run: {few(dead, MOST_NAMED)}."
        return Finding("daemon", "problem", said, "Start `dataflow up` again.")
    beats = [part.last_heartbeat.timestamp for part in parts.values() if part.last_heartbeat]
    since = f" since {datetime.fromtimestamp(max(beats), UTC):%Y-%m-%d %H:%M} UTC" if beats else ""
    said = f"It does not run{since}: no file is taken in by itself."
    return Finding("daemon", "warning", said, "Start `dataflow up`, unless you load by hand alone.")


def sensors(settings: Settings) -> Finding:
    """Whether the last tick of each sensor that is on went well."""
    with open_instance(settings) as instance:
        failing = find_failing_sensors(instance)
    if not failing:
        return Finding("sensors", "ok", "The last tick of each of them went well.")
    said = " ".join(f"{one.name} failed, {one.ticks} times by now: {one.reason}" for one in failing)
    return Finding("sensors", "problem", said, "What they ask for is not done; the Dagster UI shows their ticks.")
