"""TLS, and the login of Kafka, in front of a server that knows neither.

Here: ending TLS, and passing on what is within. Not here: the server, the login (see `sasl_login`), and certificates
(see `ftp_server`).
"""

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from dataflow_assets_tests.collectors.sasl_login import SaslLogin


@contextmanager
def tls_in_front(port: int, certificate: Path | None, login: SaslLogin | None = None) -> Iterator[int]:
    """The port of a server on 127.0.0.1 that passes on to another port, until the block ends.

    With a certificate it speaks TLS, and with a login it passes on what is said by those alone who are let in.
    """
    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def pass_on(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(1 << 16):
                target.write(data)
                await target.drain()
        except OSError:  # either side is gone
            pass
        finally:
            target.close()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, EOFError, asyncio.CancelledError), closing(writer):  # either side is gone, or all ends
            there, back = await asyncio.open_connection("127.0.0.1", port)
            with closing(back):
                if login is None or await login.admit((reader, writer), (there, back)):
                    await asyncio.gather(pass_on(reader, back), pass_on(there, writer))

    async def close() -> None:
        server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    server = asyncio.run_coroutine_threadsafe(asyncio.start_server(connect, "127.0.0.1", 0, ssl=context), loop).result(
        300
    )
    yield server.sockets[0].getsockname()[1]
    asyncio.run_coroutine_threadsafe(close(), loop).result(300)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(300)
    loop.close()
