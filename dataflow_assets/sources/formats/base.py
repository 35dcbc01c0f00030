"""What a format says of itself.

Here: the declaration that every format is, and the one of a format that is read by its own file alone. Not here: any
format, and what becomes of the values that are read (see `lake.validation`).
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import polars as pl


class Format(ABC):
    """How the files of a source are written. A subclass is a frozen dataclass, whose fields say what may differ.

    - `label`: its name in a sentence.
    - `endings`: each ending of a file's name that names the format, with the suffix that such a file has.
    - `magic`: the bytes with which each of its files begins; none where they do not tell.
    """

    label: ClassVar[str]
    endings: ClassVar[Mapping[str, str]]
    magic: ClassVar[bytes] = b""

    @property
    @abstractmethod
    def suffix(self) -> str:
        """The ending that a landed object of this format has, that of a packing aside."""

    @property
    def other_suffixes(self) -> tuple[str, ...]:
        """The suffixes of others of its kind that its files may have too, where writers do not tell them apart."""
        return ()

    @property
    def encoding(self) -> str:
        """The encoding of its text; the files are brought into UTF-8 before they are read."""
        return "utf-8"

    @property
    def fingerprint(self) -> object:
        """What of this declaration the rows depend on, `expressions` aside; its `repr` is the same in any process."""
        return self

    @property
    def expressions(self) -> Mapping[str, pl.Expr]:
        """What of this declaration is an expression, by column."""
        return {}

    def problems(self, columns: Collection[str]) -> Iterator[str]:  # noqa: ARG002
        """A sentence for each thing that this declaration does not say of a source with these columns."""
        yield from ()

    def fields_of(self, column: str) -> list[str]:
        """The fields of a file that a column is read from."""
        return [column]


@dataclass(frozen=True, kw_only=True, slots=True)
class Reject:
    """One rejected row, or one refused file: its text as delivered, where it stood, and why."""

    line: int | None
    code: str
    message: str
    raw: str


@dataclass(frozen=True, kw_only=True)
class Records:
    """Some records of a file, in the file's order.

    `origins` has a row for each record that has values: `line` (Int64, from 1; null where there are no lines) and
    `raw` (String), its text as delivered. `values` has the same rows: a String column for each field that the file
    has, null where the field is empty. `rejects` are the records without values. `delivered` counts all of them in the
    file's bytes, apart from the parsing: the sum must be the same.
    """

    origins: pl.DataFrame
    values: pl.DataFrame
    rejects: Sequence[Reject]
    delivered: int


class RecordFormat(Format):
    """A format that one file of this package is enough for: it says how its files are written, and reads them.

    What it reads are texts. The platform checks and casts them by the source's schema, as those of any format.
    """

    @abstractmethod
    def check(self, path: Path, columns: Mapping[str, pl.DataType]) -> None:
        """Look, without reading all of it, whether a plain file that is not empty can be one of this format.

        Args:
            path: the file, unpacked and in UTF-8.
            columns: those that the source declares, in its order, and behind them their aliases, with their types. A
                file may write a declared name in another case.

        Raises:
            FormatError: it cannot.
        """

    @abstractmethod
    def read(self, path: Path, columns: Mapping[str, pl.DataType]) -> Iterator[Records]:
        """Read a plain file that is not empty, some records at a time; the arguments are those of `check`.

        Raises:
            FormatError: the file as a whole is not of this format.
        """


def types_of(names: Iterable[str], columns: Mapping[str, pl.DataType]) -> dict[str, pl.DataType]:
    """The types of those names of a file that are among the columns, maybe in another case."""
    declared = {name.casefold(): dtype for name, dtype in columns.items()}
    return {name: declared[name.casefold()] for name in names if name.casefold() in declared}
