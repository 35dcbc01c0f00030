"""The supervisor's process: `python -m dataflow_assets.postgres.embedded FOLDER PROGRAMS durable|fast PORT` (0: any).

Here: its arguments and its way into the background. Not here: its work (`supervisor`).
"""

import os
import sys
from pathlib import Path

from dataflow_assets.postgres.embedded import locks, supervisor
from dataflow_assets.postgres.embedded.cluster import Cluster
from dataflow_assets.postgres.embedded.files import Files


def main(folder: str, programs: str, durability: str, port: str) -> None:
    """Take the supervisor's lock, let the starter go on, and supervise in the background."""
    files = Files(Path(folder))
    if locks.try_lock(files.supervisor_lock) is None:
        return  # another one is there
    files.url.unlink(missing_ok=True)  # of one that was killed
    if os.fork():
        os._exit(0)
    os.chdir("/")
    supervisor.supervise(files, Cluster(files, Path(programs)), durable=durability == "durable", port=int(port))


if __name__ == "__main__":
    main(*sys.argv[1:])
