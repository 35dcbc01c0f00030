"""What a file looks like that is not what its source declares.

Here: naming the usual mistakes by a file's first bytes, and quoting its first line. Not here: any format's own rules.
"""

import codecs
import re

_LONGEST_QUOTE = 120  # characters
_MAGICS = {
    b"BZh": "bzip2, which is not read",
    b"\xfd7zXZ\x00": "xz, which is not read",
    b"7z\xbc\xaf": "a 7z archive, which is not read",
    b"Rar!": "a RAR archive, which is not read",
    b"PK\x03\x04": "a zip archive or a workbook (.xlsx, .ods)",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook (.xls), which is not read",
    b"%PDF": "a PDF document",
    b"PAR1": "Parquet",
    b"Obj\x01": "Avro",
    b"version https://git-lfs": "a Git LFS pointer: the file itself was not fetched",
}
_UTF_16 = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_MARKUP = (
    (re.compile(rb"\s*(?:<\?xml[^>]*>\s*)?<Error>"), "an error message of an object store, in XML"),
    (re.compile(rb"\s*<(?:!doctype html|html)", re.IGNORECASE), "an HTML page"),
    (re.compile(rb"\s*<\?xml"), "an XML document"),
    (re.compile(rb"\s*(?:\[\s*\{|\{\s*\")"), "JSON"),
)
_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}


def describe_beginning(content: bytes, delimiter: str = "") -> str:
    """A sentence that quotes the first line of a file, and says what it looks like where that can be told.

    Args:
        content: the first bytes of the file.
        delimiter: the one of its source, where it has one.
    """
    beginning = content.removeprefix(codecs.BOM_UTF8)
    line = re.split(rb"[\r\n]", beginning, maxsplit=1)[0]
    encoding = _utf_16(beginning)
    text = beginning.decode(encoding, "replace").splitlines()[:1] if encoding else [line.decode("utf-8", "replace")]
    quoted = repr((text or [""])[0].replace("\0", "\ufffd").strip("\ufeff \t")[:_LONGEST_QUOTE])
    if kind := _kind(beginning, line.decode("utf-8", "replace"), delimiter, encoding):
        return f"It begins with {quoted}, which looks like {kind}."
    return f"It begins with {quoted}."


def _kind(content: bytes, line: str, delimiter: str, encoding: str | None) -> str | None:
    if encoding:
        return f"text in UTF-16: declare encoding='{encoding}'"
    if kind := next((kind for magic, kind in _MAGICS.items() if content.startswith(magic)), None):
        return kind
    if kind := next((kind for pattern, kind in _MARKUP if pattern.match(content)), None):
        return kind
    if not delimiter or delimiter in line:
        return None
    most = max(_DELIMITERS, key=line.count)
    return f"values between {_DELIMITERS[most]}: declare delimiter={most!r}" if most in line else None


def _utf_16(content: bytes) -> str | None:
    """The encoding of text in UTF-16, with its mark or with every other byte of its beginning zero."""
    for mark, encoding in _UTF_16.items():
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
