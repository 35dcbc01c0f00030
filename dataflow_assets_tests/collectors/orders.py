"""A source of orders as messages, whatever brings them.

Here: the declaration. Not here: brokers and servers.
"""

import dataframely as dy

from dataflow_assets.sources.base import Events
from dataflow_assets.sources.formats import Json
from dataflow_assets.sources.origins.base import Origin


class Orders(dy.Schema):
    """One order of a shop."""

    number = dy.Int64()
    placed = dy.Datetime(time_zone="UTC")


def orders_from(origin: Origin) -> Events:
    """Orders that arrive as messages: of each its number, and when it was sent."""
    return Events(
        name="orders",
        singular="order",
        description="Orders of the shop.",
        owner="team:shop",
        schema=Orders,
        reader=Json(lines=True, payload="$.value", paths={"number": "$.value.id", "placed": "$.timestamp"}),
        key=("number", "placed"),
        event_time="placed",
        arrives=origin,
    )
