"""A source whose files lie on the SFTP server of the tests."""

from typing import Any

from dataflow_assets.sources.base import Source
from dataflow_assets.sources.origins import Sftp
from dataflow_assets_tests.collectors.builders import arriving
from dataflow_assets_tests.collectors.sftp_server import USER, VARIABLE, SftpServer


def source_at(server: SftpServer, pattern: str = "*.csv", **more: Any) -> Source:
    """Streams that arrive from the server."""
    said: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": server.port,
        "user": USER,
        "folder": "/",
        "host_key": server.public_key,
        "password": VARIABLE,
        "quiet_seconds": 0.3,
    }
    return arriving(Sftp(pattern=pattern, **said | more))
