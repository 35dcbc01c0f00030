"""Where collectors put what they bring: into landing, each thing on one day, and into the record.

Here: that, and what became of each thing. Not here: bringing it (see the collectors), and the statements of the record
(see `ledger.collected`).
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from dataflow_assets.collectors.base import CollectError, Known, Record, Remote
from dataflow_assets.landing.deliveries import Delivery, Landing
from dataflow_assets.landing.listing import PREFIX


@dataclass(frozen=True)
class Landed:
    """A version of a thing elsewhere, and the delivery that it is now."""

    remote: Remote
    delivery: Delivery


@dataclass
class Report:
    """What became of what was found: it landed, it failed or waits for the next time (by path, why).

    `told` are the paths that failed in the same way before, and `error` is what ended it early.
    """

    landed: list[Landed] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    postponed: dict[str, str] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)
    error: CollectError | None = None


class LandingSink:
    """Lands what a collector brings of one source.

    Args:
        source: the source's name.
        today: the day of delivery of what says none.
        landing: where it lands.
        record: the record of the source.
        progress: hears what has landed.
    """

    def __init__(
        self, source: str, today: date, landing: Landing, record: Record, progress: Callable[[str], None]
    ) -> None:
        self.report = Report()
        self._source = source
        self._today = today
        self._landing = landing
        self._record = record
        self._progress = progress
        self._known: dict[str, Known] = {}
        self._expected = 0

    def days_of(self, remotes: Sequence[Remote]) -> Mapping[str, date]:
        """On which day each of some things lands, by path: its own, that of its path, or today."""
        undated = [remote for remote in remotes if remote.day is None]
        known = self._record.read([remote.path for remote in undated])
        in_landing = self._days_in_landing({remote.name for remote in undated if remote.path not in known})
        return {
            remote.path: remote.day
            or (known[remote.path].day if remote.path in known else in_landing.get(remote.name, self._today))
            for remote in remotes
        }

    def expect(self, wanted: Sequence[Remote]) -> None:
        """Settle on which day each of some things lands, before any is brought."""
        if not wanted:
            return
        days = self.days_of(wanted)
        known = self._record.read([remote.path for remote in wanted])
        claims = {
            remote.path: (days[remote.path], self._key(days[remote.path], remote.name))
            for remote in wanted
            if remote.path not in known
        }
        self._known.update(known)
        self._known.update(self._record.claim(claims) if claims else {})
        self._expected += len(wanted)

    def _days_in_landing(self, names: set[str]) -> Mapping[str, date]:
        """The first day on which an object of each name lies in landing: the record may have been lost."""
        days: dict[str, date] = {}
        for delivery in self._landing.deliveries(self._source) if names else ():
            name = delivery.object.removeprefix(self._key(delivery.day, ""))
            if name in names:
                days[name] = min(delivery.day, days.get(name, delivery.day))
        return days

    def _key(self, day: date, name: str) -> str:
        return f"{PREFIX}/{self._source}/{day.isoformat()}/{name}"

    def land(self, remote: Remote, file: Path, *, replace: bool = True) -> Delivery | None:
        """Land a whole file (see `base.Sink`)."""
        if remote.path not in self._known:
            self.expect([remote])
        before = self._known.get(remote.path)
        if before and before.version == remote.version and remote.day in (None, before.day):
            return None  # landed by somebody else since it was found
        day = remote.day or (before.day if before else self._today)
        put = self._landing.put if replace else self._landing.put_new
        delivery = self._record.land(remote, before, lambda: put(self._source, day, file, remote.name))
        if delivery:
            self.report.landed.append(Landed(remote, delivery))
            self._progress(f"Landed {len(self.report.landed):,} of {self._expected:,}: {remote.path}")
        return delivery

    def adopt(self, folders: Collection[str], version_of: Callable[[str, Path], str]) -> None:
        """Record the last object in landing of some folders, where it is not recorded (see `base.Sink`)."""
        last: dict[str, Delivery] = {}
        for delivery in self._landing.deliveries(self._source):
            name = delivery.object.removeprefix(self._key(delivery.day, ""))
            if (folder := name.rpartition("/")[0]) in folders:
                last[folder] = max(delivery, last.get(folder, delivery), key=lambda one: one.object.rpartition("/")[2])
        for delivery in last.values():
            self._adopt(delivery, version_of)

    def _adopt(self, delivery: Delivery, version_of: Callable[[str, Path], str]) -> None:
        name = delivery.object.removeprefix(self._key(delivery.day, ""))
        before = self._record.claim({name: (delivery.day, delivery.object)})[name]
        if before.version is None:
            with self._landing.lend(delivery) as file:
                version = version_of(name, file)
            remote = Remote(path=name, version=version, name=name, day=delivery.day)
            if self._record.land(remote, before, lambda: delivery):
                self.report.landed.append(Landed(remote, delivery))

    def fail(self, remote: Remote, reason: str) -> None:
        """Say why one thing cannot be brought (see `base.Sink`)."""
        self.report.failed[remote.path] = reason

    def postpone(self, remote: Remote, reason: str) -> None:
        """Say why one thing waits for the next time (see `base.Sink`)."""
        self.report.postponed[remote.path] = reason

    def close(self) -> Report:
        """Record what failed; what became of everything."""
        failed = self.report.failed
        self.report.told = set(failed) - self._record.report(failed) if failed else set()
        return self.report
