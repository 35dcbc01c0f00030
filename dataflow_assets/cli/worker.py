"""The command that makes runs for a platform whose daemon runs elsewhere.

Here: arguments. Not here: work.
"""

import os
import sys
from typing import Annotated

import typer

from dataflow_assets.errors import SettingsError
from dataflow_assets.settings import load_settings


def worker(
    concurrency: Annotated[
        int | None, typer.Option(min=1, help="How many runs are made at once; unset: one for each core.")
    ] = None,
    queues: Annotated[
        str, typer.Option(help="The layers whose runs are made, such as lake,warehouse; unset: all.")
    ] = "",
) -> None:
    """Make runs, as a Celery worker at REDIS_URL, until Ctrl-C.

    Runs under way end first.
    """
    from dataflow_assets.runtime.celery import worker as program
    from dataflow_assets.runtime.celery.queues import require_queues
    from dataflow_assets.runtime.dagster_home import build_environment, prepare_home
    from dataflow_assets.warehouse.bootstrap import open_writable_warehouse

    settings = load_settings()
    if settings.redis_url is None:
        raise SettingsError("REDIS_URL is not set: set it to the Redis of the platform, redis://host:6379/0")
    names = require_queues(name.strip() for name in queues.split(",") if name.strip())
    open_writable_warehouse(settings)
    prepare_home(settings)
    # Another program, for its processes are copies of it: threads of what was used until here would be missing there.
    arguments = ["dataflow_assets.definitions", str(concurrency or os.cpu_count() or 1), *names]
    os.execve(  # noqa: S606, which starts no shell
        sys.executable, [sys.executable, "-m", program.__name__, *arguments], os.environ | build_environment(settings)
    )
