"""What the lines of a folder's listing mean that an FTP server gives.

Here: lines to values, by RFC 3659 (MLSD) and by the two customs of LIST. Not here: asking a server (see `ftp.session`).
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_UNIX = re.compile(
    r"(?P<kind>[-dlbcps])[-rwxXsStTlL+.@]{9,}\s+\d+\s+(?:\S+\s+){1,2}(?P<size>\d+)\s+"
    r"(?P<when>[A-Za-z]{3}\s+\d{1,2}\s+(?:\d{1,2}:\d{2}|\d{4})) (?P<name>.+)"
)
_DOS = re.compile(
    r"(?P<when>\d{2}-\d{2}-(?:\d{2}|\d{4})\s+\d{1,2}:\d{2}(?:[AP]M)?)\s+(?P<size><DIR>\s*|\d+)\s(?P<name>.+)",
    re.IGNORECASE,
)
_DOS_FORMATS = ("%m-%d-%y %I:%M%p", "%m-%d-%Y %I:%M%p", "%m-%d-%y %H:%M", "%m-%d-%Y %H:%M")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_FOLDERS = ("dir", "cdir", "pdir")


@dataclass(frozen=True, kw_only=True)
class Line:
    """What a line says of a name. `version` is its text about the file, by which a change is seen.

    `unique` is the same for two names of one folder or file, such as a link to it; empty where the server says none.
    `modified` is to the minute or the day where LIST says it, in UTC if the server's clock is.
    """

    name: str
    is_folder: bool = False
    is_file: bool = False
    version: str = ""
    size: int | None = None
    modified: datetime | None = None
    unique: str = ""


def parse_facts(text: str) -> Line | None:
    """A line of MLSD or MLST, such as `type=file;size=12;modify=20211205100000; a.csv`; None where it is none."""
    facts, blank, name = text.lstrip(" ").partition(" ")
    pairs = {key.lower(): value for key, _, value in (fact.partition("=") for fact in facts.split(";"))}
    if not blank or not name or "type" not in pairs:
        return None
    kind, size = pairs["type"].lower(), pairs.get("size", "")
    return Line(
        name=name,
        is_folder=kind in _FOLDERS,
        is_file=kind == "file",
        version=f"{size} bytes of {pairs.get('modify', '?')}",
        size=int(size) if size.isdecimal() else None,
        modified=parse_moment(pairs.get("modify", "")),
        unique=pairs.get("unique", ""),
    )


def parse_moment(text: str) -> datetime | None:
    """An instant as MDTM and `modify` say it, in UTC: `20211205100000` or with a fraction; None where it is none."""
    found = re.fullmatch(r"(\d{14})(?:\.(\d{1,6})\d*)?", text.strip())
    if found is None:
        return None
    try:
        moment = datetime.strptime(found[1], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    return moment + timedelta(microseconds=int((found[2] or "0").ljust(6, "0")))


def parse_list(text: str, now: datetime) -> Line | None:
    """A line of LIST, as Unix and as Windows write it; None where it is none, such as `total 12`.

    Args:
        text: the line.
        now: by which the year is known where the line has none.
    """
    if found := _UNIX.fullmatch(text):
        kind, name = found["kind"], found["name"]
        return Line(
            name=name.split(" -> ")[0] if kind == "l" else name,
            is_folder=kind == "d",
            is_file=kind in "-l",
            version=f"{found['size']} bytes of {' '.join(found['when'].split())}",
            size=None if kind == "l" else int(found["size"]),
            modified=_unix_moment(found["when"].lower().split(), now),
        )
    if found := _DOS.fullmatch(text):
        is_folder = not found["size"].isdecimal()
        return Line(
            name=found["name"],
            is_folder=is_folder,
            is_file=not is_folder,
            version=f"{found['size'].strip()} bytes of {' '.join(found['when'].split())}",
            size=None if is_folder else int(found["size"]),
            modified=_dos_moment(" ".join(found["when"].upper().split())),
        )
    return None


def _unix_moment(words: list[str], now: datetime) -> datetime | None:
    """`Dec 5 10:00`, within the year before tomorrow, or `Dec 5 2020`."""
    month, day, last = _MONTHS.index(words[0]) + 1 if words[0] in _MONTHS else 0, int(words[1]), words[2]
    hour, is_time, minute = last.partition(":")
    latest = now + timedelta(days=1)
    years = range(latest.year, latest.year - 9, -1) if is_time else [int(last)]
    for year in years:  # of 29 February several do not have it
        try:
            moment = datetime(year, month, day, tzinfo=UTC)
        except ValueError:
            continue
        if is_time:
            moment += timedelta(hours=int(hour), minutes=int(minute))
        if moment <= latest:
            return moment
    return None


def _dos_moment(text: str) -> datetime | None:
    for form in _DOS_FORMATS:
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC)
        except ValueError:
            continue
    return None
