"""Files beside the data: markers, checksums, manifests, and what operating systems leave.

Here: which names are no data, what a delivery waits for, and what a control file says of it. Not here: listing and
reading such files (see `landing.companions`).
"""

import fnmatch
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath

IGNORED = (  # patterns of names that are no data, in any case; of each part of a path
    *(".DS_Store", "._*", "__MACOSX", "Thumbs.db", "desktop.ini"),
    *("_SUCCESS", "_started_*", "_committed_*", "_temporary", "*.crc"),
    *("*.done", "*.ok", "*.ready", "*.complete", "*.trg", "*.ctl"),
    *("*.md5", "*.sha1", "*.sha256", "*.sha512", "*.asc", "*.sig"),
    *("manifest.json", "manifest.txt", "*.manifest", "md5sum*", "sha256sum*", "checksums.*"),
)
_PACKINGS = (".gz", ".zst", ".zip")


@dataclass(frozen=True, kw_only=True)
class ControlFile:
    r"""A file beside deliveries that says how many rows each has, its checksum, or which there are.

    `name` is the file's name, in any case, in which `{name}` stands for the name of the delivery and `{stem}` for it
    without its endings: `"{stem}.ctl"`. It lies beside the delivery, or in a folder above, up to that of the day.
    `rows` and `digest` are regular expressions over its text, with one group each: the number, and the checksum in
    hexadecimal digits (MD5, SHA-1, SHA-256 or SHA-512, by its length); `{name}` stands for the delivery's name there
    too. `ControlFile(name="{stem}.ctl", rows=r"rows=(\d+)")`.

    `files` finds every name in a manifest, which may be one for a whole day: until all of these files are there none is
    loaded, and one that it does not name is quarantined. `ControlFile(name="manifest.json", files=r'"file": "(.+?)"')`.
    """

    name: str
    rows: str | None = None
    digest: str | None = None
    files: str | None = None

    def __post_init__(self) -> None:
        patterns = [pattern for pattern in (self.rows, self.digest, self.files) if pattern is not None]
        if not patterns:
            raise ValueError(f"the control file {self.name!r} says neither rows nor a digest nor files")
        if set(self.name) & set("*?/"):
            raise ValueError(
                f"the name of a control file, {self.name!r}, has no *, ? or /; {{name}} and {{stem}} stand in it"
            )
        for pattern in patterns:
            if re.compile(_fill(pattern, "x", quote=re.escape)).groups != 1:
                raise ValueError(f"the pattern {pattern!r} of a control file must have one group")

    def name_of(self, delivery: str) -> str:
        """The name of the control file of a delivery of that name."""
        return _fill(self.name, delivery)

    def find(self, pattern: str, text: str, delivery: str) -> str | None:
        """What a pattern finds in a control file's text; None where it finds nothing."""
        found = re.search(_fill(pattern, delivery, quote=re.escape), text, re.MULTILINE)
        return found[1] if found else None

    def find_files(self, text: str) -> set[str]:
        """The names of the files, without their folders, that a manifest's text names."""
        return {PurePosixPath(name).name for name in re.findall(self.files or "(?!)()", text, re.MULTILINE)}


def is_ignored(path: str, patterns: Sequence[str]) -> bool:
    """Whether a file's path has a part that one of the patterns names.

    >>> from dataflow_assets.sources.companions import IGNORED, is_ignored
    >>> is_ignored("2021/prices.csv.md5", IGNORED), is_ignored("prices.csv", IGNORED)
    (True, False)
    """
    matches = _compile(tuple(patterns)).match
    return any(matches(part) for part in path.split("/") if part)


def marker_of(pattern: str, delivery: str) -> re.Pattern[str]:
    """What the name of the file matches that a delivery of that name waits for.

    >>> from dataflow_assets.sources.companions import marker_of
    >>> bool(marker_of("*.done", "a.csv").match("all.done"))
    True
    >>> bool(marker_of("{stem}.done", "a.csv").match("b.done"))
    False
    """
    return re.compile(fnmatch.translate(_fill(pattern, delivery, quote=_escape)), re.IGNORECASE)


def pattern_of_any(pattern: str) -> str:
    """The pattern of a companion's name, whatever its delivery is called."""
    return pattern.replace("{name}", "*").replace("{stem}", "*")


@lru_cache(maxsize=1000)
def _compile(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(fnmatch.translate, patterns)) or "(?!)", re.IGNORECASE)


def _escape(name: str) -> str:
    return re.sub(r"([*?[])", r"[\1]", name)


def _fill(pattern: str, delivery: str, quote: Callable[[str], str] = str) -> str:
    path = PurePosixPath(delivery)
    stem = path.with_suffix("") if path.suffix.lower() in _PACKINGS else path
    return pattern.replace("{name}", quote(path.name)).replace("{stem}", quote(stem.with_suffix("").name))
