"""What is put right in Dagster's records before `dataflow up` has a code server, and when the clock was set back.

Then it is a process of its own, `python -m dataflow_assets.runtime.preparation`, because `dataflow up` itself only
waits, and is small without Dagster.

Here: that work. Not here: when it is done (see `up`).
"""

from dataflow_assets.core.logging import mask_process
from dataflow_assets.runtime.instance import make_ready, open_instance
from dataflow_assets.settings import Settings, load_settings


def prepare(settings: Settings) -> None:
    """Put right what a platform that was killed, or a clock that was set back, left."""
    with open_instance(settings) as instance:
        make_ready(instance)


def _main() -> None:
    settings = load_settings()
    mask_process(settings)
    prepare(settings)


if __name__ == "__main__":
    _main()
