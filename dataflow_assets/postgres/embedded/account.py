"""As which user PostgreSQL's programs run, and that they end with their supervisor.

PostgreSQL refuses to run as root. Root gives the server a user that nobody else on the machine is: a number without a
name, without any capability, which owns nothing but the data folder. The programs meet closed folders on their way by
a descriptor of the cluster's folder, which they inherit, so root's own folders keep their permissions.

`initdb` alone wants a user with a name: it runs as `nobody`, once, and what it made is copied to the server's user.

Here: users, and what a program inherits. Not here: what is run.
"""

import ctypes
import hashlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_NUMBERS = range(60_706, 61_184)  # which systems give to nobody, and which containers of 65,536 users know too
_ENVIRONMENT = {"LC_ALL": "C", "TZ": "UTC", "PATH": os.defpath}  # no setting and no secret of ours
_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38


@dataclass(frozen=True)
class Account:
    """A user and group that programs run as."""

    uid: int
    gid: int

    @classmethod
    def with_name(cls) -> Self:
        """The user who makes a new data folder: this one, or `nobody` for root."""
        if os.geteuid() != 0:
            return cls(os.geteuid(), os.getegid())
        try:
            nobody = pwd.getpwnam("nobody")
        except KeyError:
            raise SystemExit("PostgreSQL refuses to run as root and there is no user `nobody`") from None
        return cls(nobody.pw_uid, nobody.pw_gid)

    @classmethod
    def of_server(cls, folder: Path) -> Self:
        """The user who runs the server of this folder: this one, or for root a number that is nobody's."""
        if os.geteuid() != 0:
            return cls(os.geteuid(), os.getegid())
        first = int.from_bytes(hashlib.blake2b(bytes(folder), digest_size=4).digest(), "big")
        for step in range(len(_NUMBERS)):
            number = _NUMBERS[(first + step) % len(_NUMBERS)]
            if not _has_name(number):
                return cls(number, number)
        raise SystemExit("PostgreSQL refuses to run as root, and no user is free for it: run as an ordinary user")

    @classmethod
    def of_owner(cls, data: Path) -> Self:
        """The user who owns this data folder."""
        owner = data.stat()
        return cls(owner.st_uid, owner.st_gid)

    def own(self, path: Path) -> None:
        """Give this user a file or folder, which is no link."""
        if os.geteuid() != 0:
            return
        try:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)
        except OSError as error:
            raise SystemExit(
                f"PostgreSQL refuses to run as root, and user {self.uid} cannot be given files ({error.strerror}): "
                "run as an ordinary user, or set DATABASE_URL to a PostgreSQL of your own"
            ) from None

    def take_over(self, made: Path, data: Path) -> None:
        """Copy a folder to a new one of this user's: whoever holds the old files open has no part in the new ones."""
        if os.geteuid() == self.uid:
            made.rename(data)
            return
        shutil.copytree(made, data, symlinks=True)
        for folder, _, names in os.walk(data):
            for path in (Path(folder), *(Path(folder, name) for name in names)):
                self.own(path)
        data.chmod(0o700)
        shutil.rmtree(made)

    def start(
        self, command: Sequence[str], folder: Path, inherited: Sequence[int], stdin: int = subprocess.DEVNULL
    ) -> subprocess.Popen[bytes]:
        """Start a program in a folder; it inherits some descriptors and is interrupted when this process ends."""
        parent = os.getpid()
        return subprocess.Popen(
            command,
            stdin=stdin,
            env=_ENVIRONMENT,
            cwd=folder,
            pass_fds=inherited,
            umask=0o077,
            preexec_fn=lambda: self._assume(parent),  # noqa: PLW1509  (there is one thread while programs start)
        )

    def run(self, command: Sequence[str], folder: Path, inherited: Sequence[int], text: bytes | None = None) -> None:
        """Run a program to its end."""
        stdin = subprocess.DEVNULL if text is None else subprocess.PIPE
        with self.start(command, folder, inherited, stdin) as program:
            program.communicate(text)
        if program.returncode != 0:
            raise SystemExit(f"{command[0]} failed with code {program.returncode}; the reason stands above")

    def _assume(self, parent: int) -> None:
        """Become this account: in the child, between fork and exec."""
        if os.geteuid() == 0:  # no capability outlives this
            os.setgroups([])
            os.setresgid(self.gid, self.gid, self.gid)
            os.setresuid(self.uid, self.uid, self.uid)
        if sys.platform == "linux":
            _prctl(_PR_SET_NO_NEW_PRIVS, 1)
            _prctl(_PR_SET_PDEATHSIG, signal.SIGINT)
            if os.getppid() != parent:
                os._exit(1)


def _has_name(number: int) -> bool:
    with suppress(KeyError):
        pwd.getpwuid(number)
        return True
    return False


def _prctl(option: int, first: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, first, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
