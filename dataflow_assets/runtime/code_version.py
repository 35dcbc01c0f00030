"""Which code a process runs: workers only make runs of the same code, and a backfill goes on only by the same code.

Here: its name. Not here: comparing it (see `celery.queues` and `orchestration.runs.backfill`).
"""

import hashlib
from functools import cache
from importlib.metadata import version
from pathlib import Path

_PACKAGE = Path(__file__).parents[1]
_CODE = (".py", ".sql")  # answers are declared in either


@cache
def code_version() -> str:
    """The version of the package and a digest of its code, all declarations among it, as this process knew it.

    Without blanks or dots: it is part of the name of a queue.
    """
    digest = hashlib.blake2b(digest_size=4)
    for path in sorted(path for path in _PACKAGE.rglob("*") if path.suffix in _CODE):
        digest.update(path.relative_to(_PACKAGE).as_posix().encode())
        digest.update(path.read_bytes())
    return f"{version('dataflow-assets').replace('.', '-')}-{digest.hexdigest()}"
