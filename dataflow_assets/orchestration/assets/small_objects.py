"""The small objects of a run, which are ingested in groups, while what the run says and fails with is by day.

Here: which objects make a group, and giving each its share of the time. Not here: ingesting (see `lake_run`).
"""

import time
from collections.abc import Callable, Sequence

from dataflow_assets.core.iteration import batched
from dataflow_assets.lake.ingest import Intake
from dataflow_assets.landing.deliveries import Delivery

_SMALL_BYTES = 1 << 20
_MOST_OBJECTS = 50  # as many as are made again after a crash


class SmallObjects:
    """The intakes of a run's small objects, each group of which is ingested when the first of it is asked for.

    Args:
        deliveries: the objects of the run.
        ingest: ingests some of a group, at once, and gives their intakes.
    """

    def __init__(self, deliveries: Sequence[Delivery], ingest: Callable[[list[Delivery]], list[Intake]]) -> None:
        small = [one for one in deliveries if one.size <= _SMALL_BYTES]
        groups = [group for group in batched(small, _MOST_OBJECTS) if len(group) > 1]
        self._group_of = {one.object: group for group in groups for one in group}
        self._ingest = ingest
        self._intakes: dict[str, tuple[Intake, float]] = {}
        self.borrowed_seconds = 0.0  # by which the objects asked for took longer, as others of their groups took none

    def take(self, delivery: Delivery) -> Intake | None:
        """The intake of an object that was ingested with its group, once."""
        if group := self._group_of.get(delivery.object):
            for one in group:
                del self._group_of[one.object]
            start = time.monotonic()
            intakes = self._ingest(group)
            seconds = time.monotonic() - start
            self._intakes |= {one.delivery.object: (one, seconds / len(intakes)) for one in intakes}
            self.borrowed_seconds += seconds if intakes else 0.0
        intake, share = self._intakes.pop(delivery.object, (None, 0.0))
        self.borrowed_seconds -= share
        return intake
