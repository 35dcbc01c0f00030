"""Putting files among the answers, for tests that show that an answer is one file.

Here: doing it and undoing it. Not here: the files (see `added`).
"""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dataflow_assets import analytics
from dataflow_assets.analytics import lineage

FOLDER = Path(__file__).with_name("added")


@contextmanager
def added_answer(name: str, folder: Path) -> Iterator[None]:
    """Let a file of `added` be an answer until the block ends; it is copied into an empty folder."""
    shutil.copy(FOLDER / name, folder)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(analytics, "__path__", [*analytics.__path__, str(folder)])
            _forget()
            yield
    finally:
        sys.modules.pop(f"{analytics.__name__}.{Path(name).stem}", None)
        _forget()


def _forget() -> None:
    analytics.all_answers.cache_clear()
    lineage.columns_read.cache_clear()
