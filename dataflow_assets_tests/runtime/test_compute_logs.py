"""What a run prints is in files that the UI reads, and shown by its own process, which starts no other for that."""

import subprocess
import sys
from pathlib import Path

import pytest

from dataflow_assets.settings import load_settings

SCRIPT = """
import os
import sys
from pathlib import Path

import dagster as dg

from dataflow_assets.runtime.instance import open_instance
from dataflow_assets.settings import load_settings


@dg.op(retry_policy=dg.RetryPolicy(max_retries=1))
def talkative(context: dg.OpExecutionContext) -> None:
    print(f"printed {context.retry_number}", flush=True)
    os.system("echo by a child; echo an error of a child >&2")
    print("children:", len(Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()))
    if context.retry_number == 0:
        raise dg.RetryRequested
    print("x" * 200_000)


@dg.job
def talk() -> None:
    talkative()


print("before")
with open_instance(load_settings()) as instance:
    assert talk.execute_in_process(instance=instance).success
print("after")
"""


@pytest.mark.usefixtures("database_url")
def test_what_a_run_prints_is_kept_and_shown_without_other_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATAFLOW_HOME", str(tmp_path / "home"))
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    attempts = [f"printed {attempt}\nby a child\nchildren: 0\n" for attempt in range(2)]
    printed = "".join([*attempts, "x" * 200_000, "\n"])
    assert done.stdout == f"before\n{printed}after\n"
    assert done.stderr.count("an error of a child\n") == 2
    files = [*load_settings().dagster_home.glob("storage/*/compute_logs/*")]
    out, err, complete = ([path for path in files if path.suffix == f".{kind}"] for kind in ("out", "err", "complete"))
    assert "".join(path.read_text() for path in out) == printed
    assert "".join(path.read_text() for path in err).count("an error of a child\n") == 2
    assert {path.stem for path in complete} == {path.stem for path in out}
