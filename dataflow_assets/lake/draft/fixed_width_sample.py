"""A file of fixed-width text to a sample.

Here: where its columns begin, by the places at which every line has a blank and the next has not. Not here: what the
values mean (see `columns`).
"""

from itertools import islice, pairwise
from pathlib import Path

import polars as pl

from dataflow_assets.errors import FormatError
from dataflow_assets.lake.draft.base import MOST_ROWS, Sample, guess_encoding, write_options

_MOST_BYTES = 64 << 20
_FEWEST_LINES = 5  # by which columns can be told


def read_fixed_width(path: Path) -> Sample:
    """Look into a file of fixed-width text.

    Raises:
        FormatError: its columns cannot be told.
    """
    with path.open("rb") as file:
        content = file.read(_MOST_BYTES)
    encoding = guess_encoding(content)
    text = content.decode(encoding, errors="ignore").removeprefix("\ufeff")
    cut = text.split("\n" if "\n" in text else "\r")
    lines = [line.rstrip("\r") for line in islice(cut, MOST_ROWS + 2) if line.strip()]
    starts = _find_starts(lines if len(_find_starts(lines)) == len(_find_starts(lines[1:])) else lines[1:])
    if len(lines) < _FEWEST_LINES or len(starts) < 2:
        raise FormatError(f"{path.name} says too little of where its columns begin: declare it by hand.")
    length = max(map(len, lines))
    places = list(pairwise([*starts, length]))
    names = _header(lines[0], places)
    rows = lines[1:] if names else lines
    columns = names or [f"column_{number}" for number in range(len(places))]
    found = ([line[start:end].strip() or None for line in rows] for start, end in places)
    texts = pl.DataFrame([pl.Series(name, values, pl.String) for name, values in zip(columns, found, strict=True)])
    options = write_options(
        {
            "widths": {name: end - start for name, (start, end) in zip(columns, places, strict=True)},
            "skip_lines": 1 if names else 0,
            "encoding": "" if encoding == "utf-8" else encoding,
        }
    )
    ragged = "" if len(set(map(len, rows))) == 1 else ", whole_lines=False"
    notes = ("where each column begins, by the blanks that all lines have",)
    return Sample(texts, f"FixedWidth({options}{ragged})", "FixedWidth", notes=notes)


def _find_starts(lines: list[str]) -> list[int]:
    """The places at which some line has a character and all have a blank just before.

    Where a column is filled from the right, the blanks before it are its own: a longer number needs them.
    """
    length = max(map(len, lines), default=0)
    blank = [all(place >= len(line) or line[place] == " " for line in lines) for place in range(length)]
    starts = [place for place in range(length) if not blank[place] and (place == 0 or blank[place - 1])]
    ends = [place + 1 for place in range(length) if not blank[place] and (place + 1 == length or blank[place + 1])]
    before = [0, *ends]
    return [
        before[number] if number and _is_filled_from_the_right(lines, start, ends[number]) else start
        for number, start in enumerate(starts)
    ]


def _is_filled_from_the_right(lines: list[str], start: int, end: int) -> bool:
    values = [line[start:end].ljust(end - start) for line in lines]
    return any(value[:1] == " " for value in values) and all(value[-1:] != " " for value in values)


def _header(line: str, places: list[tuple[int, int]]) -> list[str]:
    """The names in the first line, one for each column; none where it has a row."""
    names = [line[start:end].strip() for start, end in places]
    is_header = all(names) and len(set(names)) == len(names) and not any(one[0].isdigit() for one in names)
    return names if is_header and not any(" " in name for name in names) else []
