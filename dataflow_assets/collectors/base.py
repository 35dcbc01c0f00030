"""What every collector does: it finds what is new elsewhere, and brings it into landing, whole.

Here: the contract, and the values that it speaks of. Not here: any collector, putting files into landing and recording
that (see `sink`), and when it is done (see `orchestration`).

A collector keeps no truth of its own. What it brought is in landing, and the record says which version that was. The
name of a landed object follows from what was brought, so that bringing it again replaces it by the same bytes.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import ClassVar, Generic, Protocol, TypeVar

from dataflow_assets.errors import DataFlowError
from dataflow_assets.landing.deliveries import Delivery
from dataflow_assets.sources.base import Source
from dataflow_assets.sources.origins.base import Origin

OriginT = TypeVar("OriginT", bound=Origin)


class CollectError(DataFlowError):
    """Files cannot be collected from where a source says that they are, and trying again does not help."""

    code: ClassVar[str] = "collect"


class UnreachableError(CollectError):
    """The place does not answer, or the connection to it was lost; trying again later may help."""

    code: ClassVar[str] = "unreachable"


@dataclass(frozen=True, kw_only=True)
class Remote:
    """One version of a thing elsewhere that becomes one landed object.

    `path` names the thing there, whatever its version: `version` is another text when its content is another. `name`
    is the object's in the folder of its day, and may hold slashes; that of another path is another. `day` is the day
    of delivery where the thing says it itself; without one, it is the day on which the path first lands. A `fault`
    says why it cannot be brought, where that was seen when it was found.
    """

    path: str
    version: str
    name: str
    day: date | None = None
    size: int | None = None
    modified: datetime | None = None
    fault: str | None = None


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is recorded of a path: where it lands, and its version that has landed; None where none has yet."""

    day: date
    object: str
    version: str | None
    size: int | None
    modified: datetime | None


class Record(Protocol):
    """The record of what was collected of one source (see `ledger.collected`)."""

    def read(self, paths: Collection[str]) -> Mapping[str, Known]:
        """What is recorded of some paths; nothing of the others."""

    def last(self, folder: str) -> tuple[str, Known] | None:
        """The last recorded path of a folder, such as `orders/0`, by the order of its bytes."""

    def claim(self, objects: Mapping[str, tuple[date, str]]) -> Mapping[str, Known]:
        """Record the day and the object of paths that are not recorded, before anything of them lands.

        Of those that are, whoever recorded them, nothing is changed. So a path lands on one day, whatever is killed.

        Returns:
            What is recorded of them now.
        """

    def confirm(self, versions: Mapping[str, str]) -> None:
        """Record of some paths that what landed has another version's text now, but the same content."""

    def land(self, remote: Remote, before: Known | None, put: Callable[[], Delivery | None]) -> Delivery | None:
        """Put an object into landing and record it, while nobody else lands the same path.

        Returns:
            What `put` gives; None, without calling it, where the record is not as `before` any more.
        """

    def report(self, failures: Mapping[str, str]) -> set[str]:
        """Record why some paths failed; those that did not fail in the same way before."""


class Sink(Protocol):
    """Where a collector puts what it brings (see `sink`). Any thread may call it."""

    def land(self, remote: Remote, file: Path, *, replace: bool = True) -> Delivery | None:
        """Land a whole file, which the caller may delete then.

        Args:
            remote: what it is.
            file: its bytes.
            replace: whether it takes the place of an object of that name.

        Returns:
            The delivery; None where it, or another version, was landed by somebody else meanwhile, or where there is
            an object that must not be replaced.

        Raises:
            ObjectNameError: it has a name that no object can have.
        """

    def adopt(self, folders: Collection[str], version_of: Callable[[str, Path], str]) -> None:
        """Record the last object of each of some folders of landing where it is not recorded, without bringing it.

        Who landed it was killed before it could be recorded, or the record was lost.

        Args:
            folders: those of names, which are paths as well.
            version_of: an object's version, by its name and bytes.
        """

    def fail(self, remote: Remote, reason: str) -> None:
        """Say why one thing cannot be brought, as part of a sentence; the others are."""

    def postpone(self, remote: Remote, reason: str) -> None:
        """Say why one thing waits for the next time, which is no failure."""


class Collector(ABC, Generic[OriginT]):
    """Brings what is new of one source from its origin. It is used once.

    Without `is_enough`, it brings what is there. With it, one of a stream waits for what comes, in `find` and in
    `bring`, until that is true.

    A subclass is the `COLLECTOR` of a file of this package, and says in `origin_type` for which kind of origin it is,
    and in `is_stream` whether something comes there all the time.
    Whatever cannot be reached is an UnreachableError, and what will not pass a CollectError, each naming the place.
    """

    origin_type: ClassVar[type[Origin]]
    is_stream: ClassVar[bool] = False

    def __init__(
        self,
        source: Source,
        origin: OriginT,
        timezone: str,
        is_enough: Callable[[], bool] | None = None,
        first_day: date = date.min,
    ) -> None:
        self.source = source
        self.origin = origin
        self.timezone = timezone
        self.is_enough = is_enough
        self.first_day = first_day

    @abstractmethod
    def check(self) -> str:
        """Try the connection, and look whether there is what is to be collected; a sentence that says what is there.

        Raises:
            CollectError: there is not, and why.
        """

    @abstractmethod
    def find(self, record: Record) -> Iterable[Remote]:
        """What is there that is not recorded in this version. Nothing is landed, and nothing is changed there.

        Raises:
            CollectError: it cannot be looked at.
        """

    @abstractmethod
    def bring(self, wanted: Sequence[Remote], sink: Sink) -> None:
        """Bring what `find` gave, or some of it, into the sink. What fails by itself keeps nothing else from it.

        Raises:
            CollectError: the rest cannot be brought.
        """


def only_new(remotes: Iterable[Remote], record: Record) -> list[Remote]:
    """Those of which the record does not have this version."""
    found = list(remotes)
    known = record.read([remote.path for remote in found])
    return [remote for remote in found if remote.path not in known or known[remote.path].version != remote.version]
