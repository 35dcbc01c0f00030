"""Who asks, and what they may.

Here: roles, and the value that says who. Not here: how somebody shows who they are (see `access`), and where accounts
are kept (see `accounts`).
"""

from dataclasses import dataclass, replace
from enum import Enum
from functools import total_ordering


@total_ordering
class Role(Enum):
    """What somebody may do, each including those before it."""

    READER = "reader"
    WRITER = "writer"
    ADMIN = "admin"

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, Role):
            return NotImplemented
        order = list(Role)
        return order.index(self) < order.index(other)


@dataclass(frozen=True)
class Principal:
    """Who asks; `sources` are the names of those that they may use, None where these are all.

    `delivers_to` are those of them that a writer may deliver to, None where these are all of them.
    """

    name: str
    role: Role
    sources: frozenset[str] | None = None
    delivers_to: frozenset[str] | None = None

    def may_read(self, source: str) -> bool:
        """Whether they may read what comes from a source."""
        return self.sources is None or source in self.sources

    def may_write(self, source: str) -> bool:
        """Whether they may deliver to a source."""
        may_deliver = self.delivers_to is None or source in self.delivers_to
        return self.role >= Role.WRITER and self.may_read(source) and may_deliver

    def limited_to(self, sources: frozenset[str] | None) -> "Principal":
        """The same one, with no more than these sources."""
        if sources is None:
            return self
        return replace(self, sources=sources if self.sources is None else self.sources & sources)
