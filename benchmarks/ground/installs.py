"""The wheel, installed by pip outside the repository, by each Python, user and disk.

    python -m benchmarks.ground.installs [--only NAME …]

Each case makes an environment by `python -m venv` and `pip install` of the wheel, and runs `demo`, `query`, `load`
of a file and `up` in an empty folder. Needs root (mounts, another user, cgroups) and uv, which finds the Pythons: they
must be on PATH, in folders that every user may enter.
"""

import argparse
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.ground.main_job import said
from benchmarks.ground.servers import free_port
from dataflow_assets_tests.processes import environment_with, kill_all

_REPOSITORY = Path(__file__).parents[2]
_ORDINARY = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups")
_PYTHON = {"Python 3.11": "3.11", "Python 3.12": "3.12", "Python 3.13": "3.13"}
_NEWEST = "3.13"
_CASES = (
    *_PYTHON,
    *("an ordinary user, packages that nobody may change", "a home on tmpfs", "a home on overlayfs"),
    *("a space in the home's path", "umask 077", "one processor", "2 GiB of memory"),
)


def main() -> None:
    """Install for each Python and print a row for each case."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", default=list(_CASES), choices=_CASES)
    cases = parser.parse_args().only
    with tempfile.TemporaryDirectory(prefix="ground-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        _call("uv", "build", "--wheel", "--quiet", "--out-dir", str(folder), str(_REPOSITORY))
        [wheel] = folder.glob("*.whl")
        for version in dict.fromkeys(_PYTHON.get(case, _NEWEST) for case in cases):
            began = time.monotonic()
            _install(folder / version, version, wheel)
            print(f"| pip install, Python {version} | {time.monotonic() - began:.0f} s |", flush=True)  # noqa: T201
        for number, case in enumerate(cases):
            program = folder / _PYTHON.get(case, _NEWEST) / "bin/dataflow"
            found = _try(case, program, folder / str(number))
            print(f"| {case} | {found} |", flush=True)  # noqa: T201


def _call(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _install(folder: Path, version: str, wheel: Path) -> None:
    python = _call("uv", "python", "find", "--no-project", "--system", version).strip()
    _call(python, "-m", "venv", str(folder))
    _call(str(folder / "bin/pip"), "install", "--quiet", "--disable-pip-version-check", str(wheel))


def _try(case: str, program: Path, folder: Path) -> str:
    """What held, in an empty folder."""
    folder.mkdir()
    with ExitStack() as stack:
        prefix, home = _prepare(case, folder, stack)
        stack.callback(kill_all, folder)
        environment = environment_with(DATAFLOW_HOME=str(home), HOME=str(folder))
        began = time.monotonic()
        movies = folder / "movies.csv"
        movies.write_text("title,duration_mins,original_language,size_mb\nRust,90,,1\n")
        for command in (
            ["demo", "--json"],
            ["query", "-c", "SELECT count(*) FROM warehouse.streams"],
            ["load", "--model", "movie", "--collector", "csv", "--config", "movies.csv"],
            ["doctor", "--json"],
        ):
            done = subprocess.run(
                [*prefix, program, *command], env=environment, cwd=folder, capture_output=True, text=True, check=False
            )
            if done.returncode:
                return f"`{command[0]}`: {said(done.stderr or done.stdout)}"
        states = {finding["name"]: finding["sentence"] for finding in json.loads(done.stdout)}
        started = _start_and_stop([*prefix, str(program)], environment, folder)
        return f"`demo`, `query`, `load`, `doctor`, {started}; {time.monotonic() - began:.0f} s; {states['database']}"


def _start_and_stop(command: list[str], environment: dict[str, str], folder: Path) -> str:
    ports = ("--port", str(free_port()), "--api-port", str(free_port()))
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [*command, "up", *ports], env=environment, cwd=folder, stdout=subprocess.PIPE, stderr=log, text=True
        )
        assert process.stdout
        line = process.stdout.readline()
        process.terminate()
        process.communicate(timeout=120)
    return f"`up` (exit {process.returncode})" if line else f"`up`: {said((folder / 'log').read_text())}"


def _prepare(case: str, folder: Path, stack: ExitStack) -> tuple[list[str], Path]:
    """What a command begins with, and its home."""
    home = folder / "home"
    if case == "a home on tmpfs":
        stack.enter_context(_mounted(folder, "tmpfs", "size=4g", home))
    if case == "a home on overlayfs":
        below, above, work = folder / "below", folder / "above", folder / "work"
        for each in (below, above, work):
            each.mkdir()
        stack.enter_context(_mounted(folder, "overlay", f"lowerdir={below},upperdir={above},workdir={work}", home))
    if case == "a space in the home's path":
        return [], folder / "a home of ours"
    if case == "one processor":
        return ["taskset", "-c", "0"], home
    if case == "umask 077":
        return ["sh", "-c", 'umask 077; exec "$0" "$@"'], home
    if case == "2 GiB of memory":
        return ["sh", "-c", f'echo $$ > {_limited(stack)}/cgroup.procs; exec "$0" "$@"'], home
    if case.startswith("an ordinary user"):
        shutil.chown(folder, "nobody", "nogroup")
        return list(_ORDINARY), home
    return [], home


@contextmanager
def _mounted(folder: Path, kind: str, options: str, home: Path) -> Iterator[None]:
    home.mkdir()
    _call("mount", "-t", kind, "-o", options, kind, str(home))
    try:
        yield
    finally:
        kill_all(folder)
        _call("umount", "--lazy", str(home))


def _limited(stack: ExitStack) -> Path:
    """A group of processes that may have 2 GiB together."""
    root = Path("/sys/fs/cgroup/memory")
    root = root if root.exists() else root.parent
    group = Path(tempfile.mkdtemp(prefix="ground-", dir=root))
    limit = group / "memory.max"
    (limit if limit.exists() else group / "memory.limit_in_bytes").write_text(str(2 * 2**30))
    stack.callback(group.rmdir)
    return group


if __name__ == "__main__":
    main()
