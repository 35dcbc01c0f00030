"""Folders that are nobody else's, and a disk that is full.

Here: making such a folder, and knowing a full disk among other failures, by the words that every library hands on, with
the sentence for a user. Not here: how much is free while all is well (see `doctor`).
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from dataflow_assets.core.formatting import without_colours
from dataflow_assets.errors import DataFlowError

_WORDS = os.strerror(28)  # ENOSPC: "No space left on device"


class DiskFullError(DataFlowError):
    """No space is left where something was to be written; it is as if that had not been begun."""

    code: ClassVar[str] = "disk_full"


def make_private(folder: Path) -> None:
    """Make a folder that only this user can enter, whatever the umask; one that is there keeps its permissions."""
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)


@contextmanager
def explain_full_disk(*folders: Path) -> Iterator[None]:
    """Say in one sentence that a disk is full, where the block fails for that.

    Args:
        folders: where the block writes, beside the temporary folder.

    Raises:
        DiskFullError: with the library's words, and how much is free in each of these folders.
    """
    try:
        yield
    except DataFlowError:
        raise
    except Exception as error:
        reason = next((line for line in without_colours(str(error)).splitlines() if _WORDS in line), None)
        if reason is None:
            raise
        places = (*folders, Path(tempfile.gettempdir()))
        free = (f"{_free(folder):,.1f} MB are free under {folder}" for folder in places)
        raise DiskFullError(
            f"A disk is full ({reason.strip(' ↳')}): {' and '.join(free)}. Nothing was half written: make space there, "
            "or on the server of the database, and do the same again."
        ) from error


def _free(folder: Path) -> float:
    """Megabytes."""
    there = next(place for place in (folder, *folder.absolute().parents) if place.is_dir())
    return shutil.disk_usage(there).free / 1e6
