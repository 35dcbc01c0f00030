"""One of Dagster's own processes, which logs as the platform does:
`python -m dataflow_assets.runtime.dagster_process dagster-daemon run …`.

Here: the options that say so, keeping secrets out of it, and letting a code server hear of news. Not here: which
processes there are (see `up`).
"""

import os
import sys
from importlib.metadata import entry_points

from dataflow_assets.core.logging import is_terminal, mask_process
from dataflow_assets.settings import load_settings

_LEVELS = {"dagster-webserver": "--dagster-log-level"}  # the name of the option, where it is another


def _main() -> None:
    name, *arguments = sys.argv[1:]
    settings = load_settings()
    os.umask(0o077)  # what is kept in the home is nobody else's
    mask_process(settings)
    if arguments[:2] == ["api", "grpc"]:
        from dataflow_assets.runtime.notices import listen  # noqa: PLC0415, the other processes hear of nothing

        listen(settings)
    form = "colored" if is_terminal() else "json"
    level = _LEVELS.get(name, "--log-level")
    sys.argv = [name, *arguments, "--log-format", form, level, settings.log_level.lower()]
    (script,) = entry_points(group="console_scripts", name=name)
    sys.exit(script.load()())


if __name__ == "__main__":
    _main()
