"""Who asks, and what they may.

Here: roles, and the value that says who. Not here: how somebody shows who they are (see `access`), and where accounts
are kept (see `accounts`).
"""

from dataclasses import dataclass
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
    """Who asks; `sources` are the names of those that they may use, None where these are all."""

    name: str
    role: Role
    sources: frozenset[str] | None = None

    def may_read(self, source: str) -> bool:
        """Whether they may read what comes from a source."""
        return self.sources is None or source in self.sources

    def may_write(self, source: str) -> bool:
        """Whether they may deliver to a source."""
        return self.role >= Role.WRITER and self.may_read(source)

    def limited_to(self, sources: frozenset[str] | None) -> "Principal":
        """The same one, with no more than these sources."""
        if sources is None:
            return self
        return Principal(self.name, self.role, sources if self.sources is None else self.sources & sources)
