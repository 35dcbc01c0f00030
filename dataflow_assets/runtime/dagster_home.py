"""The folder of Dagster's instance, and the variables by which processes find it.

Here: both, without Dagster, which a process that only starts others does not need. Not here: the instance itself (see
`instance`).
"""

import os
import shutil
from pathlib import Path

from dataflow_assets.core.files import make_private
from dataflow_assets.postgres.session_environment import SESSION_ENVIRONMENT
from dataflow_assets.settings import Settings

_CONFIG = Path(__file__).with_name("dagster.yaml")


def prepare_home(settings: Settings) -> None:
    """Make DAGSTER_HOME with the current dagster.yaml in it."""
    make_private(settings.home)
    make_private(settings.dagster_home)
    target = settings.dagster_home / _CONFIG.name
    if target.exists() and target.read_bytes() == _CONFIG.read_bytes():
        return
    draft = target.with_suffix(f".{os.getpid()}")
    shutil.copyfile(_CONFIG, draft)
    draft.replace(target)


def build_environment(settings: Settings) -> dict[str, str]:
    """What other processes need to find the same instance and the same home, wherever they start."""
    named = {} if settings.database_url is None else {"DATABASE_URL": settings.database_url.get_secret_value()}
    return named | {
        "DAGSTER_HOME": str(settings.dagster_home),
        "DATAFLOW_HOME": str(settings.home),
        "DAGSTER_DISABLE_TELEMETRY": "yes",
        **SESSION_ENVIRONMENT,
        # The materializations of a range are stored together: 400 of them one by one take ten seconds.
        "DAGSTER_EVENT_BATCH_SIZE": "1000",
    }
