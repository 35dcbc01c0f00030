"""OpenSSH's server on a folder, which lets one key in.

Here: starting it, as whoever started this, or as `daemon` for root. Not here: what is done with it (see `collect`).
"""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from getpass import getuser
from pathlib import Path

import asyncssh


@dataclass(frozen=True)
class OpenSsh:
    """Where it listens, by which key it proves itself, and by which file a user does."""

    port: int
    user: str
    host_key: str
    key_file: str


@contextmanager
def open_ssh() -> Iterator[OpenSsh]:
    """A server of the files of this machine, until the block ends."""
    binary = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
    if not binary:
        raise FileNotFoundError("There is no sshd; install openssh-server.")
    with tempfile.TemporaryDirectory(prefix="sshd-") as name, socket.socket() as probe:
        folder, user = Path(name), "daemon" if os.getuid() == 0 else getuser()
        keys = {one: asyncssh.generate_private_key("ssh-ed25519") for one in ("host", "user")}
        for one, key in keys.items():
            key.write_private_key(folder / one)
            (folder / one).chmod(0o600)
        keys["user"].write_public_key(folder / "authorized")
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        (folder / "config").write_text(
            f"ListenAddress 127.0.0.1:{port}\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized\n"
            "PidFile none\nUsePAM no\nStrictModes no\nLogLevel QUIET\n"
            "Subsystem sftp internal-sftp\nForceCommand internal-sftp\n"
        )
        with _running([binary, "-D", "-f", f"{folder}/config"], folder, user):
            _await_port(port)
            host_key = keys["host"].export_public_key().decode().strip()
            yield OpenSsh(port, user, host_key, str(folder / "user"))


@contextmanager
def _running(command: list[str], folder: Path, user: str) -> Iterator[None]:
    if os.getuid() == 0:
        for path in (folder, folder / "host"):
            shutil.chown(path, user)
        process = subprocess.Popen(command, user=user, group=user, extra_groups=[])
    else:
        process = subprocess.Popen(command)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def _await_port(port: int) -> None:
    while True:
        with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.05)
