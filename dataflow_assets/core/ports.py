"""Ports of this machine for servers that begin to listen later, or again, at an address that others know before.

Here: choosing one. Not here: who listens there. Standard library only: small processes choose ports too.
"""

import secrets
import socket

# Below the ports that the kernel gives, at any time, to whoever connects to something or asks for any port.
_FIRST, _LAST = 20_000, 32_767


def free_port() -> int:
    """A port of the loopback interface that nobody has, and that nobody gets by chance before it is used."""
    while True:
        port = _FIRST + secrets.randbelow(_LAST - _FIRST + 1)  # forks share the state of `random`
        if is_free(port):
            return port


def is_free(port: int) -> bool:
    """Whether a server could listen at a port of the loopback interface now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
