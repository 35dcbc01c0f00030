"""A copy of the program with orders as one more source, and its commands as a user runs them.

Here: the copy, and processes of it. Not here: what is expected.
"""

import subprocess
import sys
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import IO

from dataflow_assets_tests.processes import environment_with
from dataflow_assets_tests.program_copy import copy_program
from dataflow_assets_tests.warm import NOTHING, run_dataflow, start_dataflow

_ORDERS = Path(__file__).with_name("orders.py")
_ANSWER = Path(__file__).with_name("orders_by_day.sql")


@dataclass(frozen=True)
class Program:
    """A copy in a folder, whose home is in the folder too."""

    folder: Path

    @classmethod
    def with_orders_from(cls, folder: Path, origin: str) -> "Program":
        """A copy in which orders, of which an answer is made, arrive from what an expression makes: `Kafka(…)`."""
        program = cls(folder)
        copy = program.copy
        copy_program(copy)
        imports = f"from dataflow_assets.sources.origins import {origin.partition('(')[0]}\n"
        declared = f"{_ORDERS.read_text()}\n\n{imports}SOURCE = orders_from({origin})\n"
        (copy / "dataflow_assets" / "sources" / "orders.py").write_text(declared)
        (copy / "dataflow_assets" / "analytics" / _ANSWER.name).write_text(_ANSWER.read_text())
        program.run("init-db")
        program.run_python("from dataflow_assets.postgres.migrate import write_revision; write_revision('orders')")
        program.run("init-db")
        return program

    @property
    def copy(self) -> Path:
        """The copy itself."""
        return self.folder / "program"

    @property
    def environment(self) -> dict[str, str]:
        """No setting but those of the copy."""
        return environment_with(
            DATAFLOW_HOME=str(self.folder / "home"),
            DATAFLOW_FIRST_DAY="2021-12-01",
            PYTHONPATH=str(self.copy),
        )

    def start(self, *arguments: str, errors: int | IO[str] = subprocess.PIPE) -> subprocess.Popen[str]:
        """A command, started."""
        return self._start("-m", "dataflow_assets.cli", *arguments, errors=errors)

    def begin(self, *arguments: str) -> BaseProcess:
        """A command, started in a process that has imported what it needs; nobody hears what it says."""
        return start_dataflow(arguments, self.environment, (NOTHING, NOTHING, NOTHING), self.folder, self.copy)

    def run(self, *arguments: str) -> str:
        """What a command prints, which must end well."""
        done = run_dataflow(arguments, self.environment, self.folder, self.copy)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def run_python(self, statements: str) -> str:
        """What some Python prints, which must end well."""
        return _finish(self._start("-c", statements))

    def _start(self, *arguments: str, errors: int | IO[str] = subprocess.PIPE) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, *arguments],
            env=self.environment,
            cwd=self.folder,
            text=True,
            stdout=subprocess.PIPE,
            stderr=errors,
        )


def _finish(process: subprocess.Popen[str]) -> str:
    try:
        output, errors = process.communicate(timeout=300)
    finally:
        process.kill()
    assert process.returncode == 0, errors
    return output
