"""What is put right in Dagster's records when `dataflow up` starts, and when the clock was set back.

A process of its own, `python -m dataflow_assets.runtime.preparation`, because `dataflow up` itself only waits, and is
small without Dagster. It says in a line of JSON whether there is a source that comes as a stream.

Here: that work. Not here: when it is done (see `up`).
"""

import json

from dataflow_assets.collectors.follow import is_stream
from dataflow_assets.core.logging import mask_process
from dataflow_assets.runtime.instance import make_ready, open_instance
from dataflow_assets.settings import load_settings
from dataflow_assets.sources import all_sources


def _main() -> None:
    settings = load_settings()
    mask_process(settings)
    with open_instance(settings) as instance:
        make_ready(instance)
    print(json.dumps({"has_streams": any(map(is_stream, all_sources()))}))  # noqa: T201


if __name__ == "__main__":
    _main()
