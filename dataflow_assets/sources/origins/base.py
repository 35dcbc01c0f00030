"""What a declaration says of the place that its files come from.

Here: what every kind of place says, and what servers of files say beside it. Not here: any kind of place, and
connecting to one (see `collectors`).
"""

import re
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal
from urllib.parse import SplitResult, unquote

from dataflow_assets.sources.formats.base import Format
from dataflow_assets.sources.origins.patterns import NamePattern

_VARIABLE = re.compile("[A-Z][A-Z0-9_]*")
_CRON = re.compile(r"\S+( \S+){4}")
_HOST = re.compile(r"[^\s/@]+")


@dataclass(frozen=True, kw_only=True)
class Origin:
    """A place elsewhere that gives a source its files. A subclass is a frozen dataclass, whose fields say which.

    A secret is never a field: a field names the environment variable that holds it, and `variables` lists those fields.
    `schedule` says when it is looked for new files, as cron does, in the business time zone.

    - `label`: its name in a sentence.
    - `schemes`: how the address of one thing there begins, its kind first; without any, none is loaded by hand.

    Raises:
        ValueError: the declaration cannot be right, and why.
    """

    label: ClassVar[str]
    schemes: ClassVar[tuple[str, ...]] = ()
    schedule: str = "*/10 * * * *"

    def __post_init__(self) -> None:
        for problem in self.problems():
            raise ValueError(f"{type(self).__name__}: {problem}")

    @property
    def address(self) -> str:
        """What it is called in a sentence, without any secret."""
        return self.label

    @classmethod
    def fields_at(cls, address: SplitResult) -> Mapping[str, Any]:
        """The fields that the address of one thing says, which is of one of the `schemes`.

        Raises:
            ValueError: it is the address of no such thing.
        """
        raise NotImplementedError

    @property
    def server(self) -> Hashable:
        """Whom the secrets are shown to: equal for two places that may know the same ones."""
        return self.address

    @property
    def variables(self) -> Mapping[str, str | None]:
        """The environment variables that hold its secrets, by the name of the field that names them."""
        return {}

    def problems(self) -> Iterator[str]:
        """A sentence for each thing that cannot be right."""
        if not _CRON.fullmatch(self.schedule):
            yield f"the schedule {self.schedule!r} has not the five fields of cron, such as '*/10 * * * *'"
        for name, variable in self.variables.items():
            if variable is not None and not _VARIABLE.fullmatch(variable):  # which is not shown: it may be the secret
                yield f"{name} is not the name of an environment variable, such as SFTP_PASSWORD; no secret stands here"

    def wrong_format(self, reader: Format) -> Iterator[str]:  # noqa: ARG002
        """A sentence for each reason why what is collected from here cannot be read so; any file can be."""
        yield from ()


@dataclass(frozen=True, kw_only=True)
class FileOrigin(Origin):
    """A server with a folder of files.

    `pattern` says which files below `folder` are the source's: `*` and `?` stand for letters of a name, a `/` for
    a folder within, `**/` for any folders, and `{day:%Y%m%d}` for the day of delivery. Without a day in the name, the
    day is that on which a file first lands, or of `day_of="modification"` the one on which it was last changed: so that
    a file that is written over every day is a delivery of each.

    A file waits until it has been seen unchanged for `quiet_seconds`.
    """

    default_port: ClassVar[int]
    host: str
    folder: str
    pattern: str
    user: str
    port: int | None = None
    day_of: Literal["first_landing", "modification"] = "first_landing"
    quiet_seconds: float = 5.0

    @cached_property
    def names(self) -> NamePattern:
        """The pattern, ready to be matched."""
        return NamePattern(self.pattern)

    @property
    def address(self) -> str:
        """Its URL without a password."""
        port = f":{self.port}" if self.port else ""
        return f"{self.label.lower()}://{self.host}{port}/{self.folder.lstrip('/')}"

    @property
    def server(self) -> Hashable:
        """The host and the user there."""
        return self.host, self.port or self.default_port, self.user

    @classmethod
    def fields_at(cls, address: SplitResult) -> Mapping[str, Any]:
        """Those of `sftp://user@host:22/folder/name.csv`."""
        folder, name = folder_and_name(address.path)
        said = {"host": address.hostname, "port": address.port, "user": address.username and unquote(address.username)}
        return {"folder": f"/{folder}", "pattern": name, **{field: value for field, value in said.items() if value}}

    def problems(self) -> Iterator[str]:
        """A sentence for each thing that cannot be right."""
        yield from super().problems()
        if not _HOST.fullmatch(self.host):
            yield f"{self.host!r} is no name or address of a host"
        if self.port is not None and not 0 < self.port < 65536:
            yield f"{self.port} is no port"
        if not self.user:
            yield "it names no user"
        if not self.folder:
            yield "it names no folder; '.' is the one in which the server begins"
        if self.quiet_seconds < 0:
            yield f"quiet_seconds is {self.quiet_seconds}, less than none"
        try:
            if self.names.has_day and self.day_of != "first_landing":
                yield "the pattern says the day, and so does day_of; leave one of them out"
        except ValueError as error:
            yield str(error)


def folder_and_name(path: str) -> tuple[str, str]:
    """The folder and the name of a file in an address, as a pattern of that name alone.

    Raises:
        ValueError: it names no file, or one whose name is no pattern.
    """
    folder, _, name = unquote(path).strip("/").rpartition("/")
    if not name or path.endswith("/") or any(letter in name for letter in "*?{}"):
        raise ValueError("it must end in the name of one file, without any of * ? { }")
    return folder, name
