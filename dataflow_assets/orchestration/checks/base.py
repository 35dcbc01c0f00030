"""What a check is: its spec, and how it judges.

Here: the value that each file of this package fills in as `CHECK`, what a check is told, and what it says. Not here:
any check (see the other files), and how what it says is logged (see the package).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import dagster as dg

from dataflow_assets.analytics import Answer
from dataflow_assets.orchestration.metadata.metrics import Metrics
from dataflow_assets.orchestration.resources import DatabaseResource, Stores
from dataflow_assets.sources.base import Source


@dataclass(frozen=True)
class Target:
    """An asset that checks may be of: a layer of a source or of an answer."""

    layer: str
    subject: Source | Answer

    @property
    def key(self) -> dg.AssetKey:
        """The key of the asset."""
        return dg.AssetKey([self.layer, self.subject.name])

    @property
    def source(self) -> Source:
        """The source; only of an asset that is one's."""
        assert isinstance(self.subject, Source)
        return self.subject


@dataclass(kw_only=True)
class Outcome:
    """What a run did to the partitions of an asset; the run fills it in as it goes.

    `days` are the partitions that it was asked for (of a month its first day), `counts` what was counted of each one
    that was written, `losses` why the rows of some do not add up, `present` those that are there now. Of a snapshot's
    table `judged` are the delivery days of which it was decided whether their dump is quarantined, and `quarantined`
    says of which it is, and why.
    """

    target: Target
    database: DatabaseResource
    today: date
    days: Sequence[date]
    counts: dict[date, dict[str, int]] = field(default_factory=dict)
    losses: dict[date, str] = field(default_factory=dict)
    present: list[date] = field(default_factory=list)
    judged: set[date] = field(default_factory=set)
    quarantined: dict[date, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """The URL of the warehouse, whose embedded server may have been started again meanwhile."""
        return self.database.open_warehouse()


@dataclass(frozen=True, kw_only=True)
class PastDay:
    """A day that is over, and where to look for it; `are_all_idle` says that no run is under way that may bring it."""

    stores: Stores
    day: date
    are_all_idle: bool


@dataclass(frozen=True)
class Verdict:
    """What a check says: it holds on each of the days without a warning. `metrics` are what was compared."""

    days: Iterable[date]
    warnings: Mapping[date, str]
    metrics: Mapping[date, Metrics] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Check:
    """A check of the partitions of assets.

    Args:
        name: as people see it.
        description: what holds where it passes; it may differ from asset to asset.
        applies_to: whether an asset has it.
        judge_run: judges what a run wrote, at its end.
        judge_past_day: judges a day that is over, at 06:00, whether or not anything came.
        severity: how bad it is where it does not hold.
        is_blocking: whether it then fails the run.
    """

    name: str
    description: str | Callable[[Target], str]
    applies_to: Callable[[Target], bool]
    judge_run: Callable[[Outcome], Verdict]
    judge_past_day: Callable[[PastDay, Target], Verdict] | None = None
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.WARN
    is_blocking: bool = False

    def spec(self, target: Target) -> dg.AssetCheckSpec:
        """The check of one asset, as Dagster wants it."""
        says = self.description if isinstance(self.description, str) else self.description(target)
        return dg.AssetCheckSpec(self.name, asset=target.key, description=says, blocking=self.is_blocking)
