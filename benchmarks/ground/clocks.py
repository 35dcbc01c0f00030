"""The reference data under `dataflow up` where a clock is ten minutes ahead or behind: the database's, S3's, our own.

    python -m benchmarks.ground.clocks --data ../shared/reference [--only NAME …]

Each case starts a PostgreSQL, an S3 server (moto) and `up` in a temporary folder, one of them with another time of day
(`other_clock.c`, which needs a C compiler). A file lands, is replaced, and the others land beside it. The known answers
must come, from runs of which none failed, and be the same after `housekeeping`.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

import obstore
from obstore.store import S3Store

from benchmarks.ground.main_job import digest_tables, said
from benchmarks.ground.servers import DATAFLOW, ask, find_programs, free_port, make_database, require, run, server
from dataflow_assets_tests.known_answers import DAYS, require_known_answers
from dataflow_assets_tests.processes import environment_with, kill_all

_DATABASE, _STORE, _OURS = "the database's clock", "the object store's clock", "the platform's clock"
_CASES = {
    f"{name} {offset}": (name, seconds)
    for name in (_DATABASE, _STORE, _OURS)
    for offset, seconds in (("+10m", 600), ("-10m", -600))
}
_KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
_SOURCES, _SECONDS = 6, 280  # files of the reference data


def main() -> None:
    """Run each case and print a row for it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="the folder of the reference data")
    parser.add_argument("--only", nargs="+", default=list(_CASES), choices=_CASES)
    arguments = parser.parse_args()
    for case in arguments.only:
        wrong, seconds = _CASES[case]
        with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
            prefix = ("env", f"LD_PRELOAD={_compile(Path(folder))}", f"CLOCK_SECONDS={seconds}")
            prefixes = {name: prefix if name == wrong else () for name in (_DATABASE, _STORE, _OURS)}
            found = _try(prefixes, arguments.data, Path(folder), stack)
            print(f"| {case} | {found} |", flush=True)  # noqa: T201


def _compile(folder: Path) -> Path:
    """The library of another time of day, where the servers' user finds it."""
    folder.chmod(0o755)
    library = folder / "other_clock.so"
    source = Path(__file__).with_name("other_clock.c")
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, source], check=True)
    return library


def _try(prefixes: Mapping[str, tuple[str, ...]], data: Path, folder: Path, stack: ExitStack) -> str:
    url = make_database(stack.enter_context(server(find_programs()[-1], prefix=prefixes[_DATABASE])), "ground")
    endpoint = stack.enter_context(_object_store(prefixes[_STORE]))
    store = S3Store(
        "ground", access_key_id="test", secret_access_key="test", endpoint=endpoint, client_options={"allow_http": True}
    )
    settings = {"DATAFLOW_HOME": str(folder / "home"), "DATABASE_URL": url, "S3_BUCKET": "ground", **_KEYS}
    settings["AWS_ENDPOINT_URL"] = endpoint
    require(settings, "init-db")
    findings = json.loads(run(settings, "doctor", "--json", prefix=prefixes[_OURS]).stdout)
    [doctor] = [finding["sentence"] for finding in findings if finding["name"] == "clocks"]
    stack.enter_context(_up(prefixes[_OURS], settings, folder))
    [movies] = data.glob("*/movies.csv")
    lines = movies.read_bytes().splitlines(keepends=True)
    obstore.put(store, "landing/movies/2021-12-31/movies.csv", b"".join(lines[:-1]))
    began, deliveries = time.monotonic(), "SELECT count(*) FROM ledger.deliveries"
    while ask(url, deliveries) < 1 and time.monotonic() < began + _SECONDS:
        time.sleep(0.2)
    for file in data.glob("*/*.*"):
        obstore.put(store, f"landing/{file.stem}/2021-12-31/{file.name}", file.read_bytes())
    while not (is_right := _has_known_answers(settings)) and time.monotonic() < began + _SECONDS:
        time.sleep(1)
    if not is_right:
        return f"no known answers: {said((folder / 'log').read_text())}"
    took, before = time.monotonic() - began, digest_tables(settings)
    require(settings, "housekeeping")
    same = "the same tables" if digest_tables(settings) == before else "other tables"
    runs, failed = (ask(url, f"SELECT count(*) FROM runs {which}") for which in ("", "WHERE status = 'FAILURE'"))
    taken = f"{ask(url, deliveries)} versions of {_SOURCES} files, {runs} runs, {failed} failed"
    return f"the known answers after {took:.0f} s; {taken}; `housekeeping`: {same}; `doctor`: {doctor}"


@contextmanager
def _object_store(prefix: tuple[str, ...]) -> Iterator[str]:
    """The URL of an S3 server with an empty bucket."""
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    command = [*prefix, str(Path(sys.executable).parent / "moto_server"), "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while process.poll() is None:
            with suppress(URLError):
                urlopen(Request(f"{endpoint}/ground", method="PUT")).close()
                break
            time.sleep(0.2)
        yield endpoint
    finally:
        process.terminate()
        process.wait(60)


@contextmanager
def _up(prefix: tuple[str, ...], settings: Mapping[str, str], folder: Path) -> Iterator[None]:
    command = [*prefix, str(DATAFLOW), "up", "--port", str(free_port()), "--api-port", str(free_port())]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, env=environment_with(**settings), cwd=folder, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(60)
        kill_all(folder)


def _has_known_answers(settings: Mapping[str, str]) -> bool:
    # Asked first, as a command takes seconds of processor time from those that are waited for.
    days = ask(settings["DATABASE_URL"], "SELECT count(*) FROM analytics.average_session")
    if days < DAYS["UTC"] or ask(settings["DATABASE_URL"], "SELECT count(*) FROM ledger.deliveries") < _SOURCES:
        return False
    try:
        require_known_answers(json.loads(require(settings, "answers", "--json")), "UTC")
    except (AssertionError, KeyError, SystemExit):
        return False
    return True


if __name__ == "__main__":
    main()
