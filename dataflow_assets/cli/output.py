"""What the commands say: tables and sentences for people, JSON for programs.

Whatever a command prints goes through here: names and values of files may hold what steers a terminal.

Here: how it is printed, and progress on standard error. Not here: what is said.
"""

import logging
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from dataflow_assets.core.formatting import fold, one_line, to_json, visible
from dataflow_assets.core.logging import format_line, is_terminal
from dataflow_assets.errors import SettingsError
from dataflow_assets.settings import Settings, load_settings

_WHOLE_CELL = 10  # characters that are not folded in a table
_LONGEST_CELL = 60  # characters


@contextmanager
def details_in(settings: Settings, command: str, *, verbose: bool) -> Iterator[None]:
    """Keep what the runs of a command log in a file of the home, and name it at the end; `verbose`: show it instead."""
    if verbose:
        yield
        return
    from dataflow_assets.runtime.run_log import log_runs_to

    path = settings.home / "logs" / f"{command}.log"
    start = time.time()
    try:
        with log_runs_to(path):
            yield
    finally:
        if path.exists() and path.stat().st_mtime >= start and path.stat().st_size:
            say(f"Details: {shown_path(path)}")


def shown_path(path: Path) -> str:
    """A path as short as it can be written from the present folder."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """Show on standard error what is being done, as it is told, on one line."""
    console = Console(stderr=True)
    with console.status("Starting") as status:
        yield lambda what: status.update(Text(one_line(visible(what), console.width - 10)))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table that fits the terminal: where not even folded texts would, each row as a record of lines.

    Nothing is cut. Where no terminal is, and COLUMNS names no width, each row is one line, however long.
    """
    names, lines = [visible(name) for name in columns], [[visible(text) for text in row] for row in rows]
    longest = [max(map(_width, cells)) for cells in zip(names, *lines, strict=True)]
    whole = [min(length, _WHOLE_CELL) for length in longest]  # before a short text is folded, long ones are
    frame = 3 * len(names) + 1
    console = Console()
    if not (console.is_terminal or "COLUMNS" in os.environ):
        console = Console(width=max(sum(longest) + frame, 1))
    if sum(whole) + frame > console.width:
        _print_records(names, lines)
        return
    if sum(longest) + frame <= console.width and not any("\n" in text for line in lines for text in line):
        _print_whole(names, lines, longest, is_styled=bool(console.color_system))
        return
    headers = (Column(Text(name), overflow="fold", min_width=width) for name, width in zip(names, whole, strict=True))
    table = Table(*headers)
    for line in lines:
        table.add_row(*map(Text, line))  # a text is no markup
    console.print(table)


def _print_whole(names: list[str], lines: list[list[str]], widths: list[int], *, is_styled: bool) -> None:
    """Print a table of which no cell is folded: as rich draws it, in a small part of the time."""

    def draw(texts: Iterable[str], marks: str, fill: str = " ", style: str = "{}") -> str:
        cells = (
            f"{fill}{text}{fill * (width - cell_len(text) + 1)}" for text, width in zip(texts, widths, strict=True)
        )
        return marks[0] + marks[1].join(map(style.format, cells)) + marks[2]

    nothing, style = [""] * len(names), "\x1b[1m{}\x1b[0m" if is_styled else "{}"
    drawn = [draw(nothing, "┏┳┓", "━"), draw(names, "┃┃┃", style=style), draw(nothing, "┡╇┩", "━")]
    drawn += [draw(line, "│││") for line in lines]
    print("\n".join([*drawn, draw(nothing, "└┴┘", "─")]))  # noqa: T201


def _width(text: str) -> int:
    return max(map(cell_len, text.split("\n")), default=0)


def _print_records(names: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    """Each row as a record, a line for each column."""
    widest = max(map(cell_len, names))
    for number, line in enumerate(lines, 1):
        print(f"-[ record {number} ]-")  # noqa: T201
        for name, text in zip(names, line, strict=True):
            first, *more = text.split("\n")
            print(f"{name}{' ' * (widest - cell_len(name))} | {first}")  # noqa: T201
            for continued in more:
                print(f"{' ' * widest} | {continued}")  # noqa: T201


def short(values: Iterable[object]) -> list[str]:
    """Values as texts of one line, cut where they are long; nothing where there is none."""
    return [one_line(value, _LONGEST_CELL) for value in values]


def print_line(text: str) -> None:
    """Print what is to be copied or drawn as it is."""
    print(visible(text), flush=True)  # noqa: T201


def print_sentence(sentence: str, indent: int = 0) -> None:
    """Print a sentence of a result, in a terminal folded between words, with blanks before its further lines."""
    console = Console()
    text = visible(sentence)
    print(fold(text, console.width, indent) if console.is_terminal else text, flush=True)  # noqa: T201


def print_json(value: Any) -> None:
    """Print what JSON can hold."""
    print(to_json(value, indent=2))  # noqa: T201


def say(sentence: str, level: int = logging.INFO) -> None:
    """Say a sentence on standard error, without secrets: folded between words, or as JSON if that is no terminal."""
    with suppress(SettingsError):  # whose sentence has no secret
        sentence = load_settings().masked(sentence)
    line = format_line(sentence, level)
    print(fold(line, Console(stderr=True).width) if is_terminal() else line, file=sys.stderr)  # noqa: T201
