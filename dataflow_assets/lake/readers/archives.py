"""Landed files to plain ones: out of gzip, zstd and zip, and into UTF-8.

Here: whether a file's name and its first bytes agree with its source, and unpacking and transcoding it as a stream,
within limits. A plain file in UTF-8 is not copied. Not here: what is in a plain file (see the formats).
"""

import gzip
import re
import stat
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path, PurePosixPath

import pyarrow as pa

from dataflow_assets.core.zip_archives import open_zip
from dataflow_assets.errors import FormatError
from dataflow_assets.lake.readers.beginnings import describe_beginning
from dataflow_assets.lake.readers.encodings import write_utf8
from dataflow_assets.sources.companions import IGNORED, is_ignored
from dataflow_assets.sources.formats import Format, all_formats, known_suffixes

_PACKINGS = {".gz": "gzip", ".zst": "zstd", ".zip": "zip"}
_PACKED_BEGINNINGS = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",  # without a member
    **{bytes([0x50 + kind]) + b"\x2a\x4d\x18": "zstd" for kind in range(16)},  # a frame to skip, as pzstd writes first
}
_MOST_BYTES = 64 << 30  # that a file may unpack to
_MOST_TIMES = 200  # its own size that it may unpack to; tables of text reach about 50
_HARMLESS_BYTES = 256 << 20  # that it may unpack to in any case
_CHUNK_BYTES = 1 << 20
_BEGINNING_BYTES = 200
_LONGEST_NAME = 60  # characters, of at most 4 bytes; a file system takes 255 bytes
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_END_BYTES = 22  # of the record with which a zip ends, its comment aside
_ENCRYPTED = 0x1 | 0x40 | 0x2000  # flags of a zip's member
_LEADS_ELSEWHERE = re.compile(r"^[/\\]|^[A-Za-z]:|(?:^|[/\\])\.\.(?:[/\\]|$)")
_BROKEN = (EOFError, zlib.error, zipfile.BadZipFile, struct.error, ValueError, OverflowError, NotImplementedError)


@dataclass(frozen=True)
class PlainFile:
    """A file as its reader wants it; `member` is its name in an archive of several, `repaired` is as in a batch."""

    path: Path
    member: str | None = None
    repaired: Mapping[str, int] = field(default_factory=dict)


def is_plain(path: Path, reader: Format) -> bool:
    """Whether a landed file can be read as it is.

    Raises:
        FormatError: its name or its first bytes are those of another format than the reader's.
    """
    packing = _packing(path.name, reader)
    with path.open("rb") as file:
        _require_beginning(path.name, file.read(_BEGINNING_BYTES), packing, reader)
    return packing is None and reader.encoding == "utf-8"


def plain_files(path: Path, reader: Format, ignored: Sequence[str] = IGNORED) -> Generator[PlainFile]:
    """The files that a landed one holds, in the order of their names, each there until the next one is asked for.

    Members of an archive whose names match the ignored patterns are no data.

    Raises:
        FormatError: the landed file is not sound, unpacks to too much, or holds what it must not: another format, a
            name or a link that leads elsewhere, something encrypted, or an archive.
    """
    if is_plain(path, reader):
        yield PlainFile(path)
        return
    limit = _Limit(path)
    with tempfile.TemporaryDirectory(prefix="dataflow-") as folder:
        for name, member, read in _streams(path, _packing(path.name, reader), ignored):
            _packing(name, reader)  # a member has a name of its own
            file = Path(folder) / PurePosixPath(member or path.name).name[-_LONGEST_NAME:]
            repaired = _unpack(file, _chunks(name, read, limit), name, reader)
            yield PlainFile(file, member, repaired)
            file.unlink()


def _packing(name: str, reader: Format) -> str | None:
    """What a file is packed with, by its name; an ending that names no format says nothing.

    Raises:
        FormatError: the name is that of another format than the reader's.
    """
    name_inside, ending = _split(name)
    packing = _PACKINGS.get(ending)
    ending = _split(name_inside)[1] if packing else ending
    if known_suffixes().get(ending, reader.suffix) not in (reader.suffix, *reader.other_suffixes):
        raise FormatError(f"{name} is named {ending}, but its source is declared as {reader.suffix}.")
    return packing


def is_packed(name: str) -> bool:
    """Whether a file is packed, as its name says; one that does not hold what its name says is refused."""
    return _split(name)[1] in _PACKINGS


def _split(name: str) -> tuple[str, str]:
    beginning, dot, ending = name.rpartition(".")
    return beginning, (dot + ending).lower()


def _require_beginning(name: str, beginning: bytes, packing: str | None, reader: Format) -> None:
    """Look whether bytes begin as they do in that packing, or else in the reader's format."""
    known = [*_PACKED_BEGINNINGS.items(), *((form.magic, form.label) for form in all_formats() if form.magic)]
    found = [kind for first, kind in known if beginning.startswith(first)]  # a workbook is a zip archive, too
    expected = packing or (reader.label if reader.magic else None)
    if expected in found or (expected is None and not found):
        return
    if expected is None:
        raise FormatError(f"{name} holds {found[0]}, which neither its name nor its source says.{_hint(found[0])}")
    says = "name" if packing else "source"
    raise FormatError(f"{name} does not hold {expected}, as its {says} says. {describe_beginning(beginning)}")


def _hint(found: str) -> str:
    return " A workbook (.xlsx, .ods) is a zip archive, too." if found == "zip" else ""


_Stream = tuple[str, str | None, Callable[[int], bytes]]


def _streams(path: Path, packing: str | None, ignored: Sequence[str]) -> Iterator[_Stream]:
    """What is in a landed file, unpacked: what to call it, its name in an archive of several, and how to read it."""
    if packing == "zip":
        yield from _members(path, ignored)
        return
    # Arrow unpacks gzip too, but keeps 100 KB for ever of each file that is cut short.
    with gzip.open(path) if packing == "gzip" else pa.input_stream(str(path), compression=packing) as stream:
        yield path.name, None, stream.read


def _members(path: Path, ignored: Sequence[str]) -> Iterator[_Stream]:
    """The files in a zip archive, in the order of their names."""
    with _faults_of(path.name):
        archive = open_zip(path)
    with archive:
        _require_all_listed(path, archive)
        listed = [info for info in archive.infolist() if not is_ignored(info.filename, ignored)]
        _require_harmless(path.name, listed)
        members = sorted((info for info in listed if not _is_folder(info)), key=lambda info: info.filename)
        for info in members:
            name = f"{path.name}: {info.filename}"
            with _faults_of(name):
                stream = archive.open(info)
            with stream:
                yield name, info.filename if len(members) > 1 else None, stream.read


def _require_all_listed(path: Path, archive: zipfile.ZipFile) -> None:
    """Look whether the first member that is listed stands at the beginning; else the list itself does."""
    list_alone = path.stat().st_size - _END_BYTES - len(archive.comment)
    if min((info.header_offset for info in archive.infolist()), default=list_alone) != 0:
        raise FormatError(f"{path.name} cannot be unpacked: the list of its members is damaged.")


def _require_harmless(name: str, infos: list[zipfile.ZipInfo]) -> None:
    """Look at what an archive says of its members before one is unpacked."""
    if len({info.filename for info in infos}) < len(infos):
        raise FormatError(f"{name} is refused: it holds two members of one name.")
    for info in infos:
        if problem := _problem(info):
            raise FormatError(f"{name} is refused: its member {info.filename!r} {problem}.")


def _problem(info: zipfile.ZipInfo) -> str | None:
    kind = stat.S_IFMT(info.external_attr >> 16)
    problems = {
        "is encrypted": info.flag_bits & _ENCRYPTED,
        "has a name that leads out of the archive": _LEADS_ELSEWHERE.search(info.filename),
        "has no name": not PurePosixPath(info.filename).name,
        "is a link or a device": kind not in (0, stat.S_IFREG, stat.S_IFDIR),
        "is packed by another method than deflate": info.compress_type not in _METHODS,
        "is a folder with content": _is_folder(info) and info.file_size,
        "is an archive itself": _split(info.filename)[1] in _PACKINGS,
    }
    return next((problem for problem, is_there in problems.items() if is_there), None)


def _is_folder(info: zipfile.ZipInfo) -> bool:
    return info.filename.endswith("/")


def _unpack(file: Path, chunks: Iterator[bytes], name: str, reader: Format) -> Mapping[str, int]:
    """Write bytes to a file that the reader can read; what was repaired, by its kind."""
    first = next(chunks, b"")
    _require_beginning(name, first, None, reader)
    content = chain([first], chunks)
    if reader.encoding != "utf-8":
        return write_utf8(file, name, content, reader.encoding)
    with file.open("wb") as written:
        written.writelines(content)
    return {}


def _chunks(name: str, read: Callable[[int], bytes], limit: "_Limit") -> Iterator[bytes]:
    while True:
        with _faults_of(name):
            chunk = read(_CHUNK_BYTES)
        if not chunk:
            return
        limit.spend(len(chunk))
        yield chunk


@contextmanager
def _faults_of(name: str) -> Iterator[None]:
    """What unpacking says against the file is a FormatError, and what the system says against reading it is not."""
    try:
        yield
    except (OSError, *_BROKEN) as error:
        if getattr(error, "errno", None) is not None:
            raise
        raise FormatError(f"{name} cannot be unpacked: {error}.") from None


class _Limit:
    """How many bytes a file may unpack to."""

    def __init__(self, path: Path) -> None:
        self._name = path.name
        self._left = min(_MOST_BYTES, max(_HARMLESS_BYTES, path.stat().st_size * _MOST_TIMES))

    def spend(self, size: int) -> None:
        """Count bytes.

        Raises:
            FormatError: there are more than the file may unpack to.
        """
        self._left -= size
        if self._left < 0:
            raise FormatError(
                f"{self._name} is refused: it unpacks to more than {_MOST_TIMES} times its size, "
                f"or to more than {_MOST_BYTES >> 30} GiB."
            )
