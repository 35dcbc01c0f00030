"""Zip archives, of which the list of members is held in memory.

Here: opening one. Not here: what may be in it (see `lake.readers.archives` and `sources.formats.workbook_parts`).
"""

import zipfile
from pathlib import Path

MOST_MEMBERS = 100_000
_BLOCK_BYTES = 1 << 20
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
    count, before = 0, b""
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            content = before + block
            count += content.count(_LISTED)
            if count > MOST_MEMBERS:
                raise ValueError(f"it has more than {MOST_MEMBERS:,} members")
            before = content[1 - len(_LISTED) :]
