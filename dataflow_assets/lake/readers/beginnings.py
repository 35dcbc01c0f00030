"""What a file looks like that is not what its source declares.

Here: naming the usual mistakes by a file's first bytes, and quoting its first line. Not here: any format's own rules.
"""

import codecs
import re
from collections.abc import Iterable

_LONGEST_QUOTE = 120  # characters
_MAGICS = {
    b"BZh": "bzip2, which is not read",
    b"\xfd7zXZ\x00": "xz, which is not read",
    b"7z\xbc\xaf": "a 7z archive, which is not read",
    b"Rar!": "a RAR archive, which is not read",
    b"PK\x03\x04": "a zip archive or a workbook (.xlsx, .ods)",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook (.xls), which is not read",
    b"%PDF": "a PDF document",
    b"\x04\x22\x4d\x18": "LZ4, which is not read",
    b"PAR1": "Parquet",
    b"ORC": "ORC, which is not read",
    b"ARROW1": "Arrow or Feather, which is not read",
    b"Obj\x01": "Avro",
    b"version https://git-lfs": "a Git LFS pointer: the file itself was not fetched",
}
_WIDE = {  # UTF-32 first: its mark begins like that of UTF-16
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_MARKUP = (
    (re.compile(rb"\s*(?:<\?xml[^>]*>\s*)?<Error>"), "an error message of an object store, in XML"),
    (re.compile(rb"\s*<(?:!doctype html|html)", re.IGNORECASE), "an HTML page"),
    (re.compile(rb"\s*<\?xml"), "an XML document"),
    (re.compile(rb"\s*(?:\[\s*\{|\{\s*\")"), "JSON"),
)
_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}


def describe_beginning(content: bytes, delimiter: str = "", own: Iterable[tuple[str, str]] = ()) -> str:
    """A sentence that quotes the first line of a file, and says what it looks like where that can be told.

    Args:
        content: the first bytes of the file.
        delimiter: the one of its source, where it has one.
        own: what a file begins with (as a pattern) that a format takes for something else of its own kind, and what.
    """
    beginning = content.removeprefix(codecs.BOM_UTF8)
    line = re.split(rb"[\r\n]", beginning, maxsplit=1)[0]
    encoding = _wide_encoding(beginning)
    text = beginning.decode(encoding, "replace").splitlines()[:1] if encoding else [line.decode("utf-8", "replace")]
    quoted = repr((text or [""])[0].replace("\0", "\ufffd").strip("\ufeff \t")[:_LONGEST_QUOTE])
    of_format = next((kind for pattern, kind in own if re.match(pattern.encode(), beginning)), None)
    if kind := of_format or _kind(beginning, line.decode("utf-8", "replace"), delimiter, encoding):
        return f"It begins with {quoted}, which looks like {kind}."
    return f"It begins with {quoted}."


def _kind(content: bytes, line: str, delimiter: str, encoding: str | None) -> str | None:
    if encoding:
        is_declared = delimiter and encoding.startswith("utf-16")
        name = encoding.upper()[:6]
        return f"text in {name}" + (f": declare encoding={encoding!r}" if is_declared else ", which is not read")
    if kind := next((kind for magic, kind in _MAGICS.items() if content.startswith(magic)), None):
        return kind
    if kind := next((kind for pattern, kind in _MARKUP if pattern.match(content)), None):
        return kind
    if not delimiter or delimiter in line:
        return None
    most = max(_DELIMITERS, key=line.count)
    return f"values between {_DELIMITERS[most]}: declare delimiter={most!r}" if most in line else None


def _wide_encoding(content: bytes) -> str | None:
    """The encoding of text in UTF-16 or 32, with its mark or with every other byte of its beginning zero."""
    for mark, encoding in _WIDE.items():
        if content.startswith(mark):
            return encoding
    beginning = content[:100]
    for encoding, zeros, others in (
        ("utf-16-le", beginning[1::2], beginning[::2]),
        ("utf-16-be", beginning[::2], beginning[1::2]),
    ):
        if len(zeros) > 3 and not any(zeros) and all(others[: len(zeros)]):
            return encoding
    return None
