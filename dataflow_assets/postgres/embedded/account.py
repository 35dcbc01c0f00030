"""As which user PostgreSQL's programs run, and that they end with their supervisor.

PostgreSQL refuses to run as root. Root runs it as `nobody`, and leaves the permissions of folders alone: where
the way to the programs or to the data is closed to `nobody`, its processes keep one capability of root's, the
one that passes through. No database role can use it: the only one that can connect is no superuser.

Here: users and capabilities. Not here: what is run.
"""

import ctypes
import os
import pwd
import signal
import stat
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_CAP_DAC_OVERRIDE = 1
_CAP_DAC_READ_SEARCH = 2
_PR_SET_PDEATHSIG = 1
_PR_SET_KEEPCAPS = 8
_PR_CAPBSET_READ = 23
_PR_SET_SECUREBITS = 28
_SECBIT_NO_SETUID_FIXUP = 1 << 2
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_CAPABILITY_VERSION = 0x20080522


@dataclass(frozen=True)
class Account:
    """A user and group, and the capability that its programs need to reach their files."""

    uid: int
    gid: int
    capability: int | None

    @classmethod
    def for_new(cls, data: Path, programs: Path) -> Self:
        """The account for a new data folder, which is given to it."""
        if os.geteuid() == 0:
            try:
                nobody = pwd.getpwnam("nobody")
            except KeyError:
                raise SystemExit("PostgreSQL refuses to run as root and there is no user `nobody`") from None
            os.chown(data, nobody.pw_uid, nobody.pw_gid)
        return cls.of_owner(data, programs)

    @classmethod
    def of_owner(cls, data: Path, programs: Path) -> Self:
        """The account that owns this data folder."""
        owner = data.stat()
        needed = _needed_capability(data, programs) if os.geteuid() == 0 else None
        return cls(owner.st_uid, owner.st_gid, needed)

    def start(
        self, command: Sequence[str | Path], inherited: int, stdin: int = subprocess.DEVNULL
    ) -> subprocess.Popen[bytes]:
        """Start a program that inherits one descriptor and is interrupted when this process ends."""
        parent = os.getpid()
        return subprocess.Popen(
            command,
            stdin=stdin,
            env=_environment(),
            cwd="/",
            pass_fds=(inherited,),
            preexec_fn=lambda: self._assume(parent),  # noqa: PLW1509  (there is one thread while programs start)
        )

    def run(self, command: Sequence[str | Path], inherited: int, text: bytes | None = None) -> None:
        """Run a program to its end."""
        with self.start(command, inherited, subprocess.DEVNULL if text is None else subprocess.PIPE) as program:
            program.communicate(text)
        if program.returncode != 0:
            raise SystemExit(f"{command[0]} failed with code {program.returncode}; the reason stands above")

    def _assume(self, parent: int) -> None:
        """Become this account: in the child, between fork and exec."""
        if os.geteuid() == 0:
            _drop_to(self.uid, self.gid, self.capability)
        if sys.platform == "linux":
            _prctl(_PR_SET_PDEATHSIG, signal.SIGINT)
            if os.getppid() != parent:
                os._exit(1)


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
    return kept | {"LC_ALL": "C", "TZ": "UTC"}


def _needed_capability(data: Path, programs: Path) -> int | None:
    """What another user lacks to reach these folders, if root may pass it on."""
    executable = programs / "postgres"
    folders = {*data.parents, *executable.resolve().parents}
    runs = bool(executable.stat().st_mode & stat.S_IXOTH)
    if runs and all(folder.stat().st_mode & stat.S_IXOTH for folder in folders):
        return None
    for capability in (_CAP_DAC_READ_SEARCH, _CAP_DAC_OVERRIDE) if runs else (_CAP_DAC_OVERRIDE,):
        if sys.platform == "linux" and _libc().prctl(_PR_CAPBSET_READ, capability, 0, 0, 0) == 1:
            return capability
    raise SystemExit(
        f"PostgreSQL refuses to run as root, and user `nobody` cannot reach {programs} and {data}: run as an "
        "ordinary user, or move the installation and DATAFLOW_HOME to folders that others may pass through"
    )


class _CapabilityHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _CapabilitySets(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def _drop_to(uid: int, gid: int, capability: int | None) -> None:
    if capability is not None:
        _prctl(_PR_SET_KEEPCAPS, 1)
        # Without this bit, access(2) ignores the capabilities of all but root; initdb looks for its programs with it.
        _prctl(_PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP)
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    if capability is not None:
        _keep_only(capability)


def _keep_only(capability: int) -> None:
    """Reduce the capabilities to one and let it pass to the program that is executed."""
    header = _CapabilityHeader(_CAPABILITY_VERSION, 0)
    bit = 1 << capability
    sets = (_CapabilitySets * 2)(_CapabilitySets(bit, bit, bit), _CapabilitySets(0, 0, 0))
    _check(_libc().capset(ctypes.byref(header), sets))
    _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability)


def _prctl(option: int, first: int, second: int = 0) -> None:
    _check(_libc().prctl(option, first, second, 0, 0))


def _check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
