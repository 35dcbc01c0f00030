"""`python -m dataflow_assets.serving`: the server as a part of `dataflow up`, which knows it by this name alone.

Here: its arguments. Not here: the server (see `server`).
"""

import argparse

from dataflow_assets.serving.server import LOOPBACK, serve
from dataflow_assets.settings import load_settings


def main() -> None:
    """Serve until a signal comes."""
    parser = argparse.ArgumentParser(prog="dataflow_assets.serving")
    parser.add_argument("--host", default=LOOPBACK)
    parser.add_argument("--port", type=int, required=True)
    given = parser.parse_args()
    serve(load_settings(), given.host, given.port)


if __name__ == "__main__":
    main()
