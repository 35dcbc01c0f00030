"""Which columns the files in an archive lack and bring, one after the other.

Here: when the archive as a whole lacks a column, and when its members have not the same ones. Not here: reading them,
and what becomes of such a delivery (see `lake.quarantine`).
"""

from collections import Counter
from dataclasses import dataclass, field

from dataflow_assets.lake.readers.base import Content, most_names
from dataflow_assets.sources.base import Events, Source


@dataclass
class _Columns:
    """The names of some members: how many lack a column, which one is the first to, and what is not declared."""

    members: int = 0
    missing: Counter[str] = field(default_factory=Counter)
    first_without: dict[str, str] = field(default_factory=dict)
    undeclared: set[str] = field(default_factory=set)

    def add(self, member: str, content: Content) -> None:
        self.members += 1
        self.missing.update(content.missing_columns)
        self.undeclared.update(most_names(sorted(content.undeclared_columns), (), self.undeclared))
        for column in content.missing_columns:
            self.first_without.setdefault(column, member)


@dataclass
class Members:
    """The members of an archive that were read: those of which rows were accepted, and the others."""

    source: Source
    _with_rows: _Columns = field(default_factory=_Columns)
    _without: _Columns = field(default_factory=_Columns)

    def add(self, member: str, content: Content, accepted: int) -> None:
        """Note a member that was read to its end, and how many of its rows were accepted."""
        (self._with_rows if accepted else self._without).add(member, content)

    def tell(self, whole: Content) -> None:
        """Add the names to those of the whole: a member without rows does not count, unless all are so.

        Where the rows of some members lack a column, null is what events have there. Of others the rows keep the values
        that they had, which can be said of a delivery as a whole alone.
        """
        found = self._with_rows if self._with_rows.members else self._without
        by_all = {column for column, members in found.missing.items() if members == found.members}
        is_uneven = found is self._with_rows and not isinstance(self.source, Events)
        whole.undeclared_columns.update(found.undeclared)
        whole.missing_columns.update(by_all if is_uneven else found.missing)
        if is_uneven:
            uneven = {column: member for column, member in found.first_without.items() if column not in by_all}
            whole.uneven_columns.update(uneven)
