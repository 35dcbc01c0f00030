"""A server whose role is a superuser, as many of those that people set up by hand.

Here: making one. Not here: expectations.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dataflow_assets.postgres import embedded
from dataflow_assets.postgres.embedded.account import Account
from dataflow_assets.postgres.embedded.files import Files
from dataflow_assets.postgres.embedded.lease import _programs


@contextmanager
def superuser_server(home: Path) -> Iterator[str]:
    """The URL of a server of its own, whose role and database are made by the cluster's superuser."""
    embedded.acquire(home, durable=False).close()
    files, programs = Files.below(home), _programs()
    nothing = os.open(os.devnull, os.O_RDONLY)
    for access in files.cluster.rglob("pg_hba.conf"):
        access.write_text("host all all 127.0.0.1/32 scram-sha-256\n")
    command: list[str | Path] = [programs / "postgres", "--single", "-D", files.data, "postgres"]
    Account.of_owner(files.data, programs).run(command, nothing, b"ALTER ROLE dataflow SUPERUSER\n")
    os.close(nothing)
    with embedded.acquire(home, durable=False) as lease:
        yield lease.url
