"""The folder of Dagster's instance, and the variables by which processes find it.

Here: both, without Dagster, which a process that only starts others does not need. Not here: the instance itself (see
`instance`).
"""

import os
from pathlib import Path

from dataflow_assets.core.files import make_private
from dataflow_assets.postgres.session_environment import SESSION_ENVIRONMENT
from dataflow_assets.settings import Settings

CONFIG, IN_PROCESS_CONFIG = "dagster.yaml", "in_process.yaml"  # the latter of runs that a command makes itself

# Such a command prints what its runs print. To keep it too takes four more processes a run and a sixth of its time
# (dagster 1.13.27, `findings/dagster-processes-of-output.sh`).
_PRINT_ONLY = """
compute_logs:
  module: dagster._core.storage.noop_compute_log_manager
  class: NoOpComputeLogManager
"""


def prepare_home(settings: Settings) -> None:
    """Make DAGSTER_HOME with the current dagster.yaml in it, and the one of a command's own runs."""
    make_private(settings.home)
    make_private(settings.dagster_home)
    config = Path(__file__).with_name(CONFIG).read_text()
    _write(settings.dagster_home / CONFIG, config)
    _write(settings.dagster_home / IN_PROCESS_CONFIG, config + _PRINT_ONLY)


def _write(target: Path, text: str) -> None:
    if target.exists() and target.read_text() == text:
        return
    draft = target.with_suffix(f".{os.getpid()}")
    draft.write_text(text)
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
