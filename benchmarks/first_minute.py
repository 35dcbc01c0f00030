"""A newcomer's first minutes, done by a script in a fresh home, from the clone to the first source of their own:

    uv run python -m benchmarks.first_minute > docs/explanation/first-minute.md

Nothing of this machine is used but Python, Git and the network: the home, the caches and the environments are new.

Here: the steps. Not here: what they should cost (see the page).
"""

import argparse
import os
import platform
import shlex
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

_REPOSITORY = Path(__file__).parent.parent
_PORT = 3927
_SECONDS = 600
_YESTERDAY = date.today() - timedelta(days=1)  # noqa: DTZ011
_ORDERS = f"""number,customer_email,amount_eur,ordered_at
1001,ada@mail.example,19.90,{_YESTERDAY}T09:15:00Z
1002,ben@mail.example,5.00,{_YESTERDAY}T10:20:00Z
1003,ada@mail.example,12.50,{_YESTERDAY}T18:00:00Z
"""
_STEPS = (
    ("Clone", "git clone --quiet REPOSITORY dataflow && cd dataflow"),
    ("An environment for uv", "python3 -m venv ../tools && . ../tools/bin/activate"),
    ("Install, run everything on a sample, see the answers", "pip install --quiet uv && uv run dataflow demo"),
    ("The same again, as it is every day", "uv run dataflow demo"),
    (
        "The first question",
        "uv run dataflow query -c 'SELECT day, users FROM analytics.engaged_users ORDER BY day DESC'",
    ),
    ("The page of the answers", "uv run dataflow report --out answers.html"),
    ("The UI, until it answers", "uv run dataflow up"),
    ("A file of your own", "orders.csv, three rows"),
    ("Its declaration, drafted", "uv run dataflow new source orders.csv"),
    ("Its table", "uv run dataflow init-db"),
    ("Load it", "uv run dataflow load --model order --collector csv --config orders.csv"),
    ("Ask it", "uv run dataflow query -c 'SELECT number, amount_eur FROM warehouse.orders ORDER BY number'"),
)


@dataclass(frozen=True)
class Newcomer:
    """Somebody with an empty home."""

    folder: Path

    def do(self, command: str) -> float:
        """The seconds of a command, in the clone, with the tools that came before."""
        in_clone = self.folder / "dataflow"
        activate = f". {self.folder}/tools/bin/activate; " if (self.folder / "tools").exists() else ""
        start = time.monotonic()
        done = subprocess.run(
            ["bash", "-euc", activate + command.replace("REPOSITORY", shlex.quote(str(_REPOSITORY)))],
            cwd=in_clone if in_clone.exists() else self.folder,
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        if done.returncode:
            sys.exit(f"{command}\n{done.stdout}\n{done.stderr}")
        return time.monotonic() - start

    def wait_for_ui(self) -> float:
        """The seconds until the UI of `dataflow up` answers; then it is stopped."""
        start = time.monotonic()
        command = [str(self.folder / "tools/bin/uv"), "run", "dataflow", "up", "--port", str(_PORT), "--api-port", "0"]
        process = subprocess.Popen(
            command,
            cwd=self.folder / "dataflow",
            env=self._environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while not _answers() and process.poll() is None and time.monotonic() < start + _SECONDS:
            time.sleep(0.1)
        seconds = time.monotonic() - start
        process.terminate()
        process.wait(_SECONDS)
        return seconds

    def _environment(self) -> dict[str, str]:
        kept = {
            name: value for name, value in os.environ.items() if name.startswith(("PIP_", "UV_INDEX", "UV_DEFAULT"))
        }
        kept |= {
            name: os.environ[name] for name in ("SSL_CERT_FILE", "HTTPS_PROXY", "HTTP_PROXY") if name in os.environ
        }
        return kept | {
            "PATH": f"{sys.base_prefix}/bin:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
        }


def _answers() -> bool:
    try:
        return bool(urllib.request.urlopen(f"http://127.0.0.1:{_PORT}/server_info", timeout=5).status == 200)
    except OSError:
        return False


def main() -> None:
    """Do every step and print the page."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None).parse_args()
    rows, whole = [], 0.0
    with tempfile.TemporaryDirectory(prefix="newcomer-") as folder:
        newcomer = Newcomer(Path(folder))
        for what, command in _STEPS:
            if command.endswith("dataflow up"):
                seconds = newcomer.wait_for_ui()
            elif command.startswith("orders.csv"):
                (Path(folder) / "dataflow/orders.csv").write_text(_ORDERS)
                seconds = 0.0
            else:
                seconds = newcomer.do(command)
            whole += seconds
            shown = command if command.startswith("orders.csv") else f"`{command}`"
            rows.append(f"| {what} | {shown} | {seconds:.1f} |")
            print(rows[-1], file=sys.stderr, flush=True)  # noqa: T201
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    made = {"now": datetime.now(UTC), "load": load, "cores": os.cpu_count(), "machine": platform.machine()}
    print(_PAGE.format(rows="\n".join(rows), whole=whole, **made))  # noqa: T201


_PAGE = """# The first minutes

What a newcomer does from the clone to the first source of their own, and how long each step takes. The script
`python -m benchmarks.first_minute` did it on {now:%Y-%m-%d}, in a fresh home with empty caches, on {cores} cores
({machine}). The load averages at the end were {load}: on a machine that does nothing else it is faster.

| step | command | seconds |
|---|---|---|
{rows}
| **all** | | **{whole:.0f}** |

The clone comes from a folder of the same machine, the packages from the network."""


if __name__ == "__main__":
    main()
