"""The server: one uvicorn process.

Here: where it listens, and how it starts and ends. Not here: what it answers (see `app`).
"""

import gc
import ipaddress
import signal
import socket
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp

from dataflow_assets.errors import DataFlowError, SettingsError
from dataflow_assets.serving.app import build_app
from dataflow_assets.serving.logs import set_up_logs
from dataflow_assets.serving.protocol import BoundedProtocol
from dataflow_assets.settings import Settings

LOOPBACK = "127.0.0.1"
_BACKLOG = 2048
_IDLE_SECONDS = 75  # longer than proxies keep a connection, which would else send a request into one that is closed
_LAST_SECONDS = 10  # for requests that are being answered when the server is asked to end


def serve(settings: Settings, host: str, port: int, say: Callable[[str], None] | None = None) -> None:
    """Serve until a signal comes.

    Args:
        settings: of the platform.
        host: the address to listen on.
        port: to listen on; 0 for a free one.
        say: is told where it listens.

    Raises:
        SettingsError: others could reach it, and no SECRET_KEY is set.
        DataFlowError: the address cannot be used, or the platform is not fit for use.
    """
    _require_secret(settings, host)
    listening = _listen(host, port)
    set_up_logs(settings)
    app = build_app(settings)
    server = uvicorn.Server(configure(app))
    for number in (signal.SIGINT, signal.SIGTERM):  # before uvicorn runs, and when it sends itself the signal again
        signal.signal(number, server.handle_exit)
    address = f"[{host}]" if ":" in host else host
    if say:
        say(f"The API is up: http://{address}:{listening.getsockname()[1]} (Ctrl-C stops it)")
    gc.collect()
    gc.freeze()  # what was imported stays: nobody has to look for garbage in it
    server.run(sockets=[listening])


def configure(app: ASGIApp) -> uvicorn.Config:
    """How uvicorn serves an app."""
    return uvicorn.Config(
        app,
        http=BoundedProtocol,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=_IDLE_SECONDS,
        timeout_graceful_shutdown=_LAST_SECONDS,
    )


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine reaches an address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _require_secret(settings: Settings, host: str) -> None:
    if not settings.signing_keys and not is_loopback(host):
        raise SettingsError(
            f"SECRET_KEY is not set, and others can reach {host}: set it to 32 random bytes or more, such as those of "
            "`openssl rand -hex 32`, or listen on 127.0.0.1."
        )


def _listen(host: str, port: int) -> socket.socket:
    try:
        [(family, _, _, _, address), *_] = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        found = socket.socket(family)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
        found.listen(_BACKLOG)
    except OSError as error:
        raise DataFlowError(
            f"port {port} on {host} cannot be used ({error.strerror}): stop what uses it, or choose another with --port"
        ) from None
    return found
