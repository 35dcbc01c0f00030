"""Zip archives, of which the list of members is held in memory.

Here: opening one. Not here: what may be in it (see `lake.readers.archives` and `sources.formats.workbook_parts`).
"""

import mmap
import zipfile
from pathlib import Path

MOST_MEMBERS = 100_000
_LISTED = b"PK\x01\x02"  # as each entry of the list begins


def open_zip(path: Path) -> zipfile.ZipFile:
    """Open a zip archive to read it.

    Raises:
        ValueError: it lists more than MOST_MEMBERS.
        OSError, zipfile.BadZipFile: it is no zip archive that can be read.
    """
    _require_few(path)
    return zipfile.ZipFile(path)


def _require_few(path: Path) -> None:
    with path.open("rb") as file:
        if not path.stat().st_size:
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            count, place = 0, content.find(_LISTED)
            while place >= 0:
                count += 1
                if count > MOST_MEMBERS:
                    raise ValueError(f"it has more than {MOST_MEMBERS:,} members")
                place = content.find(_LISTED, place + 1)
