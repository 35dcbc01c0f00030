"""A port that is chosen stays free until it is used."""

import socket
from pathlib import Path

from dataflow_assets.core.ports import free_port, is_free


def test_nobody_has_it_and_the_kernel_gives_it_to_nobody_who_asks_for_any() -> None:
    given_by_the_kernel = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    ports = {free_port() for _ in range(20)}
    assert len(ports) > 15
    assert max(ports) < given_by_the_kernel
    assert all(map(is_free, ports))


def test_one_at_which_somebody_listens_is_not_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert not is_free(port)
    assert is_free(port)
