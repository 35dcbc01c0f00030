"""Text in another encoding to UTF-8.

Here: what a file in a declared encoding may hold that the encoding does not mean: UTF-8, characters of Windows
where control characters stand, and bytes that are no character. Not here: unpacking (see `archives`).
"""

import codecs
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from dataflow_assets.errors import FormatError

_CHUNK_BYTES = 1 << 20
_WINDOWS = {"latin-1": "cp1252", "iso-8859-15": "cp1252", "iso-8859-2": "cp1250"}  # as people call them
_CONTROLS = [chr(code) for code in range(0x80, 0xA0)]
_SINGLE_BYTES = re.compile("latin-1|iso-8859-.*|cp125.|cp437|cp8..|mac_roman")
_NO_CHARACTERS = re.compile("[\udc80-\udcff]")  # as a decoder marks bytes that are none
_NEVER_UTF_8 = "\udcff"


def write_utf8(file: Path, name: str, chunks: Iterable[bytes], encoding: str) -> Counter[str]:
    """Write text in an encoding to a file in UTF-8; what was repaired, by its kind.

    Text that is UTF-8, ASCII aside, is taken as that, whatever is declared (`utf_8`): by chance no other text is. Where
    ISO 8859 has the control characters 80 to 9F, the characters of Windows are meant (`windows_characters`); other such
    controls are kept, and counted (`control_characters`). A line that alone is UTF-8 among others that are not is kept
    and counted (`looks_like_utf_8`): it may be one by chance. Bytes that are no character in the encoding are none in
    what is written either, for the reader to reject their line.

    Raises:
        FormatError: it is declared as Unicode and is not.
    """
    if encoding.startswith("utf-"):
        with file.open("wb") as written:
            for text in _decoded(name, chunks, encoding):
                written.write(text.encode())
        return Counter()
    raw = file.with_name(file.name + "~")
    try:
        is_utf8 = _write_raw(raw, chunks)
        if is_utf8:
            raw.replace(file)
            return Counter(utf_8=1)
        return _transcode(raw, file, name, encoding)
    finally:
        raw.unlink(missing_ok=True)


def _write_raw(raw: Path, chunks: Iterable[bytes]) -> bool:
    """Write bytes as they are; whether they are UTF-8 and not ASCII alone."""
    decoder, is_utf8, is_ascii = codecs.getincrementaldecoder("utf-8")(), True, True
    with raw.open("wb") as written:
        for chunk in chunks:
            written.write(chunk)
            is_ascii = is_ascii and chunk.isascii()
            is_utf8 = is_utf8 and _decodes(decoder, chunk)
    return is_utf8 and not is_ascii and _decodes(decoder, b"", final=True)


def _decodes(decoder: codecs.IncrementalDecoder, chunk: bytes, *, final: bool = False) -> bool:
    try:
        decoder.decode(chunk, final)
    except UnicodeDecodeError:
        return False
    return True


def _transcode(raw: Path, file: Path, name: str, encoding: str) -> Counter[str]:
    windows = _windows_characters(encoding)
    table, repaired = str.maketrans(windows), Counter[str]()
    with raw.open("rb") as read, file.open("wb") as written:
        chunks = iter(lambda: read.read(_CHUNK_BYTES), b"")
        if _SINGLE_BYTES.fullmatch(encoding):
            chunks = _count_utf8_lines(chunks, repaired)
        for text in _decoded(name, chunks, encoding, "surrogateescape"):
            if any(control in text for control in _CONTROLS):
                counts = {control: text.count(control) for control in _CONTROLS}
                meant = sum(count for control, count in counts.items() if control in windows)
                repaired.update(windows_characters=meant, control_characters=sum(counts.values()) - meant)
            meant_text = text.translate(table) if windows else text
            written.write(_NO_CHARACTERS.sub(_NEVER_UTF_8, meant_text).encode(errors="surrogateescape"))
    return +repaired


def _count_utf8_lines(chunks: Iterable[bytes], repaired: Counter[str]) -> Iterator[bytes]:
    """The chunks, of which the lines that are UTF-8, ASCII aside, are counted; not those longer than a chunk."""
    begun = b""
    for chunk in chunks:
        *lines, begun = (begun + chunk).split(b"\n")
        repaired["looks_like_utf_8"] += sum(map(_is_utf8, lines))
        begun = begun if len(begun) <= _CHUNK_BYTES else b"\xff"
        yield chunk
    repaired["looks_like_utf_8"] += _is_utf8(begun)


def _is_utf8(line: bytes) -> bool:
    return not line.isascii() and _decodes(codecs.getincrementaldecoder("utf-8")(), line, final=True)


def _windows_characters(encoding: str) -> dict[str, str]:
    """What the control characters of an encoding mean on Windows, where they mean anything."""
    if encoding not in _WINDOWS:
        return {}
    meant = {control: bytes([ord(control)]).decode(_WINDOWS[encoding], "ignore") for control in _CONTROLS}
    return {control: character for control, character in meant.items() if character}


def _decoded(name: str, chunks: Iterable[bytes], encoding: str, errors: str = "strict") -> Iterable[str]:
    decoder = codecs.getincrementaldecoder(encoding)(errors)
    try:
        for chunk in chunks:
            yield decoder.decode(chunk)
        yield decoder.decode(b"", final=True)
    except UnicodeError as error:
        reason = getattr(error, "reason", error)
        raise FormatError(f"{name} is not text in {encoding}, as its source says: {reason}.") from None
