"""A copy of the program that a test may change.

Here: making it. Not here: what a test adds to it, and running its commands.
"""

import shutil
from pathlib import Path

import dataflow_assets

PACKAGE = Path(dataflow_assets.__path__[0])


def copy_program(folder: Path) -> None:
    """Copy the package and its instance's configuration; what Python compiled comes too, for the times are the same."""
    being_written = shutil.ignore_patterns("*.pyc.*")  # by another process of the test run
    shutil.copytree(PACKAGE, folder / "dataflow_assets", ignore=being_written)
    shutil.copy(PACKAGE.parent / "dagster.yaml", folder)
