"""The Celery workers that make the runs, where there is a Redis.

Here: whether Redis answers, and whether workers of this code take every queue. Not here: starting them.
"""

from redis.exceptions import RedisError

from dataflow_assets.doctor.finding import Finding, first_line
from dataflow_assets.runtime.celery.queues import QUEUES
from dataflow_assets.runtime.celery.signs import connect, count_slots, read_workers
from dataflow_assets.runtime.code_version import code_version
from dataflow_assets.settings import Settings


def workers(settings: Settings) -> Finding:
    """Whether there are workers for every run that Dagster may launch."""
    assert settings.redis_url
    try:
        found = read_workers(connect(settings.redis_url.get_secret_value()))
    except (RedisError, OSError) as error:
        said = f"Redis does not answer: {first_line(error)}."
        return Finding("workers", "problem", said, "No run is launched until it does; unset REDIS_URL to do without.")
    code = code_version()
    slots = count_slots(found, code)
    said = f"They make {slots} runs at once by the code {code}."
    if others := sorted(one.name for one in found if one.code != code):
        said += f" Of other code, and so without runs: {', '.join(others)}."
    if missing := [queue for queue in QUEUES if not count_slots(found, code, queue)]:
        said = said if slots else f"None lives that runs the code {code}.{said.partition('.')[2]}"
        return Finding("workers", "problem", f"{said} Runs wait of {', '.join(missing)}.", "Start `dataflow worker`.")
    return Finding("workers", "warning" if others else "ok", said, "Update those workers." if others else "")
