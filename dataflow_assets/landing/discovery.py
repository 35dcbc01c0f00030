"""Discovery of what is in landing, a bounded piece each time.

Here: which folders are listed this time, within a budget of objects, and where the next time goes on. Not here: how
they are listed (see `listing`), and what is new (see `ledger.discovery`).
"""

import json
import math
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Self

from dataflow_assets.landing.deliveries import Delivery, Expected
from dataflow_assets.landing.listing import Listed, end_of, find_folders, walk
from dataflow_assets.landing.storage import Storage

_NEWEST_DAYS = 3  # of each source: yesterday, today, tomorrow
_FEW_OBJECTS = 5_000  # are listed in older folders, even if none are due
_MANY_OBJECTS = 20_000  # are listed, and the rest is left to the next time
_MANY_FOLDERS = 100  # are listed again because something waits in them
_END = chr(0x10FFFF)  # comes after every place


@dataclass
class DiscoveryCursor:
    """Where discovery goes on.

    Each time it lists the newest days of every source, and the next of the other folders, so that it has been through
    all of these in time. `newest` and `others` are the places where it goes on in either, `at` is when it last listed,
    in seconds since 1970, and `waiting` are folders that it lists next, because something in them waits.
    """

    at: float = 0.0
    newest: str = ""
    others: str = ""
    waiting: Sequence[str] = field(default_factory=list)

    @classmethod
    def parse(cls, text: str | None) -> Self:
        """The cursor that a text holds; without one discovery begins."""
        return cls(**json.loads(text)) if text else cls()

    def __str__(self) -> str:
        return json.dumps(asdict(self))

    def list_next(self, storage: Storage, expected: Expected, seconds: float) -> Iterator[Listed]:
        """The objects of the next folders, so that all take so many seconds; the cursor moves as they are taken."""
        folders, beside = find_folders(storage)
        yield from beside
        newest = {*_find_newest(folders, expected), *self.waiting}
        self.newest = yield from _list_piece(storage, folders, newest, self.newest, _END)
        others = [folder for folder in folders if folder not in newest]
        last, self.at = self.at, time.time()
        due = self._due(others, (self.at - last) / seconds)
        self.others = yield from _list_piece(storage, folders, set(others), self.others, due)

    def list_everything(self, storage: Storage, seconds: float) -> Iterator[Listed]:
        """The objects of the next folders, where a listing of all is under way; one begins every so many seconds."""
        if not self.others:
            if time.time() - self.at < seconds:
                return
            self.at = time.time()
        folders, beside = find_folders(storage)
        yield from beside
        self.others, _ = yield from _list_from(storage, folders, set(folders), self.others, _END)

    def look_into(self, folders: Iterable[str]) -> None:
        """List some folders next time, as well as those in which something waits."""
        self.waiting = sorted({*self.waiting, *folders})[-_MANY_FOLDERS:]

    def wait_for(self, deliveries: Iterable[Delivery]) -> None:
        """List the folders of some deliveries next time."""
        found = {"/".join(delivery.object.split("/")[:3]) + "/" for delivery in deliveries}
        self.waiting = sorted(found)[-_MANY_FOLDERS:]

    def _due(self, folders: Sequence[str], share: float) -> str:
        """The place that is reached when a share of the folders has been listed, from where the last time ended."""
        rest = [folder for folder in folders if end_of(folder) > self.others]
        count = math.ceil(len(folders) * share)
        return end_of(rest[count - 1]) if 0 < count <= len(rest) else _END


def _find_newest(folders: Iterable[str], expected: Expected) -> Iterator[str]:
    by_source: dict[str, list[str]] = {}
    for folder in folders:
        _, source, day, _ = folder.split("/")
        if source in expected.sources and day in expected.days:
            by_source.setdefault(source, []).append(folder)
    for found in by_source.values():
        yield from found[-_NEWEST_DAYS:]


def _list_piece(
    storage: Storage, folders: Sequence[str], wanted: set[str], place: str, due: str
) -> Generator[Listed, None, str]:
    """The wanted ones' objects from one place to another, or a few more, or the first many; and where to go on."""
    for start in dict.fromkeys((place, "")):
        end, count = yield from _list_from(storage, folders, wanted, start, due)
        if count:  # else nothing was left, and it begins anew
            return end
    return ""


def _list_from(
    storage: Storage, folders: Sequence[str], wanted: set[str], place: str, due: str
) -> Generator[Listed, None, tuple[str, int]]:
    """The same from a place on; where to go on, which is nowhere if nothing is left, and how many objects it were."""
    count = 0
    for page in walk(storage, folders, wanted, place):
        yield from page.objects
        count += len(page.objects)
        if page.place and (count >= _MANY_OBJECTS or (count >= _FEW_OBJECTS and page.place >= due)):
            return page.place, count
    return "", count
