"""What runs: Dagster's runs, daemon and sensors.

Here: whether what should run does, and what runs in vain. Not here: ending or starting anything.
"""

import math
from datetime import UTC, datetime, timedelta

from dataflow_assets.core.formatting import few
from dataflow_assets.doctor.finding import MOST_NAMED, Finding
from dataflow_assets.runtime.instance import is_stranded, open_instance, runs_under_way
from dataflow_assets.runtime.only_one import is_up
from dataflow_assets.runtime.sensors import find_failing_sensors
from dataflow_assets.settings import Settings

_LONG = timedelta(hours=6)
_ALIVE_SECONDS = 90  # three signs of life; Dagster itself takes a daemon for alive for half an hour


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
    """Whether Dagster's daemon lives, all of its parts: each gives a sign of life every 30 seconds."""
    with open_instance(settings) as instance:
        parts = instance.get_daemon_statuses()
    now, beats = datetime.now(UTC).timestamp(), [part.last_heartbeat for part in parts.values()]
    ages = {name: now - beat.timestamp if beat else math.inf for name, beat in zip(parts, beats, strict=True)}
    dead = sorted(name for name, age in ages.items() if age > _ALIVE_SECONDS)
    if dead and len(dead) < len(parts):
        said = f"Parts of it do not run: {few(dead, MOST_NAMED)}."
        return Finding("daemon", "problem", said, "Start `dataflow up` again.")
    youngest = min(ages.values())
    if dead:
        beat = datetime.fromtimestamp(now - youngest, UTC) if math.isfinite(youngest) else None
        since = f" since {beat:%Y-%m-%d %H:%M} UTC" if beat else ""
        said = f"It does not run{since}: no file is taken in by itself."
        return Finding("daemon", "warning", said, "Start `dataflow up`, unless you load by hand alone.")
    seen = f"its last sign of life is {youngest:.0f} s old"
    if settings.database_url is None and not is_up(settings.home):  # else the daemon may be on another machine
        said = f"`dataflow up` does not run, though {seen}: it was stopped just now, or the daemon runs by itself."
        return Finding("daemon", "warning", said, "Start `dataflow up`, unless you load by hand alone.")
    return Finding("daemon", "ok", f"It runs, {seen}: files are taken in as they come.")


def sensors(settings: Settings) -> Finding:
    """Whether the last tick of each sensor that is on went well."""
    with open_instance(settings) as instance:
        failing = find_failing_sensors(instance)
    if not failing:
        return Finding("sensors", "ok", "The last tick of each of them went well.")
    said = " ".join(f"{one.name} failed, {one.ticks} times by now: {one.reason}" for one in failing)
    return Finding("sensors", "problem", said, "What they ask for is not done; the Dagster UI shows their ticks.")
