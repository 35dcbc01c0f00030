"""A server whose role is a superuser, as many of those that people set up by hand.

Here: making one. Not here: expectations.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg2
from sqlalchemy import make_url

from dataflow_assets.postgres import embedded
from dataflow_assets.postgres.embedded.files import Files


@contextmanager
def superuser_server(home: Path) -> Iterator[str]:
    """The URL of a server of its own, whose role is made a superuser by the cluster's."""
    embedded.acquire(home, durable=False).close()
    access = "host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
    (Files.below(home).cluster / "pg_hba.conf").write_text(access)
    with embedded.acquire(home, durable=False) as lease:
        server = make_url(lease.url)
        with closing(psycopg2.connect(host=server.host, port=server.port, user="postgres")) as connection:
            connection.autocommit = True
            connection.cursor().execute("ALTER ROLE dataflow SUPERUSER")
        yield lease.url
