"""A PostgreSQL server of our own, which runs exactly as long as a process uses it.

    with acquire(home) as lease:
        connect(lease.url)

One server per home folder, shared by every process that holds a lease on it. Locks of the kernel say who is
there, and the kernel frees them however a process ends, so nothing is left running and nothing is left locked:

| file in `home/postgres` | locked by | means |
|---|---|---|
| `users.lock` | each lease, shared; a supervisor that stops, exclusive | somebody uses the server |
| `supervisor.lock` | the supervisor | a server is there or on its way |
| `server.lock` | the supervisor, and PostgreSQL, which inherits it | the data folder is in use |
| `gate.lock` | whoever looks at the other locks | looking disturbs nobody |

Here: the embedded server. Not here: what the warehouse keeps in it, and servers that others run
(`DATABASE_URL`). Standard library only: the supervisor is a process of its own and should be small.
"""

from dataflow_assets.postgres.embedded.lease import Lease, acquire, reader_url, release, release_all, url

__all__ = ["Lease", "acquire", "reader_url", "release", "release_all", "url"]
