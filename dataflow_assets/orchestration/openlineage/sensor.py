"""The sensor that tells a server of lineage what runs did, with a place of its own in the event log.

Here: which runs began and ended since it looked last, and sending their events. Not here: what the events say (see
`events`).

A server that is away is told later: the place moves past a run when all of its events were taken. A run may be told
twice, where a tick is killed between the two; its events are the same then. Who sets the address is told of what comes
from then on.
"""

import time
from collections.abc import Iterable, Iterator
from typing import ClassVar, Literal, get_args

import dagster as dg
import requests
from openlineage.client.event_v2 import RunEvent
from openlineage.client.serde import Serde

from dataflow_assets.errors import DataFlowError
from dataflow_assets.orchestration.automation.waiting import TICK_SECONDS, Look, look_until_there_is_something
from dataflow_assets.orchestration.event_cursor import EventCursor, read_cursors, write_cursors
from dataflow_assets.orchestration.openlineage.datasets import Datasets, collect_datasets
from dataflow_assets.orchestration.openlineage.events import ended, read_run, started
from dataflow_assets.settings import Settings

_SECONDS = 10  # between ticks, and for an answer
_MOST = 1_000  # runs of a kind that a tick looks at
_REFUSALS = (400, 413, 422)  # what is wrong is the event
# What happens to a run: it begins, and ends in one of three ways.
_Kind = Literal[
    dg.DagsterEventType.RUN_START,
    dg.DagsterEventType.RUN_SUCCESS,
    dg.DagsterEventType.RUN_FAILURE,
    dg.DagsterEventType.RUN_CANCELED,
]
_KINDS: tuple[_Kind, ...] = get_args(_Kind)


def build_lineage_sensor(
    settings: Settings, url: str, assets: Iterable[dg.AssetsDefinition | dg.AssetSpec]
) -> dg.SensorDefinition:
    """The sensor that sends to one server what becomes of these assets."""
    datasets, server = collect_datasets(settings, assets), _Server(settings, url)

    @dg.sensor(
        name="openlineage",
        minimum_interval_seconds=_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Tells OPENLINEAGE_URL what runs read and wrote.",
    )
    def openlineage(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        return look_until_there_is_something(lambda cursor: _look(context, server, datasets, cursor), context.cursor)

    return openlineage


class NotSentError(DataFlowError):
    """The server of lineage did not take an event; it is sent again at the next tick."""

    code: ClassVar[str] = "lineage_not_sent"


class RefusedEventError(DataFlowError):
    """The server of lineage will not take an event."""

    code: ClassVar[str] = "lineage_refused"


class _Server:
    """What takes the events."""

    def __init__(self, settings: Settings, url: str) -> None:
        self._settings = settings
        self._address = f"{url.rstrip('/')}/api/v1/lineage"

    def send(self, event: RunEvent) -> None:
        """Send an event without secrets.

        Raises:
            RefusedEventError: the server will never take it.
            NotSentError: the server may not have taken it, and may later.
        """
        headers = {"Content-Type": "application/json"}
        if self._settings.openlineage_api_key:
            headers["Authorization"] = f"Bearer {self._settings.openlineage_api_key.get_secret_value()}"
        body = self._settings.masked(Serde.to_json(event)).encode()
        try:
            answer = requests.post(self._address, data=body, headers=headers, timeout=_SECONDS, allow_redirects=False)
        except requests.RequestException as error:
            raise NotSentError(f"The server of OPENLINEAGE_URL cannot be reached: {type(error).__name__}.") from None
        if not 200 <= answer.status_code < 300:
            kind = RefusedEventError if answer.status_code in _REFUSALS else NotSentError
            raise kind(f"The server of OPENLINEAGE_URL answered {answer.status_code}.")


def _look(context: dg.SensorEvaluationContext, server: _Server, datasets: Datasets, cursor: str | None) -> Look:
    """Tell of what is new; the tick ends where something was told, so that this is remembered at once."""
    if cursor is None:
        said = dg.SensorResult(skip_reason="Runs are told from now on.", cursor=write_cursors(_ends(context.instance)))
        return Look(said, None)
    places, told, end = read_cursors(cursor), 0, time.monotonic() + TICK_SECONDS
    try:
        for _ in _tell(context, server, datasets, places):
            told += 1
            if time.monotonic() > end:  # Dagster gives up a long tick, and nothing of it would be remembered
                break
    except NotSentError as error:
        if not told:
            raise
        context.log.error(str(error))
    reason = f"Told of {told}." if told else "Nothing to tell."
    return Look(dg.SensorResult(skip_reason=reason, cursor=write_cursors(places)), None if told else TICK_SECONDS)


def _tell(
    context: dg.SensorEvaluationContext, server: _Server, datasets: Datasets, places: dict[str, EventCursor]
) -> Iterator[dg.EventLogRecord]:
    """Tell of what happened to runs after some places; whenever one thing was told, its place has moved past it."""
    for kind in _KINDS:
        place = places[kind.value]
        wanted = dg.RunStatusChangeRecordsFilter(kind, after_storage_id=place.settled)
        records = context.instance.fetch_run_status_changes(wanted, limit=place.limit(_MOST), ascending=True).records
        new = {record.storage_id for record in place.new(records)}
        for number, record in enumerate(records, start=1):
            if record.storage_id in new:
                for event in _events(context.instance, datasets, kind, record.run_id):
                    _send(context, server, event)
                places[kind.value] = place.after(records[:number])
                yield record
        places[kind.value] = place.after(records)


def _events(instance: dg.DagsterInstance, datasets: Datasets, kind: _Kind, run_id: str) -> Iterable[RunEvent]:
    """What there is to tell of one thing that happened to a run; nothing of a run that is no longer there."""
    run = read_run(instance, run_id)
    if run is None:
        return []
    return [started(run)] if kind is dg.DagsterEventType.RUN_START else ended(run, datasets)


def _send(context: dg.SensorEvaluationContext, server: _Server, event: RunEvent) -> None:
    """Send an event; one that the server will never take is left out, so that it holds up no other."""
    try:
        server.send(event)
    except RefusedEventError as error:
        context.log.error(f"An event of {event.job.name} is left out. {error}")


def _ends(instance: dg.DagsterInstance) -> dict[str, EventCursor]:
    """The place after every event that there is."""
    newest = {kind: instance.fetch_run_status_changes(kind, limit=1).records for kind in _KINDS}
    return {kind.value: EventCursor(found[0].storage_id if found else 0) for kind, found in newest.items()}
