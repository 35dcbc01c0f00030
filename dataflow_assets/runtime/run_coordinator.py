"""How many runs Dagster launches at once: as many as there are processes for them.

Here: the limit, named by dagster.yaml. What waits does so in Dagster's queue, where the UI shows it, and whence no lost
process takes it. Not here: launching (see `run_launcher`), and the limits of pools, which dagster.yaml says.
"""

import logging
import time
from collections.abc import Mapping
from typing import Any, Self

from dagster import DagsterRun, QueuedRunCoordinator

from dataflow_assets.runtime.tags import QUEUE
from dataflow_assets.settings import load_settings

_LOOK_SECONDS = 1.0


class WorkerRunCoordinator(QueuedRunCoordinator[Any]):
    """Launches as many runs as the Celery workers of this code can make, where there is a Redis; else up to a limit.

    While Redis is away, none is launched.
    """

    def __init__(self, redis_url: str | None = None, **config: Any) -> None:
        super().__init__(**config)
        self._redis_url = redis_url
        self._looked, self._slots = 0.0, dict[str | None, int]()
        # It says every second that all of them are busy.
        logging.getLogger("dagster.daemon.QueuedRunCoordinatorDaemon").addFilter(_is_news)

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Mapping[str, Any]) -> Self:
        """Make one of the configuration of Dagster's own, and of the settings."""
        url = load_settings().redis_url
        return cls(url.get_secret_value() if url else None, inst_data=inst_data, **config_value)

    def get_run_queue_config(self) -> Any:
        """The limits as they are now."""
        config = super().get_run_queue_config()
        if self._redis_url is None:
            return config
        if time.monotonic() - self._looked > _LOOK_SECONDS:
            self._slots, self._looked = _count_slots(self._redis_url), time.monotonic()
        limits = [{"key": QUEUE, "value": name, "limit": count} for name, count in self._slots.items() if name]
        return config._replace(max_concurrent_runs=self._slots[None], tag_concurrency_limits=limits)

    def submit_run(self, context: Any) -> DagsterRun:
        """Put a run into Dagster's queue; of Celery workers, with the tag by which it counts."""
        if self._redis_url is not None:
            from dataflow_assets.runtime.celery.queues import queue_of  # noqa: PLC0415, not without Redis

            run = context.dagster_run
            self._instance.add_run_tags(run.run_id, {QUEUE: queue_of(run)})
        return super().submit_run(context)


def _is_news(record: logging.LogRecord) -> bool:
    return "won't launch more" not in record.getMessage()


def _count_slots(redis_url: str) -> dict[str | None, int]:
    """How many runs the workers make at once, by queue, and all in all (None)."""
    from redis.exceptions import RedisError  # noqa: PLC0415, not without Redis

    from dataflow_assets.runtime.celery.queues import QUEUES  # noqa: PLC0415
    from dataflow_assets.runtime.celery.signs import connect, count_slots, read_workers  # noqa: PLC0415
    from dataflow_assets.runtime.code_version import code_version  # noqa: PLC0415

    try:
        workers = read_workers(connect(redis_url))
    except (RedisError, OSError):
        workers = []
    return {queue: count_slots(workers, code_version(), queue) for queue in (None, *QUEUES)}
