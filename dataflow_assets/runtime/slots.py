"""How many runs can be made at once, so that a large request becomes so many.

Here: counting. Not here: cutting the request (see `orchestration.planning.shares`), and launching (see
`run_coordinator`).
"""

from dataflow_assets.settings import Settings


def count_slots(settings: Settings) -> int:
    """How many runs the Celery workers make at once; 1 without them, for one machine is busy with one."""
    if settings.redis_url is None:
        return 1
    from redis.exceptions import RedisError  # noqa: PLC0415, not without Redis

    from dataflow_assets.runtime.celery import signs  # noqa: PLC0415
    from dataflow_assets.runtime.code_version import code_version  # noqa: PLC0415

    try:
        workers = signs.read_workers(signs.connect(settings.redis_url.get_secret_value()))
    except (RedisError, OSError):
        return 1
    return max(1, signs.count_slots(workers, code_version()))
