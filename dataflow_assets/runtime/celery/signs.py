"""Which workers live, and what each can do: every worker says so in Redis, again and again, until it ends.

Celery itself asks workers over Redis, and one that ends once its runs are done does not answer any more. As a program,
`python -m dataflow_assets.runtime.celery.signs`, this is a probe: it fails unless a worker of this host lives.

Here: the signs of life, and reading them. Not here: what a worker does (see `worker`).
"""

import json
import socket
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cache

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from dataflow_assets.settings import load_settings

BEAT_SECONDS = 5.0
KEPT_SECONDS = 25  # so that Dagster, which looks every 30 seconds, knows of a lost worker within a minute
_PREFIX = "dataflow.worker."
_PATIENCE_SECONDS = 3.0


@dataclass(frozen=True)
class Worker:
    """A worker that lives: its name, which no other start has, the code that it runs, and what it takes.

    `slots` is how many runs it makes at once; none are given to one that `is_ending`. `runs` are those that it makes.
    """

    name: str
    code: str
    slots: int
    queues: tuple[str, ...]
    is_ending: bool = False
    runs: tuple[str, ...] = ()


@cache
def connect(url: str) -> "Redis":
    """A client of Redis, which connects when it is used; nobody waits long for a server that is away."""
    return Redis.from_url(
        url,
        socket_timeout=_PATIENCE_SECONDS,
        socket_connect_timeout=_PATIENCE_SECONDS,
        retry=Retry(NoBackoff(), 0),
        health_check_interval=10,
    )


def give_sign(redis: Redis, worker: Worker) -> None:
    """Say that a worker lives."""
    redis.set(_PREFIX + worker.name, json.dumps(asdict(worker)), ex=KEPT_SECONDS)


def withdraw(redis: Redis, worker: Worker) -> None:
    """Say that a worker has ended."""
    redis.delete(_PREFIX + worker.name)


def read_workers(redis: Redis) -> list[Worker]:
    """The workers that live, by name."""
    keys = sorted(redis.scan_iter(match=f"{_PREFIX}*", count=1000))
    return [_parse(said) for said in (redis.mget(keys) if keys else ()) if said]


def find_worker(redis: Redis, name: str) -> Worker | None:
    """The worker of a name, if it lives."""
    said = redis.get(_PREFIX + name)
    return _parse(said) if said else None


def has_heard_all(redis: Redis) -> bool:
    """Whether Redis runs for so long that every worker has given a sign since."""
    return bool(redis.info("server")["uptime_in_seconds"] > KEPT_SECONDS)


def _parse(said: bytes | str) -> Worker:
    fields = json.loads(said)
    return Worker(**(fields | {name: tuple(fields[name]) for name in ("queues", "runs")}))


def count_slots(workers: Iterable[Worker], code: str, queue: str | None = None) -> int:
    """How many runs the workers of some code make at once, of all queues or of one."""
    able = (one for one in workers if one.code == code and not one.is_ending)
    return sum(one.slots for one in able if queue is None or queue in one.queues)


def _main() -> None:
    url = load_settings().redis_url
    workers = read_workers(connect(url.get_secret_value())) if url else []
    sys.exit(not any(one.name.endswith(f"@{socket.gethostname()}") for one in workers))


if __name__ == "__main__":
    _main()
