"""The parts of a workbook, which is a zip archive of XML, within what memory allows.

A workbook is looked at here before the library that reads its values sees it: that one holds a whole sheet in memory
and ends the process where it cannot. So what the two would read must be the same.

Here: opening the archive, finding a part by its name, and its elements one after the other. Not here: what a cell
means (see `workbook_cells`).
"""

import zipfile
from collections.abc import Collection, Iterator
from copy import copy
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder, XMLParser

from dataflow_assets.core.zip_archives import open_zip

_MOST_BYTES = 512 << 20  # that a workbook may unpack to
_MOST_DESCRIBED = 16 << 20  # bytes of a part that is neither a sheet nor the texts of cells, and is held in memory
_DESCRIBING = ("workbook.xml", "workbook.xml.rels", "styles.xml", ".rels", "[content_types].xml", "manifest.xml")
_CHUNK_BYTES = 64 << 10
_LONGEST_TEXT = 2 << 20  # characters of a cell, or bytes of anything in the XML; a spreadsheet allows 32,767
_MOST_PARTS = 100_000  # of a cell: pieces of text, each in a font of its own
_DEEPEST = 100


class Workbook:
    """The parts of an opened workbook by name."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        """Look at the sizes of all parts.

        Raises:
            ValueError, zipfile.BadZipFile: they are too large, not as large as the archive says, or named alike.
        """
        self._archive = archive
        self._parts = {_folded(info.filename): info for info in archive.infolist()}
        if len(self._parts) < len(archive.infolist()):
            raise ValueError("two of its parts have one name")
        if "content.xml" in self._parts and "xl/workbook.xml" in self._parts:
            raise ValueError("it is two workbooks in one")
        if sum(info.file_size for info in archive.infolist()) > _MOST_BYTES:
            raise ValueError(f"it unpacks to more than {_MOST_BYTES >> 20} MiB")
        for name, info in self._parts.items():
            if name.rpartition("/")[2] in _DESCRIBING and info.file_size > _MOST_DESCRIBED:
                raise ValueError(f"its {name} is larger than {_MOST_DESCRIBED >> 20} MiB")
            _require_size(archive, info)

    def __contains__(self, name: str) -> bool:
        """Whether there is a part of that name."""
        return _folded(name) in self._parts

    def elements(self, part: str, *ends: str, begins: Collection[str] = ()) -> Iterator[Element]:
        """The elements of some names with all that is in them, as they end, and others bare, as they begin.

        Raises:
            ValueError, xml.etree.ElementTree.ParseError: there is no such part, or it is no sound XML.
        """
        found = _Elements(ends, begins)
        if part not in self:
            raise ValueError(f"it has no part {part}")
        parser = XMLParser(target=found)  # noqa: S314 # without a document type there are no entities
        with self._archive.open(self._parts[_folded(part)]) as content:
            quiet = 0
            while chunk := content.read(_CHUNK_BYTES):
                before = found.count
                parser.feed(chunk)
                quiet = quiet + len(chunk) if found.count == before else 0
                if quiet > _LONGEST_TEXT:
                    raise ValueError(f"its part {part} holds something longer than {_LONGEST_TEXT >> 20} MiB")
                yield from found.take()
            parser.close()
            yield from found.take()


def open_workbook(path: Path) -> Workbook:
    """The parts of a workbook; the file is read when they are asked for.

    Raises:
        ValueError, OSError, zipfile.BadZipFile: it is no sound archive, or too large.
    """
    return Workbook(open_zip(path))


def name_of(element: Element) -> str:
    """The name of an element without its namespace."""
    return element.tag.rpartition("}")[2]


def _folded(name: str) -> str:
    """A name as the reader of values compares it."""
    return name.replace("\\", "/").removeprefix("/").lower()


def _require_size(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
    """Look whether a part is as large as the archive says: a reader may unpack all that there is."""
    told = copy(info)
    told.file_size = info.file_size + 1
    with archive.open(told) as content:
        size = sum(map(len, iter(lambda: content.read(_CHUNK_BYTES), b"")))
    if size != info.file_size:
        raise ValueError(f"its part {info.filename} is not as large as it says")


class _Elements:
    """What the parser of XML tells of elements; those that nobody asked for are forgotten at once."""

    def __init__(self, ends: Collection[str], begins: Collection[str]) -> None:
        self.count = 0  # of what was told
        self._ends, self._begins = frozenset(ends), frozenset(begins)
        self._found: list[Element] = []
        self._builder: TreeBuilder | None = None
        self._depth = self._level = self._parts = self._characters = 0

    def take(self) -> list[Element]:
        """What was found since the last time."""
        found, self._found = self._found, []
        return found

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self.count += 1
        self._depth += 1
        if self._depth > _DEEPEST:
            raise ValueError(f"its elements stand in each other, more than {_DEEPEST} deep")
        if self._builder is None:
            name = tag.rpartition("}")[2]
            if name in self._begins:
                self._found.append(Element(tag, attributes))
            elif name in self._ends:
                self._builder, self._level, self._parts, self._characters = TreeBuilder(), self._depth, 0, 0
        if self._builder is not None:
            self._parts += 1
            if self._parts > _MOST_PARTS:
                raise ValueError(f"a cell has more than {_MOST_PARTS:,} parts")
            self._builder.start(tag, attributes)

    def data(self, text: str) -> None:
        if self._builder is not None:
            self._characters += len(text)
            if self._characters > _LONGEST_TEXT:
                raise ValueError(f"a cell has a text of more than {_LONGEST_TEXT:,} characters")
            self._builder.data(text)

    def end(self, tag: str) -> None:
        self.count += 1
        if self._builder is not None:
            self._builder.end(tag)
            if self._depth == self._level:
                self._found.append(self._builder.close())
                self._builder = None
        self._depth -= 1

    def doctype(self, *_: Any) -> None:
        raise ValueError("it has a document type, which no workbook has")

    def close(self) -> None:
        """Nothing is left to do."""
