"""The alert sensors: one for each channel, each with a place of its own in the event log.

Here: which alerts a channel has not sent yet. Not here: what an alert says (see `alerts`), and sending (see
`channels`).

A channel that fails is tried again at the next tick, from where it stood; the others go on. An alert is sent twice only
where a tick is killed between sending it and saying so. A channel that is new is told of what comes from then on.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import dagster as dg

from dataflow_assets.orchestration.alerting.alerts import Alert, failed_check, failed_run, failing_sensor
from dataflow_assets.orchestration.alerting.channels import Channel, NotSentError, build_channels
from dataflow_assets.orchestration.automation.waiting import TICK_SECONDS, Look, look_until_there_is_something
from dataflow_assets.orchestration.event_cursor import EventCursor, read_cursors, write_cursors
from dataflow_assets.runtime.sensors import find_failing_sensors
from dataflow_assets.settings import Settings

_SECONDS = 10
_MOST = 5_000  # events of a kind that a tick looks at
_FAILED_TICKS = 3  # of a sensor, one after the other
_LONGEST_REASON = 2_000  # characters; a chat refuses long messages
_MOST_SENT = 20  # the rest is left for the next one

_Records = list[dg.EventLogRecord]


def build_alert_sensors(settings: Settings) -> list[dg.SensorDefinition]:
    """A sensor for each channel that the settings name."""
    return [_alert_sensor(settings, channel) for channel in build_channels(settings)]


def _alert_sensor(settings: Settings, channel: Channel) -> dg.SensorDefinition:
    @dg.sensor(
        name=f"alerts_by_{channel.name}",
        minimum_interval_seconds=_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Tells of failed runs, of checks that did not pass, and of sensors that fail.",
    )
    def alerts(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        return look_until_there_is_something(lambda cursor: _look(context, channel, settings, cursor), context.cursor)

    return alerts


def _look(context: dg.SensorEvaluationContext, channel: Channel, settings: Settings, cursor: str | None) -> Look:
    """Send what there is to tell; the tick ends where something was sent, so that this is remembered at once."""
    if cursor is None:
        reason = f"Alerts go by {channel.name} from now on."
        return Look(dg.SensorResult(skip_reason=reason, cursor=write_cursors(_ends(context.instance))), None)
    places = read_cursors(cursor)
    sent = _send_of_events(context, channel, settings, places)
    try:
        sent += _send_of_sensors(context, channel, settings, places)
    except NotSentError as error:
        if not sent:
            raise
        context.log.error(str(error))
    reason = f"Sent {sent}." if sent else "Nothing to tell."
    said = dg.SensorResult(skip_reason=reason, cursor=write_cursors(places))
    return Look(said, None if sent else TICK_SECONDS)


def _send(channel: Channel, alert: Alert, settings: Settings) -> None:
    """Send an alert without secrets; of one that is cut in two, half would be left."""
    reason = settings.masked(alert.reason)
    shown = reason if len(reason) <= _LONGEST_REASON else reason[: _LONGEST_REASON - 1] + "…"
    channel.send(replace(alert, reason=shown))


def _send_of_events(
    context: dg.SensorEvaluationContext, channel: Channel, settings: Settings, places: dict[str, EventCursor]
) -> int:
    """Send the alerts of the events after some places, and move these; how many were sent."""
    sent = 0
    for kind, (read, alert_of) in _kinds(context.instance, settings.ui_url).items():
        place: EventCursor = places[kind]
        taken: _Records = []
        try:
            for record in read(place):
                alert = alert_of(record) if place.new([record]) else None
                if alert and sent == _MOST_SENT:
                    break
                if alert:
                    _send(channel, alert, settings)
                    sent += 1
                taken.append(record)
        except NotSentError as error:
            if not sent:
                raise
            context.log.error(str(error))
        places[kind] = place.after(taken)
    return sent


def _send_of_sensors(
    context: dg.SensorEvaluationContext, channel: Channel, settings: Settings, places: dict[str, EventCursor]
) -> int:
    """Send an alert of each sensor that fails again and again, once until it goes well; how many were sent."""
    failing = {
        f"sensor {one.name}": one for one in find_failing_sensors(context.instance) if one.ticks >= _FAILED_TICKS
    }
    for name in [name for name in places if name.startswith("sensor ") and name not in failing]:
        del places[name]
    new = [name for name in failing if name not in places]
    for name in new:
        _send(channel, failing_sensor(failing[name], settings.ui_url), settings)
        places[name] = EventCursor()
    return len(new)


def _kinds(
    instance: dg.DagsterInstance, ui: str
) -> dict[str, tuple[Callable[[EventCursor], _Records], Callable[[dg.EventLogRecord], Alert | None]]]:
    """Of each kind of event how it is read after a place, oldest first, and what it tells."""
    return {
        "runs": (partial(_failures, instance), lambda record: failed_run(instance, record, ui)),
        "checks": (partial(_evaluations, instance), lambda record: failed_check(record, ui)),
    }


def _failures(instance: dg.DagsterInstance, place: EventCursor) -> _Records:
    wanted = dg.RunStatusChangeRecordsFilter(dg.DagsterEventType.RUN_FAILURE, after_storage_id=place.settled)
    return list(instance.fetch_run_status_changes(wanted, limit=place.limit(_MOST), ascending=True).records)


def _evaluations(instance: dg.DagsterInstance, place: EventCursor) -> _Records:
    wanted = dg.EventRecordsFilter(dg.DagsterEventType.ASSET_CHECK_EVALUATION, after_cursor=place.settled)
    return list(instance.get_event_records(wanted, limit=place.limit(_MOST), ascending=True))


def _ends(instance: dg.DagsterInstance) -> dict[str, EventCursor]:
    """The place after every event that there is."""
    failures = instance.fetch_run_status_changes(dg.DagsterEventType.RUN_FAILURE, limit=1).records
    evaluations = instance.get_event_records(dg.EventRecordsFilter(dg.DagsterEventType.ASSET_CHECK_EVALUATION), limit=1)
    return {
        kind: EventCursor(records[0].storage_id if records else 0)
        for kind, records in (("runs", failures), ("checks", evaluations))
    }
