"""Which names of files belong to a source, and which day they say.

Here: one pattern and what it matches. Not here: listing a server (see `collectors`).
"""

import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime

_TOKEN = re.compile(r"\{day:(?P<day>[^{}]*)\}|(?P<folders>\*\*/)|(?P<any>\*)|(?P<one>\?)|(?P<letter>[^{}])")
_PART_OF_DAY = re.compile(r"%(?P<directive>.)|(?P<letter>[^%])")
_DIGITS = {"Y": 4, "y": 2, "m": 2, "d": 2, "j": 3}
_WHOLE_DAYS = ({"Y", "m", "d"}, {"y", "m", "d"}, {"Y", "j"}, {"y", "j"})


class NamePattern:
    """A pattern of paths below a folder, such as `{day:%Y}/streams_{day:%Y%m%d}*.csv.gz`.

    >>> from dataflow_assets.sources.origins.patterns import NamePattern
    >>> pattern = NamePattern("streams_{day:%Y%m%d}*.csv")
    >>> pattern.matches("streams_20211205_a.csv"), pattern.matches("old/streams_20211205.csv")
    (True, False)
    >>> pattern.day_of("streams_20211205_a.csv")
    datetime.date(2021, 12, 5)

    Raises:
        ValueError: it is none, and why.
    """

    def __init__(self, text: str) -> None:
        self._directives: list[str] = []
        self._levels = "".join(self._pieces(text)).split("/")
        if any(part in ("", ".", "..") for part in text.split("/")):
            raise ValueError(f"the pattern {text!r} is no path below the folder")
        if self.has_day and not any(whole <= set(self._directives) for whole in _WHOLE_DAYS):
            raise ValueError(f"the day in the pattern {text!r} has not a year, a month and a day, as %Y%m%d has")
        self._whole = re.compile("/".join(self._levels), re.DOTALL)
        self._has_any_folders = "**/" in text

    def _pieces(self, text: str) -> Iterator[str]:
        """What each part of a pattern is as a regular expression, in which no `/` stands but between two levels."""
        end = 0
        for token in _TOKEN.finditer(text):
            if token.start() != end:
                break
            end = token.end()
            match token.lastgroup:
                case "day":
                    yield from self._pieces_of_day(token["day"])
                case "letter":
                    yield re.escape(token["letter"])
                case kind:
                    yield {"folders": "(?:.*/)?", "any": r"[^\x2f]*", "one": r"[^\x2f]"}[str(kind)]
        if end != len(text):
            raise ValueError(f"the pattern {text!r} has a brace that is not of a day, such as {{day:%Y%m%d}}")

    def _pieces_of_day(self, text: str) -> Iterator[str]:
        """The same of a day. What it says for a second time must be the same: names that contradict do not match."""
        for part in _PART_OF_DAY.finditer(text):
            directive = part["directive"]
            if directive is None:
                yield re.escape(part["letter"])
            elif directive not in _DIGITS:
                raise ValueError(f"the day {text!r} in a pattern says %{directive}; it may say %Y %y %m %d %j")
            elif directive in self._directives:
                yield f"(?P={directive})"
            else:
                self._directives.append(directive)
                yield rf"(?P<{directive}>\d{{{_DIGITS[directive]}}})"

    @property
    def has_day(self) -> bool:
        """Whether the names say their day."""
        return bool(self._directives)

    @property
    def folders(self) -> Sequence[re.Pattern[str]] | None:
        """What the paths of the folders on the way to a file match, level by level; None where any may hold one."""
        if self._has_any_folders:
            return None
        return [re.compile("/".join(self._levels[:count]), re.DOTALL) for count in range(1, len(self._levels))]

    def matches(self, path: str) -> bool:
        """Whether a path, relative to the folder, is one of a file of the source."""
        return bool(self._whole.fullmatch(path)) and (not self.has_day or self.day_of(path) is not None)

    def day_of(self, path: str) -> date | None:
        """The day that a path says; None where it says none, or one that no calendar has."""
        found = self._whole.fullmatch(path)
        if found is None or not self.has_day:
            return None
        said = " ".join(found[directive] for directive in self._directives)
        try:
            return datetime.strptime(said, " ".join(f"%{one}" for one in self._directives)).date()  # noqa: DTZ007
        except ValueError:
            return None
