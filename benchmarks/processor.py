"""Processor seconds of a piece of work: of this process, of the programs that it ran, and of the PostgreSQL server.

Here: measuring, with nothing imported that takes memory. Not here: any work.
"""

import os
import resource
from pathlib import Path

import psycopg2


def seconds(server: int) -> float:
    """So far: of this process, of the processes that it awaited, and of a server."""
    times = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in times) + server_seconds(server)


def server_process(url: str) -> int:
    """The process of the server, whose children serve the connections."""
    connection = psycopg2.connect(url)
    _, server, _ = _stat(connection.info.backend_pid)
    connection.close()
    return server


def server_seconds(server: int) -> float:
    """Processor seconds of the server, of its processes, and of those that have ended."""
    pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    ticks = 0
    for pid in pids:
        try:
            ticks_own, parent, ticks_ended = _stat(pid)
        except (FileNotFoundError, ProcessLookupError):
            continue
        ticks += ticks_own if server in (pid, parent) else 0
        ticks += ticks_ended if pid == server else 0
    return ticks / os.sysconf("SC_CLK_TCK")


def _stat(pid: int) -> tuple[int, int, int]:
    """Of a process: its ticks, its parent, and the ticks of its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    user, system, children_user, children_system = map(int, fields[11:15])
    return user + system, int(fields[1]), children_user + children_system
