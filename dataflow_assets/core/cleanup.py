"""What housekeeping has freed, as a value.

Here: that alone. Not here: freeing anything.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Freed:
    """So many things of one kind, and the bytes that they took: freed, or in a dry run only found."""

    what: str
    count: int
    size: int

    def __str__(self) -> str:
        """A line for people."""
        return f"{self.what}: {self.count:,}, {shown(self.size)}"


def shown(size: int) -> str:
    """A number of bytes for people: `12.3 MB`."""
    return f"{size / 1e6:,.1f} MB"
