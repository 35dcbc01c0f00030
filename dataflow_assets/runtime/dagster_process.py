"""One of Dagster's own processes, which logs as the platform does:
`python -m dataflow_assets.runtime.dagster_process dagster-daemon run …`.

Before the name of the process may stand `--prepare`, to put Dagster's records right first, and `--after PORT`, to wait
for that port once everything is imported.

Here: the options that say so, keeping secrets out of it, and letting a code server hear of news. Not here: which
processes there are (see `up`).
"""

import argparse
import os
import sys
import time
from importlib.metadata import entry_points

from dataflow_assets.core.logging import is_terminal, mask_process
from dataflow_assets.core.memory import prepare_server
from dataflow_assets.runtime.process_group import is_listening
from dataflow_assets.settings import load_settings

_LOOK_SECONDS = 0.05
_LEVELS = {"dagster-webserver": "--dagster-log-level"}  # the name of the option, where it is another


def main() -> None:
    """Be the process that the command names."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--prepare", action="store_true")
    parser.add_argument("--after", type=int)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    given = parser.parse_args()
    name, *arguments = given.command
    settings = load_settings()
    os.umask(0o077)  # what is kept in the home is nobody else's
    mask_process(settings)
    prepare_server()
    if given.prepare:
        from dataflow_assets.runtime.preparation import prepare  # noqa: PLC0415, the other processes do nothing of it

        prepare(settings)
    if arguments[:2] == ["api", "grpc"]:
        from dataflow_assets.runtime.notices import listen  # noqa: PLC0415, the other processes hear of nothing

        listen(settings)
    form = "colored" if is_terminal() else "json"
    level = _LEVELS.get(name, "--log-level")
    sys.argv = [name, *arguments, "--log-format", form, level, settings.log_level.lower()]
    (script,) = entry_points(group="console_scripts", name=name)
    run = script.load()
    while given.after and not is_listening(given.after):
        time.sleep(_LOOK_SECONDS)
    sys.exit(run())


if __name__ == "__main__":
    main()
