"""What the landing sensor is told of: the notifications of the object store, and what waits because of them.

Here: taking in what was told, and forgetting what became of it. Not here: what it says (see `landing.events`), and
whether it is new (see `ledger.discovery`).
"""

from collections.abc import Sequence

import dagster as dg

from dataflow_assets.landing.deliveries import Delivery
from dataflow_assets.landing.event_queue import EventQueue
from dataflow_assets.landing.events import NotificationError, read_notification
from dataflow_assets.landing.listing import Listed
from dataflow_assets.landing.storage import Storage
from dataflow_assets.ledger.pending import add_pending, ask_again, drop_pending, note_objects, read_pending
from dataflow_assets.postgres.connection import Connection, transaction
from dataflow_assets.settings import Settings

_MANY_OBJECTS = 20_000  # are looked at, and the rest is left to the next time


def receive(
    context: dg.SensorEvaluationContext, settings: Settings, connection: Connection, storage: Storage
) -> list[Listed]:
    """What waits, with what the queue tells; a message is deleted once the record of what waits has its objects.

    A message that cannot be read is told, and deleted too: what it spoke of is found by the next listing.
    """

    def note(messages: list[str]) -> None:
        keys: list[str] = []
        for message in messages:
            try:
                keys += read_notification(message, storage)
            except NotificationError as error:
                context.log.warning(f"{error} It is left out: {message[:200]}")
        note_objects(connection, storage, keys)

    if settings.s3_events_queue_url:
        EventQueue(settings).take(note)
    ask_again(connection, storage)
    return read_pending(connection, _MANY_OBJECTS)


def keep(connection: Connection, settings: Settings, told: Sequence[Listed], fresh: Sequence[Delivery]) -> None:
    """Forget what is known, gone or nobody's; where landing is seldom listed, remember what a listing found."""
    versions, known = {(one.object, one.etag) for one in fresh}, {(one.key, one.etag) for one in told}
    with transaction(connection):
        drop_pending(connection, (one for one in told if (one.key, one.etag) not in versions))
        if settings.listing_seconds is not None:
            add_pending(connection, (one for one in fresh if (one.object, one.etag) not in known))
